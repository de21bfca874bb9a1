"""What survives: one SQLite database, one writer, one commit for everybody who waits."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, TypeVar

import apsw

from .clock import Clock
from .database import Database, savepoint, transaction
from .schema import bring_up

MAX_WAITING: Final = 4096
MAX_BATCH: Final = 512
MAX_WAIT_SECONDS: Final = 10.0

log = logging.getLogger(__name__)

T = TypeVar("T")


class Transaction(NamedTuple):
    """What a piece of work sees: the database, the virtual time in milliseconds, and tokens nobody can guess."""

    db: apsw.Connection
    now: int
    new_token: Callable[[], str]

    def rows(self, statement: str, *values: int | str | None) -> list[tuple[Any, ...]]:
        """Everything the statement gives."""
        return self.db.execute(statement, values).fetchall()

    def row(self, statement: str, *values: int | str | None) -> tuple[Any, ...] | None:
        """The first row the statement gives, if any."""
        return self.db.execute(statement, values).fetchone()


Work = Callable[[Transaction], T]


class StoreBusyError(Exception):
    """Too many writes are waiting: try again in a moment."""


class StoreFailedError(StoreBusyError):
    """The ledger failed, and nothing was written: make room on its disk, or mend it as the log says; then try again."""


class Store:
    """The ledger's database; work runs where the database says, writes in the order in which they came."""

    def __init__(self, database: Database, clock: Clock) -> None:
        """Brings the tables up; the database is closed with the store, and when this fails."""
        self._database = database
        self._clock = clock
        self._waiting: asyncio.Queue[tuple[Work[Any], asyncio.Future[Any]]] = asyncio.Queue(MAX_WAITING)
        try:
            self._make_tables()
        except apsw.Error:
            database.close()
            raise

    async def read(self, work: Work[T]) -> T:
        """Runs work that only looks, on a snapshot. Raises StoreFailedError, and TimeoutError."""
        try:
            async with asyncio.timeout(MAX_WAIT_SECONDS):
                return await self._database.reading(lambda: self._look(work))
        except apsw.Error as error:
            raise _failed(error) from error

    async def write(self, work: Work[T]) -> T:
        """Runs work that changes something; returns when it is on the disk.

        Raises StoreBusyError before anything is written, of which StoreFailedError is one; TimeoutError when it is not
        known whether it was.
        """
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        try:
            self._waiting.put_nowait((work, future))
        except asyncio.QueueFull:
            raise StoreBusyError(StoreBusyError.__doc__) from None
        try:
            async with asyncio.timeout(MAX_WAIT_SECONDS):
                return await future
        except apsw.Error as error:
            raise _failed(error) from error

    async def run(self) -> None:
        """Commits what waits, again and again, until cancelled."""
        while True:
            batch = [await self._waiting.get()]
            while len(batch) < MAX_BATCH and not self._waiting.empty():
                batch.append(self._waiting.get_nowait())
            outcomes = await self._database.writing(lambda works=[work for work, _ in batch]: self._commit(works))
            for (_, future), outcome in zip(batch, outcomes, strict=True):
                _settle(future, outcome)

    def close(self) -> None:
        """Waits for the last commit, then closes what the database opened itself."""
        self._database.close()

    def _make_tables(self) -> None:
        with transaction(self._database.writer, writes=True):
            bring_up(self._database.writer)

    def _look(self, work: Work[T]) -> T:
        with transaction(self._database.reader, writes=False):
            return work(self._transaction(self._database.reader))

    def _commit(self, works: Sequence[Work[Any]]) -> list[Any]:
        """One commit for all; work that fails is undone alone, and its exception is its outcome."""
        try:
            with transaction(self._database.writer, writes=True):
                tx = self._transaction(self._database.writer)
                return [_attempt(tx, work) for work in works]
        except Exception as error:
            return [error] * len(works)

    def _transaction(self, db: apsw.Connection) -> Transaction:
        return Transaction(db, self._clock.now(), self._clock.new_token)


def _failed(error: apsw.Error) -> StoreFailedError:
    log.error("The ledger failed: %s: %s", type(error).__name__, error)
    return StoreFailedError(StoreFailedError.__doc__)


def _attempt(tx: Transaction, work: Work[Any]) -> object:
    try:
        with savepoint(tx.db):
            return work(tx)
    except Exception as error:
        if not tx.db.in_transaction:  # its neighbours' changes are gone, too
            raise
        return error


def _settle(future: asyncio.Future[Any], outcome: object) -> None:
    if future.done():  # who waited has gone
        return
    if isinstance(outcome, Exception):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)
