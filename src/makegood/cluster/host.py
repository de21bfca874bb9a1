"""Services in one program, as its configuration says: in memory, in a folder, or on the real servers.

    [rocketmq]        messages go by RocketMQ; without it, within the program
    [dubbo]           other programs find and call these services, and these theirs; without it, only each other
    [database] url    mysql://user:password@host:3306/prefix, or sqlite:///folder; without it all is in memory

The services are the same in every case.
"""

import asyncio
import os
import signal
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from makegood.cluster.extra import missing_extra
from makegood.cluster.settings import DatabaseSettings
from makegood.config import Config, ConfigError
from makegood.engine.broker.port import Broker
from makegood.engine.database.port import Database
from makegood.engine.embedded import COMPUTE_THREADS, open_broker, open_database
from makegood.engine.executor import ThreadExecutor
from makegood.engine.host import Host
from makegood.engine.service import Service
from makegood.engine.world import SystemWorld, World

if TYPE_CHECKING:
    from makegood.cluster.connections import Calls

MYSQL, SQLITE = "mysql://", "sqlite:///"


class _Tables(NamedTuple):
    """Where they are: on a MySQL server, in a folder, or in memory."""

    mysql: str = ""
    folder: Path | None = None


@asynccontextmanager
async def open_host(
    services: Sequence[Service],
    config: Config | Path | str | None = None,
    *,
    audience: Sequence[type[Service]] | None = None,
) -> AsyncGenerator[Host]:
    """A running host of these services, stopped at the end.

    `config` may be the file; then, and without it, the environment says the rest. `audience` are all services, here
    or elsewhere, that listen to events of these; without it, these. Tables are created when they are not there, and
    not changed when they are. Raises ConfigError, DatabaseError, BrokerUnavailable when another process uses the
    folder, OSError when the port for calls is taken, ValueError for services that disturb each other.
    """
    config = config if isinstance(config, Config) else Config.load(Path(config) if config else None, os.environ)
    tables, world = _tables(config), SystemWorld()
    async with _calls(config, tables, world, services) as calls:
        broker = _broker(config, tables, world)
        try:
            host = Host(
                services,
                database=partial(_database, tables, world),
                broker=broker,
                world=world,
                compute=ThreadExecutor("compute", COMPUTE_THREADS),
                alone=not tables.mysql and "rocketmq" not in config,
                elsewhere=calls.caller if calls else None,
                audience=audience,
                doors=calls.doors if calls else (),
            )
        except BaseException:
            await broker.close()
            raise
        await host.start()
        try:
            yield host
        finally:
            await host.stop()


async def until_stopped() -> None:
    """Returns when somebody ends the program: by Ctrl-C, or SIGTERM."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()


def _tables(config: Config) -> _Tables:
    if "database" not in config:
        return _Tables()
    url = config.section("database", DatabaseSettings).url
    if url.startswith(MYSQL):
        return _Tables(mysql=url)
    path = url.removeprefix(SQLITE)
    if path in (url, ""):
        raise ConfigError(f"[database] url: write {MYSQL}user:password@host:3306/prefix, or {SQLITE}folder")
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"[database] url: {folder} cannot be used: {error.strerror}; give another folder") from error
    return _Tables(folder=folder)


def _calls(
    config: Config, tables: _Tables, world: World, services: Sequence[Service]
) -> "AbstractAsyncContextManager[Calls | None]":
    if "dubbo" not in config:
        return nullcontext()
    # Programs with other services may share the folder.
    file = f"{'-'.join(['providers', *(service.name for service in services)])}.json"
    cache = tables.folder / file if tables.folder else None
    with _extra():
        from makegood.cluster.connections import calls  # noqa: PLC0415 - its libraries are an extra
    return calls(config, world, cache, serves=bool(services))


def _broker(config: Config, tables: _Tables, world: World) -> Broker:
    if "rocketmq" not in config:
        return open_broker(tables.folder, world)
    with _extra():
        from makegood.cluster.connections import rocketmq  # noqa: PLC0415 - its libraries are an extra
    return rocketmq(config, world)


def _database(tables: _Tables, world: World, service: Service) -> Database:
    if not tables.mysql:
        return open_database(service, tables.folder, world)
    with _extra():
        from makegood.cluster.tables import mysql  # noqa: PLC0415 - its libraries are an extra
    return mysql(tables.mysql, world, service)


@contextmanager
def _extra() -> Generator[None]:
    try:
        yield
    except ModuleNotFoundError as missing:
        raise ConfigError(missing_extra(missing)) from missing
