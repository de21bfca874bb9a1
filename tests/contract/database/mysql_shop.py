"""The embedded shop with its services' tables on MySQL instead of in files.

MYSQL_URL=mysql://… python -m tests.contract.database.mysql_shop --data DIR --port PORT
"""

import argparse
import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import uvloop

from makegood.config import Config
from makegood.embedded.directory import Directory
from makegood.embedded.shop import EmbeddedShop
from makegood.engine.database.migrations import migrate
from makegood.engine.database.mysql import MysqlDatabase, create_schema, sqlalchemy_url
from makegood.engine.executor import Executors
from makegood.engine.world import World
from makegood.shop.assembly import CLASSES, migrations_of

URL = os.environ.get("MYSQL_URL", "")


def open_database(path: Path, world: World, executors: Executors) -> Any:
    """The database of the service whose file this would be."""
    [service] = [one for one in CLASSES if one.name == path.stem]
    create_schema(URL, service.name)
    migrate(sqlalchemy_url(URL, service.name), service.schema, migrations_of(service))
    return MysqlDatabase.open(URL, service.name, world, executors)


async def _serve(data: Path, port: int) -> None:
    directory = Directory(data)
    directory.hold()
    config = Config.load(None, os.environ)
    shop = EmbeddedShop(directory, config, "127.0.0.1", port, demo=False, open_database=open_database)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, shop.stop.set)
    async with shop.running():
        await shop.stop.wait()
    directory.release()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    arguments = parser.parse_args()
    uvloop.run(_serve(arguments.data, arguments.port))
