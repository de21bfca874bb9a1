"""Waiting for an answer, never for ever."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


async def in_time(answer: Awaitable[T], seconds: float) -> T:
    """The answer. Raises TimeoutError when it takes longer."""
    async with asyncio.timeout(seconds):
        return await answer
