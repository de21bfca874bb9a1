"""What every database's transactions promise."""

import asyncio
from contextlib import suppress

import pytest

from makegood.engine.contracts import Event, Task
from makegood.engine.database.base import BaseTransaction, Outgoing
from makegood.engine.database.port import Database
from makegood.engine.database.transaction import Reader, Transaction
from makegood.engine.errors import DatabaseError
from tests.contract.database.tables import COUNTERS, ITEMS, Counter, Item
from tests.support.world import ManualWorld

HAPPENED = Event("contract", "happened", Counter)
WORK = Task("work", Counter)


async def test_rolled_back(database: Database) -> None:
    """A function that raises leaves nothing behind, and the next one finds a database that works."""

    def fail(tx: Transaction) -> None:
        tx.insert(COUNTERS, [Counter(1, 1)])
        raise KeyError(1)

    with pytest.raises(KeyError):
        await database.write(fail)
    assert await database.write(lambda tx: tx.lock(COUNTERS, [1])) == {}


async def test_no_update_is_lost(database: Database) -> None:
    """A hundred concurrent transactions on one row, each of which locks, looks and adds one, add a hundred."""
    await database.write(lambda tx: tx.insert(COUNTERS, [Counter(1, 0)]))

    def add(tx: Transaction) -> int:
        [row] = tx.lock(COUNTERS, [1]).values()
        row.count += 1
        tx.update(COUNTERS, [row])
        return row.count

    counts = await asyncio.gather(*[database.write(add) for _ in range(100)])
    assert sorted(counts) == list(range(1, 101))
    [row] = (await database.read(lambda reader: reader.select(COUNTERS, [1]))).values()
    assert row.count == 100


async def test_read_after_write(database: Database) -> None:
    """A snapshot sees every commit that was answered before."""
    for number in range(50):
        await database.write(lambda tx, number=number: tx.insert(COUNTERS, [Counter(number, 0)]))
        assert len(await database.read(lambda reader: reader.page(COUNTERS, limit=100))) == number + 1
        assert len(await database.survey(lambda reader: reader.page(COUNTERS, limit=100))) == number + 1


async def test_snapshot(database: Database) -> None:
    """What a reader sees belongs together: two rows that always change together are never seen apart."""
    await database.write(lambda tx: tx.insert(COUNTERS, [Counter(1, 0), Counter(2, 0)]))

    def move(tx: Transaction) -> None:
        rows = tx.lock(COUNTERS, [1, 2])
        rows[1].count += 1
        rows[2].count -= 1
        tx.update(COUNTERS, rows.values())

    def total(reader: Reader) -> int:
        first = reader.select(COUNTERS, [1])[1].count
        return first + reader.select(COUNTERS, [2])[2].count

    work = [database.write(move) if at % 2 else database.read(total) for at in range(200)]
    assert set(await asyncio.gather(*work)) == {None, 0}


async def test_reader_writes_nothing(database: Database) -> None:
    """A query that writes all the same changes nothing."""
    await database.write(lambda tx: tx.insert(ITEMS, [Item("a", 1)]))
    with suppress(DatabaseError):
        await database.read(lambda reader: reader.insert(ITEMS, [Item("b")]))
    with suppress(DatabaseError):
        await database.survey(lambda reader: reader.insert(ITEMS, [Item("b")]))
    assert [item.sku for item in await database.read(lambda reader: reader.page(ITEMS, limit=9))] == ["a"]
    await database.write(lambda tx: tx.insert(ITEMS, [Item("b")]))


async def test_one_time(database: Database, world: ManualWorld) -> None:
    """A transaction has one time, the one when it began."""

    def work(tx: Transaction) -> tuple[int, int]:
        before = tx.now
        world.advance(1_000)
        return before, tx.now

    began = world.now()
    assert await database.write(work) == (began, began)
    assert await database.read(lambda reader: reader.now) == began + 1_000


async def test_ids(database: Database) -> None:
    """Ids are unique and grow, also over concurrent transactions and such as fail."""

    def mint(tx: Transaction) -> list[int]:
        return [tx.new_id() for _ in range(100)]

    ids = [one for batch in await asyncio.gather(*[database.write(mint) for _ in range(20)]) for one in batch]
    assert len(set(ids)) == 2_000
    assert max(ids) < 1 << 63
    assert (await database.write(mint))[0] > max(ids)


async def test_random_bytes(database: Database) -> None:
    """Random bytes are as many as were asked for, and others each time."""
    drawn = await database.write(lambda tx: [tx.random_bytes(16) for _ in range(10)])
    assert {len(one) for one in drawn} == {16}
    assert len(set(drawn)) == 10


async def test_what_is_said(database: Database) -> None:
    """Events, messages and tasks are noted in the order in which they were said, and belong to one transaction."""

    def say(tx: BaseTransaction) -> Outgoing:
        tx.publish(HAPPENED, Counter(1, 1), key="k")
        tx.send("letters", "text", tag="t", delay=1.5)
        tx.enqueue(WORK, "w", Counter(2, 2), delay=3)
        tx.publish(HAPPENED, Counter(3, 3))
        return tx.outgoing

    said = await database.write(say)
    assert [(one.event, one.payload, one.key) for one in said.events] == [
        (HAPPENED, Counter(1, 1), "k"),
        (HAPPENED, Counter(3, 3), ""),
    ]
    assert [(one.topic, one.tag, one.payload, one.delay) for one in said.messages] == [("letters", "t", "text", 1.5)]
    assert [(one.task, one.key, one.delay) for one in said.tasks] == [(WORK, "w", 3)]
    nothing = await database.write(lambda tx: tx.outgoing)
    assert (nothing.events, nothing.messages, nothing.tasks) == ([], [], [])
