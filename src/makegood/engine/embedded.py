"""Services in one program, on SQLite files in a folder of theirs or in memory, with nothing to install or to run."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import apsw

from makegood.engine.broker.embedded import EmbeddedBroker
from makegood.engine.database.creation import create_tables
from makegood.engine.database.sqlite import SqliteDatabase
from makegood.engine.database.table import Schema
from makegood.engine.executor import Executors, ThreadExecutor
from makegood.engine.host import Host
from makegood.engine.service import Service
from makegood.engine.world import SystemWorld, World

COMPUTE_THREADS = 2
"""Threads for CPU-heavy work."""


@asynccontextmanager
async def open_host(services: Sequence[Service], folder: Path | None = None) -> AsyncGenerator[Host]:
    """A running host of these services, stopped at the end; without a folder all is forgotten then.

    Tables are created when they are not there, and not changed when they are: a program whose tables change brings
    them up by migrations, and opens its databases itself. Raises BrokerUnavailable when another process uses the
    folder, DatabaseUnavailable when a file cannot be opened, ValueError for services that disturb each other.
    """
    world = SystemWorld()
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    broker = open_broker(folder, world)
    try:
        host = Host(
            services,
            database=lambda service: open_database(service, folder, world),
            broker=broker,
            world=world,
            compute=ThreadExecutor("compute", COMPUTE_THREADS),
            alone=True,
        )
    except BaseException:
        await broker.close()
        raise
    await host.start()
    try:
        yield host
    finally:
        await host.stop()


def open_broker(folder: Path | None, world: World) -> EmbeddedBroker:
    """The folder's broker, or one in memory. Raises BrokerUnavailable when another process uses the folder."""
    return EmbeddedBroker.open(folder / "broker.db" if folder else None, world, ThreadExecutor("broker"))


def open_database(service: Service, folder: Path | None, world: World) -> SqliteDatabase:
    """The service's file in the folder, or tables in memory; created if it is missing. Raises DatabaseUnavailable."""
    if folder is None:
        connection = apsw.Connection(":memory:")
        create_tables(connection, service.schema)
        return SqliteDatabase.in_memory(world, ThreadExecutor(service.name), connection)
    path = folder / f"{service.name}.db"
    database = SqliteDatabase.open(path, world, Executors.threads(service.name))
    _create(path, service.schema)
    return database


def _create(path: Path, schema: Schema) -> None:
    connection = apsw.Connection(str(path))
    try:
        with connection:
            there = connection.execute("SELECT count(*) FROM sqlite_master").get
            if not there:
                create_tables(connection, schema)
    finally:
        connection.close()
