"""Where work runs that blocks: in threads, unless somebody who keeps time himself runs it otherwise."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

T = TypeVar("T")


class Runner(Protocol):
    """Runs blocking work without holding up the event loop; in line in a simulation."""

    def __call__(self, work: Callable[[], T], /) -> Awaitable[T]:
        """The result of `work`, or what it raised."""
        ...


class Threads:
    """A runner with `count` threads, which begin with the first work; more work waits, bounded by its callers."""

    def __init__(self, name: str, count: int = 1) -> None:
        self._pool = ThreadPoolExecutor(count, name)

    def __call__(self, work: Callable[[], T], /) -> Awaitable[T]:
        """The result of `work`, or what it raised."""
        return asyncio.get_running_loop().run_in_executor(self._pool, work)

    def close(self) -> None:
        """Waits for what is running, then ends the threads."""
        self._pool.shutdown()
