"""The embedded shop, which kills its own process with -9 at a named point: nothing of it is told before.

    python -m tests.support.crashing_shop --data DIR --port PORT

It is the shop of `makegood run`, with databases and broker that look at what they are about to write. When a file
DIR/crash says so (`Point` in JSON), the next write that fits is the last thing this process does.
"""

import argparse
import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, TypeVar

import msgspec
import uvloop

from makegood.config import Config
from makegood.embedded.directory import Directory
from makegood.embedded.shop import EmbeddedShop
from makegood.engine.broker.embedded import EmbeddedBroker, EmbeddedSubscription
from makegood.engine.broker.port import Delivery, Message
from makegood.engine.database.base import BaseTransaction
from makegood.engine.database.port import Work
from makegood.engine.database.sqlite import SqliteDatabase
from makegood.engine.executor import Executor, Executors
from makegood.engine.world import World

T = TypeVar("T")
BROKER = "broker"


class Point(msgspec.Struct, frozen=True):
    """Where to die: a service (or `broker`), what it does, the how manieth time, before or after it is on disk.

    What a service does is how a statement begins (`UPDATE orders`); what the broker does is `publish TOPIC TAG`
    or `acknowledge GROUP`.
    """

    where: str
    what: str
    when: Literal["before", "after"]
    nth: int = 1

    def __str__(self) -> str:
        return f"{self.when} {self.where}: {self.what}" + (f" ({self.nth})" if self.nth > 1 else "")

    def arm(self, data: Path) -> None:
        """From now on the shop of this folder dies there."""
        draft = data / ".crash"
        draft.write_bytes(msgspec.json.encode(self))
        draft.rename(data / "crash")


class Crash:
    """What one place of this process knows of the point at which to die."""

    def __init__(self, data: Path, where: str) -> None:
        self._file = data / "crash"
        self._where = where
        self._seen = 0

    def before(self, does: Sequence[str]) -> bool:
        """All of this is about to be on disk; the answer goes to `after`."""
        point = self._point()
        if point is None or not any(one.startswith(point.what) for one in does):
            return False
        self._seen += 1
        if self._seen == point.nth and point.when == "before":
            self._die()
        return self._seen == point.nth

    def after(self, due: bool) -> None:
        """It is on disk, and nobody has been told."""
        if due:
            self._die()

    def _point(self) -> Point | None:
        if not self._file.exists():
            return None
        point = msgspec.json.decode(self._file.read_bytes(), type=Point)
        return point if point.where == self._where else None

    def _die(self) -> None:
        self._file.unlink()
        os.kill(os.getpid(), signal.SIGKILL)


class CrashingDatabase(SqliteDatabase):
    """A service's database that may be the end."""

    crash: Crash

    @classmethod
    def open(cls, path: Path, world: World, executors: Executors) -> "CrashingDatabase":
        """As every database is opened."""
        database = super().open(path, world, executors)
        assert isinstance(database, cls)
        database.crash = Crash(path.parent, path.stem)
        return database

    def transact(self, work: Work[T]) -> T:
        """Runs it; dies just before or after the commit if this is the point."""
        statements: list[str] = []
        due = False

        def note(_: object, sql: str, __: object) -> bool:
            statements.append(sql)
            return True

        def watched(tx: BaseTransaction) -> T:
            nonlocal due
            answer = work(tx)
            due = self.crash.before(statements)
            return answer

        self._writer.exec_trace = note
        answer = super().transact(watched)
        self.crash.after(due)
        return answer


class CrashingBroker(EmbeddedBroker):
    """A broker that may be the end."""

    crash: Crash

    @classmethod
    def open(cls, where: Path | object, world: World, executor: Executor) -> "CrashingBroker":
        """As the broker is opened."""
        assert isinstance(where, Path)
        broker = super().open(where, world, executor)
        assert isinstance(broker, cls)
        broker.crash = Crash(where.parent, BROKER)
        return broker

    async def publish(self, messages: Sequence[Message]) -> None:
        """Publishes; dies just before or after if this is the point."""
        due = self.crash.before([f"publish {message.topic} {message.tag}" for message in messages])
        await super().publish(messages)
        self.crash.after(due)

    async def subscribe(
        self, group: str, topics: Mapping[str, frozenset[str]], *, ordered: bool = False
    ) -> EmbeddedSubscription:
        """Joins a group."""
        subscription = await super().subscribe(group, topics, ordered=ordered)
        return CrashingSubscription(subscription, group, self.crash)


class CrashingSubscription(EmbeddedSubscription):
    """A subscription whose acknowledgement may be the end."""

    def __init__(self, subscription: EmbeddedSubscription, group: str, crash: Crash) -> None:
        self.__dict__.update(subscription.__dict__)  # it has joined already: joining again would count twice
        self._what = f"acknowledge {group}"
        self._crash = crash

    async def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """Acknowledges; dies just before or after if this is the point."""
        due = self._crash.before([self._what])
        await super().acknowledge(deliveries)
        self._crash.after(due)


async def _serve(data: Path, port: int) -> None:
    directory = Directory(data)
    directory.hold()
    config = Config.load(None, os.environ)
    shop = EmbeddedShop(
        directory,
        config,
        "127.0.0.1",
        port,
        demo=False,
        open_database=CrashingDatabase.open,
        open_broker=CrashingBroker.open,
    )
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
