"""The embedded broker's own promises: what it delivers, and at what cost."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

import apsw
import pytest

from makegood.engine.broker.embedded import EmbeddedBroker, GroupStats
from makegood.engine.broker.embedded_sql import DELETE_STEP, MOVE_ROWS, PAGE_ROWS
from makegood.engine.broker.embedded_topic import TAIL_ROWS, WINDOW, Group
from makegood.engine.broker.port import INVISIBLE
from makegood.engine.executor import InlineExecutor, ThreadExecutor
from tests.contract.broker.harness import gather, ids, message
from tests.support.world import ManualWorld
from tests.unit.engine.brokers import ALL, consume, fill, opened, stored

T = TypeVar("T")


class CountingExecutor(InlineExecutor):
    """Runs in line, and counts."""

    runs = 0

    async def run(self, work: Callable[[], T]) -> T:
        """The result of `work`, or what it raised."""
        self.runs += 1
        return await super().run(work)


@pytest.fixture
def world() -> ManualWorld:
    """A clock that stands still."""
    return ManualWorld()


@pytest.fixture
def db() -> apsw.Connection:
    """The store, which outlives the broker."""
    return apsw.Connection(":memory:")


async def test_consumed_messages_are_deleted(db: apsw.Connection, world: ManualWorld) -> None:
    """Once every group of the topic is done with them, messages are deleted, but for a last few."""
    broker = opened(db, world)
    await (await broker.subscribe("journal", {"orders": ALL})).close()
    await (await broker.subscribe("points", {"orders": ALL})).close()
    await fill(broker, "orders", 3000)
    await consume(broker, "points", "orders")
    assert stored(db) == 3000
    await consume(broker, "journal", "orders")
    assert stored(db) < DELETE_STEP


async def test_unwanted_messages_hold_nothing(db: apsw.Connection, world: ManualWorld) -> None:
    """Messages whose tag no group wants pass by without a delivery and are deleted."""
    broker = opened(db, world)
    group = await broker.subscribe("points", {"orders": frozenset({"paid"})})
    for number in range(0, 2000, 50):
        await broker.publish([message("orders", number + one, "confirmed") for one in range(50)])
    assert await broker.stats() == [GroupStats("points", 0, 0)]
    assert stored(db) < DELETE_STEP
    await broker.publish([message("orders", 9999, "paid")])
    assert ids(await group.receive(10, 0)) == ["m9999"]


async def test_far_behind_a_group_finds_the_rare_tag(db: apsw.Connection, world: ManualWorld) -> None:
    """A group that was away finds the few messages it wants among many that it does not, in one look."""
    broker = opened(db, world)
    await (await broker.subscribe("points", {"orders": frozenset({"paid"})})).close()
    await (await broker.subscribe("journal", {"orders": ALL})).close()
    for number in range(0, 5000, 500):
        await broker.publish([message("orders", number, "paid")])
        await broker.publish([message("orders", number + one, "confirmed") for one in range(1, 500)])
    executor = CountingExecutor()
    group = await EmbeddedBroker.open(db, world, executor).subscribe("points", {"orders": frozenset({"paid"})})
    executor.runs = 0
    assert set(ids(await gather(group, 11, wait=0))) == {f"m{number}" for number in range(0, 5000, 500)}
    assert executor.runs == 1


async def test_no_topic_starves_another(db: apsw.Connection, world: ManualWorld) -> None:
    """A group that is behind in two topics gets messages of both in turns."""
    broker = opened(db, world)
    group = await broker.subscribe("points", {"orders": ALL, "payments": ALL})
    for topic in ("orders", "payments"):
        await fill(broker, topic, 100)
    received = [await group.receive(10, 0) for _ in range(4)]
    topics = [deliveries[0].message.topic for deliveries in received]
    assert topics == ["orders", "payments", "orders", "payments"]


async def test_backlog_starves_nobody(db: apsw.Connection, world: ManualWorld) -> None:
    """A consumer that always finds something lets other tasks run between two receives."""
    broker = opened(db, world)
    group = await broker.subscribe("points", {"orders": ALL})
    await fill(broker, "orders", 100)
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0)

    ticking = asyncio.create_task(tick())
    for _ in range(100):
        await group.acknowledge(await group.receive(1, 0))
    ticking.cancel()
    assert ticks >= 100


async def test_change_while_looking_is_seen() -> None:
    """A consumer that found nothing does not wait if something came while it was looking."""
    group = Group()
    seen = group.changes
    group.wake()
    await asyncio.wait_for(group.wait(seen, 60, 0), 1)


async def test_memory_stays_flat_behind(db: apsw.Connection, world: ManualWorld) -> None:
    """However far a group is behind, only a page and a window of it are in memory, and it gets everything."""
    broker = opened(db, world)
    group = await broker.subscribe("points", {"orders": ALL})
    await fill(broker, "orders", 4 * TAIL_ROWS)
    (cursor,) = broker.commits.cursors.values()
    found: list[str] = []
    while deliveries := await group.receive(100, 0):
        assert len(cursor.ready) <= PAGE_ROWS
        assert cursor.out <= WINDOW
        found += ids(deliveries)
        await group.acknowledge(deliveries)
    assert len(found) == len(set(found)) == 4 * TAIL_ROWS


async def test_publishers_share_a_commit(world: ManualWorld) -> None:
    """Publishes that arrive together are one commit; with nothing to do the store is not touched."""
    executor = CountingExecutor()
    broker = EmbeddedBroker.open(None, world, executor)
    group = await broker.subscribe("points", {"orders": ALL})
    executor.runs = 0
    await asyncio.gather(*(broker.publish([message("orders", number)]) for number in range(200)))
    assert executor.runs == 1
    assert len(await gather(group, 200)) == 200
    assert await group.receive(1, 0.2) == []
    assert executor.runs == 1


async def test_cancelled_publisher_harms_nobody(db: apsw.Connection, world: ManualWorld) -> None:
    """A publisher that is cancelled while it waits takes none of its neighbours with it."""
    broker = EmbeddedBroker.open(db, world, ThreadExecutor("broker"))
    group = await broker.subscribe("points", {"orders": ALL})
    publishing = [asyncio.create_task(broker.publish([message("orders", number)])) for number in range(20)]
    await asyncio.sleep(0)
    publishing[3].cancel()
    await asyncio.gather(*publishing, return_exceptions=True)
    found = set(ids(await gather(group, 20, wait=0.1)))
    assert found >= {f"m{number}" for number in range(20) if number != 3}


async def test_cancelled_consumer_loses_nothing(world: ManualWorld) -> None:
    """A receive that is cancelled at any of its steps leaves every message to the next one."""
    broker = EmbeddedBroker.open(None, world, ThreadExecutor("broker"))
    group = await broker.subscribe("points", {"orders": ALL})
    await fill(broker, "orders", 2 * TAIL_ROWS)  # the first are no longer in memory, so that receiving reads
    for steps in range(8):
        receiving = asyncio.create_task(group.receive(10, 1))
        for _ in range(steps):
            await asyncio.sleep(0)
        if receiving.done():
            await group.defer(receiving.result(), 0)
        receiving.cancel()
    found: set[str] = set()
    while deliveries := await group.receive(100, 0.1):
        found.update(ids(deliveries))
        await group.acknowledge(deliveries)
    assert len(found) == 2 * TAIL_ROWS
    await broker.close()


async def test_vanished_message_is_written_off(db: apsw.Connection, world: ManualWorld) -> None:
    """A deferred message whose row somebody deleted does not stay in the backlog."""
    broker = opened(db, world)
    group = await broker.subscribe("points", {"orders": ALL})
    await broker.publish([message("orders", 1), message("orders", 2)])
    await group.defer(await group.receive(2, 0), 1)
    db.execute("DELETE FROM messages WHERE message_id = 'm1'")
    world.advance(1000)
    assert ids(await group.receive(2, 0)) == ["m2"]
    assert await broker.stats() == [GroupStats("points", 1, 1000)]
    assert db.execute("SELECT count(*) FROM pending").get == 1


async def test_late_acknowledgement_counts(db: apsw.Connection, world: ManualWorld) -> None:
    """Acknowledging after the time is over, before somebody else got it, still is the end of it."""
    broker = opened(db, world)
    group = await broker.subscribe("points", {"orders": ALL})
    await broker.publish([message("orders", 1), message("orders", 2)])
    deliveries = await group.receive(2, 0)
    world.advance(round(INVISIBLE * 1000))
    again = await group.receive(1, 0)
    await group.acknowledge(deliveries)
    assert len(again) == 1
    assert await group.receive(2, 0) == []
    assert await broker.stats() == [GroupStats("points", 0, 0)]


async def test_many_delayed_messages_all_move(db: apsw.Connection, world: ManualWorld) -> None:
    """More messages due at once than one commit moves come all, once."""
    broker = opened(db, world)
    group = await broker.subscribe("points", {"orders": ALL})
    count = 2 * MOVE_ROWS + 10
    await broker.publish([message("orders", number, "", world.now() + 1000) for number in range(count)])
    assert await group.receive(1, 0) == []
    world.advance(1000)
    assert len(set(ids(await gather(group, count + 1, wait=0.1)))) == count
    assert db.execute("SELECT count(*) FROM delayed").get == 0


async def test_delayed_message_wakes_who_waits(db: apsw.Connection) -> None:
    """On a clock that runs, a waiting consumer gets a delayed and a deferred message when they are due."""

    class RunningWorld(ManualWorld):
        def now(self) -> int:
            """The event loop's time."""
            return round(asyncio.get_running_loop().time() * 1000)

    world = RunningWorld()
    broker = opened(db, world)
    group = await broker.subscribe("points", {"orders": ALL})
    began = world.now()
    await broker.publish([message("orders", 1, "", began + 100)])
    deliveries = await group.receive(1, 5)
    assert 100 <= world.now() - began < 1000
    await group.defer(deliveries, 0.1)
    assert [delivery.attempt for delivery in await group.receive(1, 5)] == [2]
    assert 200 <= world.now() - began < 2000


async def test_stats_say_who_is_behind(db: apsw.Connection, world: ManualWorld) -> None:
    """Statistics count what is not acknowledged and give the age of the oldest, for absent groups too."""
    broker = opened(db, world)
    for group in ("journal", "points"):
        await (await broker.subscribe(group, {"orders": ALL})).close()
    await broker.publish([message("orders", number) for number in range(3)])
    world.advance(5000)
    await broker.publish([message("orders", number) for number in range(3, 5)])
    broker = opened(db, world)
    points = await broker.subscribe("points", {"orders": ALL})
    deliveries = await points.receive(4, 0)
    await points.acknowledge(deliveries[1:])
    assert await broker.stats() == [GroupStats("journal", 5, 5000), GroupStats("points", 2, 5000)]
    await points.acknowledge(deliveries)
    assert await broker.stats() == [GroupStats("journal", 5, 5000), GroupStats("points", 1, 0)]


async def test_group_may_want_other_tags_next_time(db: apsw.Connection, world: ManualWorld) -> None:
    """Consumers of a group at one time want the same; once all are gone the next may want something else."""
    broker = opened(db, world)
    first = await broker.subscribe("points", {"orders": frozenset({"paid"})})
    await broker.publish([message("orders", 1, "paid"), message("orders", 2, "refunded")])
    with pytest.raises(ValueError, match="points"):
        await broker.subscribe("points", {"orders": ALL})
    assert len(broker.commits.cursors) == 1
    await first.close()
    second = await broker.subscribe("points", {"orders": frozenset({"refunded"})})
    assert await broker.stats() == [GroupStats("points", 1, 0)]
    assert ids(await gather(second, 2, wait=0.1)) == ["m2"]


async def test_delivery_of_another_group_is_refused(db: apsw.Connection, world: ManualWorld) -> None:
    """A delivery can be settled only with the group that got it, and one that was made up with none."""
    broker = opened(db, world)
    points = await broker.subscribe("points", {"orders": ALL})
    journal = await broker.subscribe("journal", {"orders": ALL})
    await broker.publish([message("orders", 1)])
    deliveries = await points.receive(1, 0)
    with pytest.raises(ValueError, match="journal"):
        await journal.acknowledge(deliveries)
    with pytest.raises(ValueError, match="points"):
        await points.defer([type(deliveries[0])(message("orders", 1), 1, "made up")], 1)
    with pytest.raises(ValueError, match="delay"):
        await points.defer(deliveries, -1)
