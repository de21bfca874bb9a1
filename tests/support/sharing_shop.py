"""The embedded shop with a broker whose file another process can lock, as a backup or a curious person would.

    python -m tests.support.sharing_shop --data DIR --port PORT

It is the shop of `makegood run`, but for the lock that keeps everybody else out of the broker's file.
"""

import argparse
import asyncio
import os
import signal
from pathlib import Path

import apsw
import uvloop

from makegood.config import Config
from makegood.embedded.directory import Directory
from makegood.embedded.shop import EmbeddedShop
from makegood.engine.broker.embedded import EmbeddedBroker
from makegood.engine.executor import Executor
from makegood.engine.world import World

COMMAND = ("-m", "tests.support.sharing_shop")
BUSY_MILLISECONDS = 1_000
"""So long a write waits for whoever holds the file."""


def open_broker(where: Path | apsw.Connection | None, world: World, executor: Executor) -> EmbeddedBroker:
    """The broker over a file that is not locked while nobody writes."""
    connection = apsw.Connection(str(where))
    connection.execute("PRAGMA journal_mode = WAL")
    connection.set_busy_timeout(BUSY_MILLISECONDS)
    return EmbeddedBroker.open(connection, world, executor)


async def _serve(data: Path, port: int) -> None:
    directory = Directory(data)
    directory.hold()
    config = Config.load(None, os.environ)
    shop = EmbeddedShop(directory, config, "127.0.0.1", port, demo=False, open_broker=open_broker)
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
