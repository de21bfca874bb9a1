"""Every adapter of the database port, each with empty tables."""

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import apsw
import pytest

from makegood.engine.database.creation import create_tables
from makegood.engine.database.port import Database
from makegood.engine.database.sqlite import SqliteDatabase
from makegood.engine.executor import Executors, InlineExecutor
from tests.contract.database.tables import SCHEMA
from tests.support.world import ManualWorld


@pytest.fixture
def world() -> ManualWorld:
    """The world of the database."""
    return ManualWorld()


@asynccontextmanager
async def sqlite_file(folder: Path, world: ManualWorld) -> AsyncGenerator[Database]:
    """A SQLite file with its two threads."""
    connection = apsw.Connection(str(folder / "contract.db"))
    create_tables(connection, SCHEMA)
    connection.close()
    database = SqliteDatabase.open(folder / "contract.db", world, Executors.threads("contract"))
    yield database
    database.close()


@asynccontextmanager
async def sqlite_memory(_folder: Path, world: ManualWorld) -> AsyncGenerator[Database]:
    """SQLite in memory, run in line."""
    connection = apsw.Connection(":memory:")
    create_tables(connection, SCHEMA)
    database = SqliteDatabase.in_memory(world, InlineExecutor(), connection)
    yield database
    database.close()
    connection.close()


Adapter = Callable[[Path, ManualWorld], AbstractAsyncContextManager[Database]]
ADAPTERS: tuple[Adapter, ...] = (sqlite_file, sqlite_memory)


@pytest.fixture(params=ADAPTERS, ids=[adapter.__name__ for adapter in ADAPTERS])
async def database(request: pytest.FixtureRequest, tmp_path: Path, world: ManualWorld) -> AsyncGenerator[Database]:
    """A database of each kind."""
    adapter: Adapter = request.param
    async with adapter(tmp_path, world) as database:
        yield database
