"""A service's database in memory, in which its functions are called as plain functions."""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import apsw
import msgspec

from makegood.engine.database.creation import create_tables
from makegood.engine.database.ids import IdSource
from makegood.engine.database.sqlite import SqliteDatabase, SqliteTransaction
from makegood.engine.database.table import Schema, Table
from makegood.engine.database.transaction import Reader, Transaction
from makegood.engine.executor import InlineExecutor
from makegood.engine.world import World

R = TypeVar("R", bound=msgspec.Struct)
K = TypeVar("K", bound="str | int | tuple[Any, ...]")
T = TypeVar("T")


class WatchfulTransaction(SqliteTransaction):
    """Fails when a row is updated that has a change in a column of which its table says that it never changes."""

    def __init__(self, connection: apsw.Connection, world: World, ids: IdSource) -> None:
        super().__init__(connection, world, ids)
        self._seen: dict[tuple[str, Any], dict[str, Any]] = {}

    def lock(self, table: Table[R, K], keys: Iterable[K]) -> dict[K, R]:
        """As a transaction does, remembering what the rows were."""
        found = super().lock(table, keys)
        self._seen.update({(table.name, key): msgspec.structs.asdict(row) for key, row in found.items()})
        return found

    def update(self, table: Table[R, K], rows: Iterable[R]) -> None:
        """As a transaction does, after a look at what changed."""
        changed = list(rows)
        for row in changed:
            was, now = self._seen.get((table.name, table.key_of(row)), {}), msgspec.structs.asdict(row)
            lost = [name for name in was if was[name] != now[name] and name not in table.changing]
            assert not lost, f"{table} would lose the change of {lost}: name it among the changing columns"
        super().update(table, changed)


class WatchfulDatabase(SqliteDatabase):
    """Runs watchful transactions."""

    def transaction_on(self, connection: apsw.Connection) -> WatchfulTransaction:
        """The verbs for a transaction that has just begun on this connection."""
        return WatchfulTransaction(connection, self._world, self.ids)


class MemoryDatabase:
    """Runs functions in transactions over a fresh in-memory SQLite; commits unless they raise."""

    def __init__(self, schema: Schema, world: World) -> None:
        self.connection = apsw.Connection(":memory:")
        create_tables(self.connection, schema)
        self.database = WatchfulDatabase.in_memory(world, InlineExecutor(), self.connection)

    def write(self, work: Callable[[Transaction], T]) -> T:
        """The result of `work`, committed; what it published stays on `tx.outgoing`, for the outbox is the engine's."""
        return self.database.transact(work)

    def read(self, work: Callable[[Reader], T]) -> T:
        """The result of `work` on a snapshot."""
        return self.database.look(work)
