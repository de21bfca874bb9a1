"""A service's database in the simulated world: what was committed survives a crash, what was not does not.

It lives in memory, on its own machine, and never loses what it stored; its processes, connections and disks fail.
A transaction is atomic in time too: those of two processes never overlap, as with SQLite's single writer.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any, TypeVar

import apsw
import msgspec

from makegood.engine.database.creation import create_tables
from makegood.engine.database.port import Work
from makegood.engine.database.sqlite import SqliteDatabase, SqliteTransaction
from makegood.engine.database.table import Schema, Table
from makegood.engine.errors import DatabaseError, DatabaseUnavailable, DuplicateKey
from makegood.engine.executor import InlineExecutor
from makegood.simulation.faults import Fault
from makegood.simulation.life import Life, Moment
from makegood.simulation.world import World

R = TypeVar("R", bound=msgspec.Struct)
K = TypeVar("K", bound="str | int | tuple[Any, ...]")
T = TypeVar("T")

WAY = 0.0005
"""Mean seconds to the database, and back."""
SEEN_LATER = 0.3
"""How often others see a commit before its process knows of it."""
FULL = 3.0
"""Seconds for which a disk is full at most."""


class Poison(Exception):
    """A bug that somebody injected."""


class Disk:
    """What survives of one service."""

    def __init__(self, name: str, content: bytes) -> None:
        self.name = name
        self.connection = apsw.Connection(":memory:")
        self.connection.deserialize("main", content)
        self.full_until = 0.0

    def seen_by(self, world: World) -> SqliteDatabase:
        """The database for who looks, or loads, from outside: nothing goes wrong."""
        return SqliteDatabase.in_memory(world, InlineExecutor(), self.connection)


@lru_cache
def empty(schema: Schema) -> bytes:
    """A database with the schema's tables, and nothing in them."""
    connection = apsw.Connection(":memory:")
    create_tables(connection, schema)
    return connection.serialize("main")


class SimulatedDatabase:
    """Implements the engine's `Database` for one process."""

    def __init__(self, disk: Disk, life: Life, world: World) -> None:
        self._disk, self._life, self._world = disk, life, world
        self._inner = _Mortal.in_memory(life, InlineExecutor(), disk.connection)
        self.ids = self._inner.ids
        self._inner.life = life
        self._inner.full = lambda: world.loop.time() < disk.full_until
        self._inner.tells = world.trace.keeps
        self._inner.wrote = []

    async def write(self, work: Work[T]) -> T:
        """Runs `work` in a transaction, unless something goes wrong before, in, or after it."""
        self._life.check()
        await self._way()
        failure = self._failure()
        answer = self._transact(work, failure)
        if self._world.faults.happens(Fault.COMMIT_UNANSWERED, self._where()):
            raise DatabaseUnavailable("the connection was lost in the commit: nobody knows whether it took effect")
        if self._world.chance.random() < SEEN_LATER:
            await self._way()
        return answer

    async def read(self, work: Work[T]) -> T:
        """Runs `work` on a snapshot, unless the connection is lost."""
        self._life.check()
        await self._way()
        if self._world.faults.happens(Fault.READ_LOST, self._where()):
            raise DatabaseUnavailable("the connection was lost")
        return self._inner.look(work)

    async def survey(self, work: Work[T]) -> T:
        """As `read`."""
        return await self.read(work)

    def close(self) -> None:
        """The disk stays."""

    async def _way(self) -> None:
        await asyncio.sleep(self._world.chance.expovariate(1 / WAY))

    def _where(self) -> str:
        return f"{self._disk.name} of {self._life}"

    def _failure(self) -> DatabaseError | None:
        """What fails this transaction at its commit."""
        faults, where = self._world.faults, self._where()
        if faults.happens(Fault.DISK_FULL, self._disk.name):
            until = self._world.loop.time() + FULL * faults.size(Fault.DISK_FULL)
            self._disk.full_until = min(until, self._world.heals_at)
        if faults.happens(Fault.COMMIT_LOST, where):
            return DatabaseUnavailable("the connection was lost before the commit")
        if faults.happens(Fault.COMMIT_CONFLICT, where):
            inserted = faults.size(Fault.COMMIT_CONFLICT) < 0.5
            return DuplicateKey("inserted by another") if inserted else DatabaseError("deadlock, victim of another")
        return None

    def _transact(self, work: Work[T], failure: DatabaseError | None) -> T:
        life, trace = self._life, self._world.trace
        poisoned = self._world.faults.happens(Fault.POISON, self._where())
        perhaps = False

        def then_fail(tx: Any) -> T:
            nonlocal perhaps
            answer = work(tx)
            if poisoned:
                raise Poison("as by a bug")
            if failure is not None:
                trace.note(str(life), "does not commit", f"{self._disk.name}: {failure}")
                raise failure
            if life.reaches(Moment.BEFORE_COMMIT):
                raise life.dies(Moment.BEFORE_COMMIT)
            perhaps = life.reaches(Moment.IN_COMMIT)
            if perhaps and life.coin():
                raise life.dies(Moment.IN_COMMIT)
            return answer

        self._inner.ids = self.ids
        answer = self._inner.transact(then_fail)
        trace.note(str(life), "commits", self._disk.name)
        for written in self._inner.wrote:
            trace.tell(str(life), "writes", lambda written=written: f"{self._disk.name}: {written}")
        if perhaps:
            raise life.dies(Moment.IN_COMMIT)
        if life.reaches(Moment.AFTER_COMMIT):
            raise life.dies(Moment.AFTER_COMMIT)
        return answer


class _Mortal(SqliteDatabase):
    """Begins transactions whose verbs may be the end."""

    life: Life
    full: Callable[[], bool]
    tells: bool
    wrote: list[str]

    def transaction_on(self, connection: apsw.Connection) -> SqliteTransaction:
        """The verbs for a transaction that has just begun; the plain ones when nothing can happen in them."""
        self.wrote = []
        if not (self.tells or self.full() or self.life.expects(Moment.VERB)):
            return super().transaction_on(connection)
        transaction = _MortalTransaction(connection, self._world, self.ids)
        transaction.life, transaction.full, transaction.wrote = self.life, self.full(), self.wrote
        return transaction


class _MortalTransaction(SqliteTransaction):
    """Verbs at which the process may die, and which a full disk refuses."""

    life: Life
    full: bool
    wrote: list[str]
    """What it has written, in words."""

    def insert(self, table: Table[R, K], rows: Sequence[R]) -> None:
        """As a transaction does."""
        self._reach([f"+ {row}" for row in rows])
        super().insert(table, rows)

    def update(self, table: Table[R, K], rows: Iterable[R]) -> None:
        """As a transaction does."""
        changed = list(rows)
        self._reach([str(row) for row in changed])
        super().update(table, changed)

    def delete(self, table: Table[R, K], keys: Iterable[K]) -> None:
        """As a transaction does."""
        gone = list(keys)
        self._reach([f"- {table.name} {key}" for key in gone])
        super().delete(table, gone)

    def discard(self, table: Table[R, K], keys: Sequence[K]) -> None:
        """As a transaction does."""
        self._reach([f"- {table.name} {key}" for key in keys])
        super().discard(table, keys)

    def _rows(self, table: Table[R, Any], text: str, marks: Sequence[Any]) -> list[R]:
        self._reach()
        return super()._rows(table, text, marks)

    def _reach(self, writes: Sequence[str] = ()) -> None:
        if self.life.reaches(Moment.VERB):
            raise self.life.dies(Moment.VERB)
        self.wrote.extend(writes)
        if writes and self.full:
            raise DatabaseUnavailable("SQLite: database or disk is full")
