"""Where blocking work runs: in threads on a real machine, in line in a simulated one."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, Protocol, TypeVar

T = TypeVar("T")


class Executor(Protocol):
    """Runs a blocking function without holding up the event loop."""

    async def run(self, work: Callable[[], T]) -> T:
        """The result of `work`, or what it raised."""
        ...

    def close(self) -> None:
        """Waits for what is running; nothing new is taken."""
        ...


class InlineExecutor:
    """Runs the work at once, on the loop's own thread: for tests and simulation."""

    async def run(self, work: Callable[[], T]) -> T:
        """The result of `work`, or what it raised."""
        return work()

    def close(self) -> None:
        """Nothing to wait for."""


class ThreadExecutor:
    """`threads` worker threads; more work than that waits in the order in which it came."""

    def __init__(self, name: str, threads: int = 1) -> None:
        self._pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix=name)

    async def run(self, work: Callable[[], T]) -> T:
        """The result of `work`, or what it raised."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, _without_stop, work)

    def close(self) -> None:
        """Waits for what is running; nothing new is taken."""
        self._pool.shutdown(wait=True)


class Executors(NamedTuple):
    """Where a database's work runs: its transactions, its queries, and what reads for long."""

    write: Executor
    read: Executor
    survey: Executor

    @classmethod
    def threads(cls, name: str) -> "Executors":
        """A thread each, named after the database."""
        return cls(ThreadExecutor(f"{name}-write"), ThreadExecutor(f"{name}-read"), ThreadExecutor(f"{name}-survey"))

    @classmethod
    def all(cls, executor: Executor) -> "Executors":
        """One for everything."""
        return cls(executor, executor, executor)

    def close(self) -> None:
        """Waits for what is running; nothing new is taken."""
        for executor in self:
            executor.close()


def _without_stop(work: Callable[[], T]) -> T:
    """A future cannot hold StopIteration: whoever awaits it would wait for ever."""
    try:
        return work()
    except StopIteration as error:
        raise RuntimeError("StopIteration came out of a function: give `next` a default") from error
