"""Two processes on one MySQL schema: neither changes what the other decides on, and both get on."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from typing import Any

import pytest

from makegood.engine.database.mysql import MysqlDatabase
from makegood.engine.database.mysql.connection import LOCK_WAIT
from makegood.engine.database.transaction import Transaction
from makegood.engine.errors import DatabaseUnavailable, DuplicateKey
from makegood.engine.execution import Execution
from makegood.engine.world import SystemWorld
from tests.contract.database.mysql_server import MysqlPlace
from tests.contract.database.tables import COUNTERS, ITEMS, Counter, Item

pytestmark = pytest.mark.cluster
SECONDS = 10.0


@pytest.fixture
async def two(place: MysqlPlace) -> AsyncGenerator[tuple[MysqlDatabase, MysqlDatabase]]:
    """Two databases over one schema, as two processes have them; counters 1 to 4 are there."""
    databases = place.open(SystemWorld()), place.open(SystemWorld())
    await databases[0].write(lambda tx: tx.insert(COUNTERS, [Counter(number, 0) for number in range(1, 5)]))
    yield databases
    for database in databases:
        database.close()


def add(tx: Transaction, numbers: Sequence[int]) -> list[int]:
    """Adds one to each counter."""
    rows = tx.lock(COUNTERS, numbers)
    for row in rows.values():
        row.count += 1
    tx.update(COUNTERS, rows.values())
    return [rows[number].count for number in numbers]


async def counts(database: MysqlDatabase) -> list[int]:
    """All counters."""
    return [row.count for row in await database.read(lambda reader: reader.page(COUNTERS, limit=100))]


async def test_no_update_is_lost(two: tuple[MysqlDatabase, MysqlDatabase]) -> None:
    """Two processes that add to the same rows, in opposite orders, add up."""
    batches = [([1, 2, 3], [3, 2, 1])[at % 2] for at in range(100)]
    await asyncio.gather(
        *(two[at % 2].write(lambda tx, batch=batch: add(tx, batch)) for at, batch in enumerate(batches))
    )
    assert await counts(two[0]) == await counts(two[1]) == [100, 100, 100, 0]


async def test_lock_excludes(two: tuple[MysqlDatabase, MysqlDatabase]) -> None:
    """While one holds a row, another gets all others at once, and that one only with what the first has made of it."""
    held, go = threading.Event(), threading.Event()

    def hold(tx: Transaction) -> list[int]:
        seen = add(tx, [2])
        held.set()
        assert go.wait(SECONDS)
        return seen

    first = asyncio.create_task(two[0].write(hold))
    await asyncio.to_thread(held.wait, SECONDS)
    assert await two[1].write(lambda tx: add(tx, [1, 3, 4])) == [1, 1, 1]
    second = asyncio.create_task(two[1].write(lambda tx: add(tx, [2])))
    done, _ = await asyncio.wait([second], timeout=0.3)
    assert not done
    assert await counts(two[0]) == [1, 0, 1, 1]
    go.set()
    assert (await first, await second) == ([1], [2])


async def test_waiting_for_a_row_ends(two: tuple[MysqlDatabase, MysqlDatabase]) -> None:
    """Who waits too long for a row is told that the database is away, and nothing of its transaction is stored."""
    held, go = threading.Event(), threading.Event()

    def hold(tx: Transaction) -> None:
        tx.lock(COUNTERS, [1])
        held.set()
        assert go.wait(LOCK_WAIT + SECONDS)

    def wait(tx: Transaction) -> None:
        add(tx, [2])
        tx.lock(COUNTERS, [1])

    first = asyncio.create_task(two[0].write(hold))
    await asyncio.to_thread(held.wait, SECONDS)
    with pytest.raises(DatabaseUnavailable, match=r"1205.*held the row"):
        await two[1].write(wait)
    go.set()
    await first
    assert await counts(two[1]) == [0, 0, 0, 0]
    assert await two[1].write(lambda tx: add(tx, [2, 1])) == [1, 1]


async def test_deadlock_ends_in_success(two: tuple[MysqlDatabase, MysqlDatabase]) -> None:
    """Two transactions that each wait for the other's row both take effect, once, in the end."""
    meeting = threading.Barrier(2)
    runs: list[int] = []

    def cross(tx: Transaction, orders: Sequence[tuple[int, int]]) -> list[int]:
        [(first, second)] = orders
        runs.append(first)
        add(tx, [first])
        tx.lock(COUNTERS, [first])
        with suppress(threading.BrokenBarrierError):
            meeting.wait(1)
        return add(tx, [second])

    executions = [Execution(database, SystemWorld(), []) for database in two]
    await asyncio.gather(executions[0].run_one(cross, (1, 2)), executions[1].run_one(cross, (2, 1)))
    assert sorted(runs) in ([1, 1, 2], [1, 2, 2])
    assert await counts(two[0]) == [2, 2, 0, 0]


async def test_one_of_two_inserts(two: tuple[MysqlDatabase, MysqlDatabase]) -> None:
    """Of two processes that insert the same key, one gets it, and the other runs again and finds it."""

    def once(tx: Transaction, numbers: Sequence[int]) -> list[int]:
        known = tx.lock(COUNTERS, numbers)
        new = [number for number in numbers if number not in known]
        tx.insert(COUNTERS, [Counter(number, 1) for number in new])
        return [number in known for number in numbers]

    executions = [Execution(database, SystemWorld(), []) for database in two]
    batches = [list(range(start, start + 20)) for start in range(100, 300, 10)]
    results = await asyncio.gather(*(executions[at % 2].run(once, batch) for at, batch in enumerate(batches)))
    new = sum(1 for batch in results for known in batch if known is False)
    assert new == len({number for batch in batches for number in batch})
    assert len(await two[0].read(lambda reader: reader.page(COUNTERS, after=99, limit=1_000))) == new


async def test_neighbours_do_not_wait(two: tuple[MysqlDatabase, MysqlDatabase]) -> None:
    """Deleting and changing some rows of a small table waits for no row that another process has just inserted."""
    await two[0].write(lambda tx: tx.insert(ITEMS, [Item(f"{number}", barcode=number) for number in range(8)]))
    held, go = threading.Event(), threading.Event()

    def hold(tx: Transaction) -> None:
        tx.insert(ITEMS, [Item("50"), Item("a"), Item("")])
        tx.select(ITEMS, ["a"])
        held.set()
        assert go.wait(SECONDS)

    def work(tx: Any) -> None:
        rows = tx.lock(ITEMS, [f"{number}" for number in range(8)])
        tx.update(ITEMS, rows.values())
        tx.discard(ITEMS, [f"{number}" for number in range(8)])

    first = asyncio.create_task(two[0].write(hold))
    await asyncio.to_thread(held.wait, SECONDS)
    async with asyncio.timeout(LOCK_WAIT / 2):
        await two[1].write(work)
    go.set()
    await first
    left = await two[1].read(lambda reader: reader.page(ITEMS, limit=100))
    assert [row.sku for row in left] == ["", "50", "a"]


async def test_after_an_error_nothing_is_sent(two: tuple[MysqlDatabase, MysqlDatabase]) -> None:
    """A function that catches the error of a verb cannot commit the half that was left."""

    def work(tx: Transaction) -> None:
        tx.insert(COUNTERS, [Counter(50, 0), Counter(1, 0)])
        with suppress(DuplicateKey):
            tx.lock(COUNTERS, [2])
        tx.insert(COUNTERS, [Counter(51, 0)])

    with pytest.raises(Exception, match="failed already"):
        await two[0].write(work)
    assert await counts(two[1]) == [0, 0, 0, 0]


async def test_snapshot_of_a_survey(two: tuple[MysqlDatabase, MysqlDatabase]) -> None:
    """A long look sees nothing of what others commit meanwhile, and holds nobody up."""
    began, go = threading.Event(), threading.Event()

    def look(reader: Any) -> tuple[list[int], list[int]]:
        before = [row.count for row in reader.page(COUNTERS, limit=9)]
        began.set()
        assert go.wait(SECONDS)
        return before, [row.count for row in reader.page(COUNTERS, limit=9)]

    survey = asyncio.create_task(two[0].survey(look))
    await asyncio.to_thread(began.wait, SECONDS)
    await two[1].write(lambda tx: add(tx, [1, 2, 3, 4]))
    assert await counts(two[0]) == [1, 1, 1, 1]
    go.set()
    assert await survey == ([0, 0, 0, 0], [0, 0, 0, 0])
