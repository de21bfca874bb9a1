"""Two small services for tests of the engine: a till that takes sums, and books that hear of them."""

import asyncio
from collections.abc import Callable, Sequence

import apsw
import msgspec

from makegood.engine.broker.embedded import EmbeddedBroker
from makegood.engine.contracts import Event, Operation, Task
from makegood.engine.database.creation import create_tables
from makegood.engine.database.port import Database
from makegood.engine.database.sqlite import SqliteDatabase
from makegood.engine.database.table import Schema, Table
from makegood.engine.database.transaction import Reader, Transaction
from makegood.engine.deadline import Deadline
from makegood.engine.executor import InlineExecutor
from makegood.engine.host import Host
from makegood.engine.service import Later, Service, TaskResult, async_operation, listener, operation, query, task
from makegood.engine.world import World
from tests.support.faulty import FaultyBroker, FaultyDatabase, MortalExecutor


class Take(msgspec.Struct, frozen=True):
    """A sum to take; `number` is the caller's own, a repeat is answered the same."""

    number: int
    printed: bool = False


class Taken(msgspec.Struct, frozen=True):
    """It was taken as the `place`th."""

    number: int
    receipt: int = 0


TAKE = Operation("till", "Take", Take, Taken)
TAKE_SLOWLY = Operation("till", "TakeSlowly", Take, Taken)
COUNT = Operation("till", "Count", Take, Taken)
TOOK = Event("till", "took", Taken)
PRINT = Task("print", Take)
TILL, BOOKS = Schema("till"), Schema("books")


class Sum(msgspec.Struct):
    """A sum that was taken."""

    number: int
    receipt: int


class Entry(msgspec.Struct):
    """A line in the books; nothing in it says that it is there already."""

    line: int
    number: int


SUMS = Table[Sum, int](TILL, "sums", Sum, key=("number",))
PRINTS = Table[Sum, int](TILL, "prints", Sum, key=("number",))
ENTRIES = Table[Entry, int](BOOKS, "entries", Entry, key=("line",), indexes=(("number",),))


class Till(Service):
    """Takes each number once. It meets a bug at the numbers in `poison`; `printer` is somebody outside."""

    name = "till"
    schema = TILL

    def __init__(self) -> None:
        self.poison: tuple[int, ...] = ()
        self.printer: Callable[[int], None] = lambda _: None
        self.print_seconds = 0.0
        self.verdict: Later | None = None

    @operation(TAKE)
    def take(self, tx: Transaction, requests: Sequence[Take]) -> list[Taken]:
        """Takes what was not taken before."""
        known = tx.lock(SUMS, [request.number for request in requests])
        for request in requests:
            if request.number in self.poison:
                raise ValueError(f"{request.number} is poison")
            if request.number not in known:
                known[request.number] = Sum(request.number, tx.new_id())
                tx.insert(SUMS, [known[request.number]])
                tx.publish(TOOK, Taken(request.number), key=str(request.number))
                if request.printed:
                    tx.enqueue(PRINT, str(request.number), request)
        return [Taken(request.number, known[request.number].receipt) for request in requests]

    @async_operation(TAKE_SLOWLY)
    async def take_slowly(self, request: Take, deadline: Deadline) -> Taken:
        """Takes, after a second."""
        await asyncio.sleep(1)
        if request.number in self.poison:
            raise KeyError(request.number)
        return await self.engine.call(TAKE, request, deadline)

    @query(COUNT)
    def count(self, reader: Reader, requests: Sequence[Take]) -> list[Taken]:
        """How many sums were taken from a number on."""
        return [Taken(len(reader.page(SUMS, after=request.number - 1, limit=10_000))) for request in requests]

    @task(PRINT)
    async def print(self, job: Take) -> int:
        """Prints outside."""
        await asyncio.sleep(self.print_seconds)
        self.printer(job.number)
        return job.number

    @print.done
    def printed(self, tx: Transaction, results: Sequence[TaskResult[Take, int]]) -> list[Later | None]:
        """Remembers what was printed; two results for one number would be two rows with one key."""
        done = [result for result in results if self.verdict is None]
        tx.insert(PRINTS, [Sum(result.outcome, result.attempt) for result in done])
        return [self.verdict for _ in results]


class Books(Service):
    """Enters each event on a line of its own. It meets a bug at the numbers in `poison`."""

    name = "books"
    schema = BOOKS

    def __init__(self) -> None:
        self.poison: tuple[int, ...] = ()
        self.heard: list[int] = []

    @listener(TOOK)
    def enter(self, tx: Transaction, events: Sequence[Taken]) -> None:
        """Enters sums."""
        self.heard.extend(event.number for event in events)
        for event in events:
            if event.number in self.poison:
                raise ValueError(f"{event.number} is poison")
        tx.insert(ENTRIES, [Entry(tx.new_id(), event.number) for event in events])


class Shop:
    """Both services on databases in memory that outlive their host, as disks outlive a process."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._disks = {service.name: disk(service.schema) for service in (Till, Books)}
        self._broker_disk = apsw.Connection(":memory:")
        self._dead: list[MortalExecutor] = []
        self.made()

    def made(self) -> None:
        """A new process on the same disks."""
        self._executor = MortalExecutor()
        self.till, self.books = Till(), Books()
        self.databases: dict[str, FaultyDatabase] = {}
        self.broker = FaultyBroker(EmbeddedBroker.open(self._broker_disk, self.world, self._executor), self.world)
        self.host = Host(
            [self.till, self.books],
            database=self._database,
            broker=self.broker,
            world=self.world,
            compute=InlineExecutor(),
            alone=True,
        )

    def die(self) -> None:
        """The process is killed: nothing of it has any effect from now on."""
        self._executor.die()
        self._dead.append(self._executor)

    def _database(self, service: Service) -> Database:
        inner = SqliteDatabase.in_memory(self.world, self._executor, self._disks[service.name])
        database = self.databases[service.name] = FaultyDatabase(inner, self.world)
        return database

    async def take(self, *numbers: int, seconds: float = 30.0, printed: bool = False) -> list[Taken | BaseException]:
        """What came of taking these at once."""
        calls = [self.host.call(TAKE, Take(number, printed), Deadline.after(seconds)) for number in numbers]
        return await asyncio.gather(*calls, return_exceptions=True)

    def sums(self) -> list[int]:
        """What the till has."""
        return [row[0] for row in self._disks["till"].execute("SELECT number FROM sums ORDER BY number")]

    def prints(self) -> list[int]:
        """What the till remembers as printed."""
        return [row[0] for row in self._disks["till"].execute("SELECT number FROM prints ORDER BY number")]

    def entries(self) -> list[int]:
        """What the books have, sorted."""
        return [row[0] for row in self._disks["books"].execute("SELECT number FROM entries ORDER BY number")]

    def rows(self, service: str, table: str) -> list[tuple[object, ...]]:
        """All that is in a table."""
        return list(self._disks[service].execute(f"SELECT * FROM {table}"))

    async def until(self, condition: Callable[[], bool], seconds: float = 3_600.0, step: float = 0.05) -> None:
        """Returns when the condition, looked at every `step` seconds, holds; TimeoutError if not in `seconds`."""
        async with asyncio.timeout(seconds):
            while not condition():
                await asyncio.sleep(step)


def disk(schema: Schema) -> apsw.Connection:
    """An empty database."""
    connection = apsw.Connection(":memory:")
    create_tables(connection, schema)
    return connection
