"""Ends a child process."""

import asyncio
import signal
from asyncio.subprocess import Process


async def end(process: Process, patience: float) -> None:
    """Asks it to end, and kills it when it has not after `patience` seconds; returns when it has ended."""
    if process.returncode is None:
        process.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(patience):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
