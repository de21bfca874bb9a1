"""The processes a bench starts: each ends with the bench, however the bench ends, because its input ends."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from makegood.bench.errors import BenchError
from makegood.embedded.ending import end

STOP = 40.0
"""Seconds that a process may take to end before it is killed."""
LAST_WORDS = 400
"""Most characters of its log in an error."""


@asynccontextmanager
async def child(
    module: str, arguments: Sequence[str], log: Path, settings: Mapping[str, str] | None = None
) -> AsyncGenerator[Process]:
    """`python -m MODULE …`, ended when the block ends; its output goes to `log`."""
    environment = _environment() | dict(settings or {})
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", module, *arguments, stdin=PIPE, stdout=output, stderr=output, env=environment
        )
    try:
        yield process
    finally:
        await end(process, STOP)


def last_words(log: Path) -> str:
    """The end of a log, on one line."""
    text = log.read_text(errors="replace").strip() if log.exists() else ""
    return " ".join(text[-LAST_WORDS:].split()) or "it said nothing"


async def wait_for_file(path: Path, process: Process, log: Path, seconds: float) -> None:
    """Returns when the file is there. Raises BenchError when the process ended, or it takes longer."""
    try:
        async with asyncio.timeout(seconds):
            while not path.exists():
                if process.returncode is not None:
                    raise BenchError(f"a process of the bench ended ({process.returncode}): {last_words(log)}")
                await asyncio.sleep(0.01)
    except TimeoutError as error:
        raise BenchError(
            f"no answer within {seconds:.0f} s, try again on a quieter machine: {last_words(log)}"
        ) from error


def _environment() -> dict[str, str]:
    """Without settings of a shop, and with compiled modules: without them a start costs three times the CPU."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MAKEGOOD_")}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    return kept
