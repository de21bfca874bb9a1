"""Batches in transactions: bugs are found, failures repeated, and what leaves with a commit leaves."""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import apsw
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makegood.engine.database.creation import create_tables
from makegood.engine.database.sqlite import SqliteDatabase
from makegood.engine.database.table import Schema, Table
from makegood.engine.database.transaction import Reader, Transaction
from makegood.engine.errors import DatabaseError, DatabaseUnavailable, DuplicateKey, OperationFailed
from makegood.engine.execution import RERUNS, Execution
from makegood.engine.executor import Executors, InlineExecutor
from makegood.engine.world import SystemWorld
from tests.support.faulty import Fault, FaultyDatabase
from tests.support.virtual_time import VirtualWorld, run, virtual


class Row(msgspec.Struct):
    """A number that was stored, and in which transaction."""

    number: int
    at: int


SCHEMA = Schema("numbers")
NUMBERS = Table[Row, int](SCHEMA, "numbers", Row, key=("number",))


class Post:
    """Implements `Departure`: what leaves with commits."""

    def __init__(self, fails: Exception | None = None) -> None:
        self.stored: list[int] = []
        self.left: list[int] = []
        self.kept: list[int] = []
        self._fails = fails

    def store(self, tx: Transaction) -> int:
        """Something that this transaction says."""
        del tx
        if self._fails:
            raise self._fails
        self.stored.append(len(self.stored))
        return self.stored[-1]

    def committed(self, stored: Any) -> None:
        """It left."""
        self.left.append(stored)

    def abandoned(self, stored: Any) -> None:
        """It did not."""
        self.kept.append(stored)


class Bench:
    """An execution over a faulty database in memory."""

    def __init__(self, world: VirtualWorld, *departures: Post) -> None:
        connection = apsw.Connection(":memory:")
        create_tables(connection, SCHEMA)
        self.connection = connection
        self.database = FaultyDatabase(SqliteDatabase.in_memory(world, InlineExecutor(), connection), world)
        self.execution = Execution(self.database, world, departures)
        self.poison: frozenset[int] = frozenset()
        self.runs = 0

    def store(self, tx: Transaction, numbers: Sequence[int]) -> list[int]:
        """Stores each number once; answers when it was stored."""
        self.runs += 1
        known = tx.lock(NUMBERS, numbers)
        for number in numbers:
            if number in self.poison:
                raise ValueError(f"{number} is poison")
            if number not in known:
                known[number] = Row(number, tx.now)
                tx.insert(NUMBERS, [known[number]])
        return [known[number].at for number in numbers]

    def stored(self) -> list[int]:
        """What is in the database."""
        return [row[0] for row in self.connection.execute("SELECT number FROM numbers ORDER BY number")]


@settings(deadline=None)
@given(st.lists(st.integers(0, 30), min_size=1, max_size=30), st.frozensets(st.integers(0, 30)))
def test_bisection(numbers: list[int], poison: frozenset[int]) -> None:
    """However many requests of a batch meet a bug, only they fail; the others take effect and are answered in order."""

    async def scenario(world: VirtualWorld) -> None:
        bench = Bench(world)
        bench.poison = poison
        answers = await bench.execution.run(bench.store, numbers)
        assert [isinstance(answer, OperationFailed) for answer in answers] == [one in poison for one in numbers]
        assert bench.stored() == sorted(set(numbers) - poison)
        assert bench.runs <= 2 * len(numbers)

    run(scenario)


@virtual
async def test_one_poisonous_request_is_cheap(world: VirtualWorld) -> None:
    """One bug in a batch of 256 costs two transactions for each halving, not one for each request."""
    bench = Bench(world)
    bench.poison = frozenset([77])
    answers = await bench.execution.run(bench.store, range(256))
    assert [at for at, answer in enumerate(answers) if isinstance(answer, Exception)] == [77]
    assert bench.runs == 1 + 2 * 8


@pytest.mark.parametrize("fault", [Fault.REFUSED, Fault.ROLLED_BACK, Fault.UNANSWERED, Fault.DUPLICATE])
def test_database_failure_is_nobodys_fault(fault: Fault) -> None:
    """The batch runs again as a whole after any failure of the database, and has one effect."""

    async def scenario(world: VirtualWorld) -> None:
        bench = Bench(world)
        bench.database.faults.coming.extend([fault, fault])
        answers = await bench.execution.run(bench.store, [1, 2, 3])
        assert not any(isinstance(answer, Exception) for answer in answers)
        assert bench.stored() == [1, 2, 3]

    run(scenario)


@virtual
async def test_answer_after_lost_commit(world: VirtualWorld) -> None:
    """After a commit whose answer was lost the batch is answered from what that commit stored."""
    bench = Bench(world)
    bench.database.faults.coming.append(Fault.UNANSWERED)
    began = world.now()
    [answer] = await bench.execution.run(bench.store, [1])
    assert answer == began < world.now()


@virtual
async def test_database_away(world: VirtualWorld) -> None:
    """A database that stays away is the callers' answer after a bounded number of runs, with growing pauses."""
    bench = Bench(world)
    bench.database.faults.away = True
    with pytest.raises(DatabaseUnavailable):
        await bench.execution.run(bench.store, [1, 2])
    assert bench.database.faults.happened == RERUNS
    assert 0.3 < asyncio.get_running_loop().time() < 3
    with pytest.raises(DatabaseUnavailable):
        await bench.execution.read(read, [1])


def read(reader: Reader, numbers: Sequence[int]) -> list[bool]:
    """Which numbers are there; 13 is a bug."""
    if 13 in numbers:
        raise KeyError(13)
    found = reader.select(NUMBERS, numbers)
    return [number in found for number in numbers]


@virtual
async def test_read(world: VirtualWorld) -> None:
    """A query is bisected, repeated and checked like a batch that writes."""
    bench = Bench(world)
    await bench.execution.run(bench.store, [1, 2])
    bench.database.faults.coming.append(Fault.REFUSED)
    answers = await bench.execution.read(read, [1, 13, 2, 3])
    assert answers[::2] == [True, True]
    assert isinstance(answers[1], OperationFailed)
    assert answers[3] is False
    [short] = await bench.execution.read(lambda _reader, _numbers: list[int](), [1])
    assert isinstance(short, OperationFailed)


@virtual
async def test_key_that_stays_duplicate(world: VirtualWorld) -> None:
    """A function that inserts without looking has a bug: after the re-runs only the guilty request fails."""
    bench = Bench(world)
    await bench.execution.run(bench.store, [3])

    def insert(tx: Transaction, numbers: Sequence[int]) -> list[int]:
        tx.insert(NUMBERS, [Row(number, 0) for number in numbers])
        return list(numbers)

    answers = await bench.execution.run(insert, [1, 2, 3, 4])
    assert [answer for answer in answers if not isinstance(answer, Exception)] == [1, 2, 4]
    assert isinstance(answers[2], OperationFailed)
    assert isinstance(answers[2].__cause__, DuplicateKey)
    assert bench.stored() == [1, 2, 3, 4]


@virtual
async def test_another_who_writes_at_last_is_nobodys_fault(world: VirtualWorld) -> None:
    """A database that fails again and again, at last with a duplicate key, is away: no request is called a bug."""
    bench = Bench(world)
    bench.database.faults.coming.extend([*[Fault.REFUSED] * (RERUNS - 1), Fault.DUPLICATE])
    with pytest.raises(DatabaseUnavailable):
        await bench.execution.run(bench.store, [1])
    await bench.execution.run_here(bench.store, [1])
    assert bench.stored() == [1]


@virtual
async def test_wrong_number_of_answers(world: VirtualWorld) -> None:
    """A function that does not answer every request has a bug, and nothing of it is stored."""
    bench = Bench(world)

    def forgetful(tx: Transaction, numbers: Sequence[int]) -> list[int]:
        return bench.store(tx, numbers)[1:]

    answers = await bench.execution.run(forgetful, [1, 2])
    assert all("0 answers to 1 requests" in str(answer) for answer in answers)
    assert bench.stored() == []


@virtual
async def test_nobody_asks(world: VirtualWorld) -> None:
    """A batch of no requests has no answers, even when it meets a bug."""
    bench = Bench(world)

    def broken(_tx: Transaction, _numbers: Sequence[int]) -> list[int]:
        raise KeyError

    assert await bench.execution.run(bench.store, []) == []
    assert await bench.execution.run(broken, []) == []


@virtual
async def test_departures(world: VirtualWorld) -> None:
    """What is stored with a commit is told of it once; what is stored with a failed one is told that, once."""
    post = Post()
    bench = Bench(world, post)
    bench.database.faults.coming.append(Fault.ROLLED_BACK)
    await bench.execution.run(bench.store, [1])
    bench.poison = frozenset([2])
    await bench.execution.run(bench.store, [2])
    assert (post.stored, post.left, post.kept) == ([0, 1], [1], [0])


@virtual
async def test_second_departure_fails(world: VirtualWorld) -> None:
    """A departure that cannot store fails the request, and those that stored before it are told."""
    first, second = Post(), Post(TypeError("no such payload"))
    bench = Bench(world, first, second)
    [answer] = await bench.execution.run(bench.store, [1])
    assert "no such payload" in str(answer)
    assert (first.left, first.kept, bench.stored()) == ([], [0], [])


@virtual
async def test_caller_goes_away(world: VirtualWorld) -> None:
    """A transaction that has begun ends though its caller is cancelled, and what it says leaves."""
    post = Post()
    bench = Bench(world, post)
    bench.database.delay = 1.0
    caller = asyncio.create_task(bench.execution.run(bench.store, [1]))
    await asyncio.sleep(0.5)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    await bench.execution.idle()
    assert (bench.stored(), post.left, post.kept) == ([1], [0], [])


async def test_stop_iteration_in_a_thread(tmp_path: Path) -> None:
    """`next` on nothing, in a worker thread, fails the request: it must not hang its caller."""
    connection = apsw.Connection(str(tmp_path / "numbers.db"))
    create_tables(connection, SCHEMA)
    connection.close()
    world = SystemWorld()
    database = SqliteDatabase.open(tmp_path / "numbers.db", world, Executors.threads("numbers"))
    threads: list[str] = []

    def next_of_nothing(_tx: Transaction, numbers: Sequence[int]) -> list[int]:
        threads.append(threading.current_thread().name)
        empty: Iterator[int] = iter(())
        first = next(empty)
        return [first for _ in numbers]

    async with asyncio.timeout(10):
        [answer] = await Execution(database, world, []).run(next_of_nothing, [1])
    database.close()
    assert isinstance(answer, OperationFailed)
    assert threads == ["numbers-write_0"]


async def test_a_survey_holds_up_no_query(tmp_path: Path) -> None:
    """Queries and transactions are answered while something reads for long."""
    connection = apsw.Connection(str(tmp_path / "numbers.db"))
    create_tables(connection, SCHEMA)
    connection.close()
    database = SqliteDatabase.open(tmp_path / "numbers.db", SystemWorld(), Executors.threads("numbers"))
    over = threading.Event()
    survey = asyncio.create_task(database.survey(lambda _: over.wait(10)))
    async with asyncio.timeout(5):
        assert await database.read(lambda _: 1) + await database.write(lambda _: 1) == 2
    over.set()
    assert await survey
    database.close()


@virtual
async def test_errors_are_database_errors(world: VirtualWorld) -> None:
    """A batch whose database fails to the end fails as a whole, for poison cannot be told from failure."""
    bench = Bench(world)
    bench.poison = frozenset([1])
    bench.database.faults.coming.extend([Fault.REFUSED] * RERUNS)
    with pytest.raises(DatabaseError):
        await bench.execution.run(bench.store, [1, 2])
