"""Lives of the two services in processes of their own, on files; each ends itself by kill -9 at a named point.

Reads lines `FOLDER POINT` (or `FOLDER -`) and forks a life for each, which says what it promises, a line each; then
it says how the life ended. Points are `before X` and `after X`: X is `publish`, `acknowledge`, `print`, or the
beginning of an SQL statement, and stands for the commit that has it. A life dies at the second time it gets there.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import apsw

from makegood.engine.broker.embedded import EmbeddedBroker
from makegood.engine.broker.port import Broker, Delivery, Groups, Message, Subscription
from makegood.engine.database.creation import create_tables
from makegood.engine.database.port import Database, Work
from makegood.engine.database.sqlite import SqliteDatabase
from makegood.engine.deadline import Deadline
from makegood.engine.executor import Executors, ThreadExecutor
from makegood.engine.host import Host
from makegood.engine.service import Service
from makegood.engine.world import SystemWorld
from tests.unit.engine.tills import TAKE, Books, Take, Till

T = TypeVar("T")

NUMBERS = range(6)


def say(*words: object) -> None:
    """Tells the parent at once."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


class Reaper:
    """Kills this process at its point."""

    def __init__(self, point: str) -> None:
        self._point = point
        self._left = 2

    def pass_by(self, moment: str, *places: str) -> None:
        """Dies if this is the point: `moment` is before or after."""
        if any(place and self._point == f"{moment} {place}" for place in places):
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    def near(self, statement: str) -> str:
        """What the point calls this statement, or nothing."""
        _, _, place = self._point.partition(" ")
        return place if statement.startswith(place) else ""


class MortalDatabase:
    """Implements `Database`: dies before or after commits."""

    def __init__(self, inner: Database, reaper: Reaper, statements: list[str]) -> None:
        self.inner = inner
        self.ids = inner.ids
        self._reaper = reaper
        self._statements = statements

    async def write(self, work: Work[T]) -> T:
        """As the inner database, if it lives."""
        self.inner.ids = self.ids
        seen: list[str] = []

        def then_die(tx: Any) -> T:
            self._statements.clear()
            answer = work(tx)
            seen.extend(dict.fromkeys(map(self._reaper.near, self._statements)))
            self._reaper.pass_by("before", *seen)
            return answer

        answer = await self.inner.write(then_die)
        self._reaper.pass_by("after", *seen)
        return answer

    async def survey(self, work: Work[T]) -> T:
        """As the inner database."""
        return await self.inner.survey(work)

    async def read(self, work: Work[T]) -> T:
        """As the inner database."""
        return await self.inner.read(work)

    def close(self) -> None:
        """Closes the inner database."""
        self.inner.close()


class MortalBroker:
    """Implements `Broker`: dies before or after publishing and acknowledging."""

    def __init__(self, inner: Broker, reaper: Reaper) -> None:
        self._inner, self._reaper = inner, reaper

    async def publish(self, messages: Sequence[Message]) -> None:
        """As the inner broker, if it lives."""
        self._reaper.pass_by("before", "publish")
        await self._inner.publish(messages)
        self._reaper.pass_by("after", "publish")

    async def declare(self, groups: Groups) -> None:
        """As the inner broker."""
        await self._inner.declare(groups)

    async def subscribe(
        self, group: str, topics: Mapping[str, frozenset[str]], *, ordered: bool = False
    ) -> Subscription:
        """As the inner broker."""
        return MortalSubscription(await self._inner.subscribe(group, topics, ordered=ordered), self._reaper)

    async def close(self) -> None:
        """As the inner broker."""
        await self._inner.close()


class MortalSubscription:
    """Implements `Subscription`: dies before or after acknowledging."""

    def __init__(self, inner: Subscription, reaper: Reaper) -> None:
        self._inner, self._reaper = inner, reaper

    async def receive(self, limit: int, wait: float) -> list[Delivery]:
        """One at a time, so that there is a second time."""
        return await self._inner.receive(min(limit, 1), wait)

    async def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """As the inner one, if it lives."""
        self._reaper.pass_by("before", "acknowledge")
        await self._inner.acknowledge(deliveries)
        self._reaper.pass_by("after", "acknowledge")

    async def defer(self, deliveries: Sequence[Delivery], delay: float) -> None:
        """As the inner one."""
        await self._inner.defer(deliveries, delay)

    async def close(self) -> None:
        """As the inner one."""
        await self._inner.close()


def database_of(folder: Path, service: Service, reaper: Reaper) -> Database:
    """The service's file."""
    path = folder / f"{service.name}.db"
    is_new = not path.exists()
    connection = apsw.Connection(str(path))
    if is_new:
        create_tables(connection, service.schema)
    connection.close()
    statements: list[str] = []

    def note(_cursor: object, statement: str, _bindings: object) -> bool:
        statements.append(statement)
        return True

    def watch(connection: apsw.Connection) -> None:
        connection.exec_trace = note

    apsw.connection_hooks.append(watch)
    try:
        database = SqliteDatabase.open(path, SystemWorld(), Executors.threads("shop"))
    finally:
        apsw.connection_hooks.remove(watch)
    return MortalDatabase(database, reaper, statements)


def printer(folder: Path, reaper: Reaper) -> Callable[[int], None]:
    """Somebody outside: a file that gets a line for each print."""

    def print_number(number: int) -> None:
        reaper.pass_by("before", "print")
        with (folder / "printed").open("a") as file:
            file.write(f"{number}\n")
        reaper.pass_by("after", "print")

    return print_number


async def life(folder: Path, point: str) -> None:
    """Asks for everything, and ends when everything has taken effect."""
    reaper = Reaper(point)
    till, books = Till(), Books()
    till.printer = printer(folder, reaper)
    books.poison = (2, 3) if "set_aside" in point else ()
    world = SystemWorld()
    host = Host(
        [till, books],
        database=lambda service: database_of(folder, service, reaper),
        broker=MortalBroker(EmbeddedBroker.open(folder / "broker.db", world, ThreadExecutor("broker")), reaper),
        world=world,
        compute=ThreadExecutor("compute"),
        alone=True,
    )
    await host.start()
    for number in NUMBERS:
        await host.call(TAKE, Take(number, printed=True), Deadline.after(20))
        say("taken", number)
    async with asyncio.timeout(20):
        while not complete(folder):
            await asyncio.sleep(0.02)
    await host.stop()


def rows(folder: Path, service: str, query: str) -> list[Any]:
    """What a query finds in a service's file."""
    connection = apsw.Connection(str(folder / f"{service}.db"), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        connection.set_busy_timeout(1_000)
        return [row[0] for row in connection.execute(query)]
    finally:
        connection.close()


def complete(folder: Path) -> bool:
    """Whether everything has taken effect and nothing waits."""
    done = len(rows(folder, "books", "SELECT number FROM entries")) >= len(NUMBERS)
    waiting = rows(folder, "books", "SELECT 1 FROM set_aside")
    return done and not waiting and not rows(folder, "till", "SELECT 1 FROM outbox UNION ALL SELECT 1 FROM tasks")


def main() -> None:
    """Forks a life for each line."""
    for line in sys.stdin:
        folder, _, point = line.strip().partition(" ")
        child = os.fork()
        if child == 0:
            try:
                asyncio.run(life(Path(folder), point))
            except BaseException as error:
                say("failed", repr(error))
                os._exit(1)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        say("ended", os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main()
