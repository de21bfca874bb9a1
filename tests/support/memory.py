"""A service's database in memory, in which its functions are called as plain functions."""

from collections.abc import Callable
from typing import TypeVar

import apsw

from makegood.engine.database.creation import create_tables
from makegood.engine.database.sqlite import SqliteDatabase
from makegood.engine.database.table import Schema
from makegood.engine.database.transaction import Reader, Transaction
from makegood.engine.executor import InlineExecutor
from makegood.engine.world import World

T = TypeVar("T")


class MemoryDatabase:
    """Runs functions in transactions over a fresh in-memory SQLite; commits unless they raise."""

    def __init__(self, schema: Schema, world: World) -> None:
        self.connection = apsw.Connection(":memory:")
        create_tables(self.connection, schema)
        self.database = SqliteDatabase.in_memory(world, InlineExecutor(), self.connection)

    def write(self, work: Callable[[Transaction], T]) -> T:
        """The result of `work`, committed; what it published stays on `tx.outgoing`, for the outbox is the engine's."""
        return self.database.transact(work)

    def read(self, work: Callable[[Reader], T]) -> T:
        """The result of `work` on a snapshot."""
        return self.database.look(work)
