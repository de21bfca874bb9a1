"""What survives: one SQLite file, written by one thread, one commit for everybody who waits."""

import asyncio
import os
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

import apsw

from .clock import Clock
from .schema import SCHEMA

MAX_WAITING: Final = 4096
MAX_BATCH: Final = 512
MAX_WAIT_SECONDS: Final = 10.0
BUSY_TIMEOUT_MILLISECONDS: Final = 5000

T = TypeVar("T")


class Transaction(NamedTuple):
    """What a piece of work sees: the database, and the virtual time in milliseconds."""

    db: apsw.Connection
    now: int

    def rows(self, statement: str, *values: int | str | None) -> list[tuple[Any, ...]]:
        """Everything the statement gives."""
        return self.db.execute(statement, values).fetchall()

    def row(self, statement: str, *values: int | str | None) -> tuple[Any, ...] | None:
        """The first row the statement gives, if any."""
        return self.db.execute(statement, values).fetchone()


Work = Callable[[Transaction], T]


class StoreBusyError(Exception):
    """Too many writes are waiting: try again in a moment."""


class Store:
    """The database; work runs in its threads, writes in the order in which they came."""

    def __init__(self, path: Path, clock: Clock) -> None:
        """Opens or makes the file, and its tables."""
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        self._clock = clock
        self._writer = _open(path)
        for statement in SCHEMA:
            self._writer.execute(statement)
        self._reader = _open(path)
        self._reader.execute("PRAGMA query_only = ON")
        self._writing = ThreadPoolExecutor(1, "sandbox-writer")
        self._reading = ThreadPoolExecutor(1, "sandbox-reader")
        self._waiting: asyncio.Queue[tuple[Work[Any], asyncio.Future[Any]]] = asyncio.Queue(MAX_WAITING)

    async def read(self, work: Work[T]) -> T:
        """Runs work that only looks, on a snapshot."""
        loop = asyncio.get_running_loop()
        return await asyncio.wait_for(loop.run_in_executor(self._reading, self._look, work), MAX_WAIT_SECONDS)

    async def write(self, work: Work[T]) -> T:
        """Runs work that changes something; returns when it is on the disk.

        Raises StoreBusyError before anything is written; TimeoutError when it is not known whether it was.
        """
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        try:
            self._waiting.put_nowait((work, future))
        except asyncio.QueueFull:
            raise StoreBusyError(StoreBusyError.__doc__) from None
        return await asyncio.wait_for(future, MAX_WAIT_SECONDS)

    async def run(self) -> None:
        """Commits what waits, again and again, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            batch = [await self._waiting.get()]
            while len(batch) < MAX_BATCH and not self._waiting.empty():
                batch.append(self._waiting.get_nowait())
            works = [work for work, _ in batch]
            outcomes = await loop.run_in_executor(self._writing, self._commit, works)
            for (_, future), outcome in zip(batch, outcomes, strict=True):
                _settle(future, outcome)

    def close(self) -> None:
        """Waits for the last commit, then closes the file."""
        self._writing.shutdown()
        self._reading.shutdown()
        self._reader.close()
        self._writer.close()

    def _look(self, work: Work[T]) -> T:
        with _atomic(self._reader):
            return work(Transaction(self._reader, self._clock.now()))

    def _commit(self, works: Sequence[Work[Any]]) -> list[Any]:
        """One commit for all; work that fails is undone alone, and its exception is its outcome."""
        try:
            with _atomic(self._writer):
                tx = Transaction(self._writer, self._clock.now())
                return [self._attempt(tx, work) for work in works]
        except apsw.Error as error:
            return [error] * len(works)

    def _attempt(self, tx: Transaction, work: Work[Any]) -> object:
        try:
            with _atomic(tx.db):
                return work(tx)
        except Exception as error:
            return error


@contextmanager
def _atomic(db: apsw.Connection) -> Generator[None]:
    """A transaction, or a savepoint inside one: kept when the block ends, undone when it raises."""
    with db:
        yield


def _settle(future: asyncio.Future[Any], outcome: object) -> None:
    if future.done():  # who waited has gone
        return
    if isinstance(outcome, Exception):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)


def _open(path: Path) -> apsw.Connection:
    db = apsw.Connection(str(path))
    db.set_busy_timeout(BUSY_TIMEOUT_MILLISECONDS)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    return db
