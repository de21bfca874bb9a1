"""Every adapter of the database port, each with empty tables."""

from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib.util import find_spec
from pathlib import Path

import apsw
import pytest

from makegood.engine.database.creation import create_tables
from makegood.engine.database.port import Database
from makegood.engine.database.sqlite import SqliteDatabase
from makegood.engine.executor import Executors, InlineExecutor
from tests.contract.database.mysql_server import MysqlPlace, with_tables
from tests.contract.database.tables import SCHEMA
from tests.support.world import ManualWorld

# Where the extra `cluster` is not installed its tests cannot even be read; they are deselected there.
collect_ignore_glob = [] if find_spec("MySQLdb") else ["test_mysql_*"]


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


@asynccontextmanager
async def mysql(_folder: Path, world: ManualWorld) -> AsyncGenerator[Database]:
    """A schema on MariaDB."""
    with with_tables(SCHEMA) as place:
        database = place.open(world)
        yield database
        database.close()


@pytest.fixture
def place() -> Generator[MysqlPlace]:
    """A schema on MariaDB, with the contract's tables."""
    with with_tables(SCHEMA) as place:
        yield place


Adapter = Callable[[Path, ManualWorld], AbstractAsyncContextManager[Database]]
ADAPTERS = [
    pytest.param(sqlite_file, id="sqlite_file"),
    pytest.param(sqlite_memory, id="sqlite_memory"),
    pytest.param(mysql, id="mysql", marks=pytest.mark.cluster),
]


@pytest.fixture(params=ADAPTERS)
async def database(request: pytest.FixtureRequest, tmp_path: Path, world: ManualWorld) -> AsyncGenerator[Database]:
    """A database of each kind."""
    adapter: Adapter = request.param
    async with adapter(tmp_path, world) as database:
        yield database
