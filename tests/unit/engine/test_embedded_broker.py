"""The embedded broker's own promises: what it keeps, for how long, at what cost, and what it says when it cannot."""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import apsw
import pytest

from makegood.engine.broker.embedded import EmbeddedBroker, GroupStats
from makegood.engine.broker.embedded_commits import FLUSH, GRACE, RETENTION, RETENTION_CHECK
from makegood.engine.broker.embedded_sql import DELETE_STEP, MOVE_ROWS, PAGE_ROWS
from makegood.engine.broker.embedded_topic import TAIL_ROWS, WINDOW, Group
from makegood.engine.broker.port import INVISIBLE, Message
from makegood.engine.errors import BrokerUnavailable
from makegood.engine.executor import InlineExecutor, ThreadExecutor
from tests.contract.broker.harness import gather, ids, message
from tests.support.world import ManualWorld

ALL = frozenset[str]()
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


def opened(db: apsw.Connection, world: ManualWorld) -> EmbeddedBroker:
    """A broker over the store, as after a crash if there was one before."""
    return EmbeddedBroker.open(db, world, InlineExecutor())


def stored(db: apsw.Connection) -> int:
    """How many messages there are."""
    return db.execute("SELECT count(*) FROM messages").get


async def consume(broker: EmbeddedBroker, group: str, topic: str) -> list[str]:
    """Receives and acknowledges all there is."""
    subscription = await broker.subscribe(group, {topic: ALL})
    found: list[str] = []
    while deliveries := await subscription.receive(100, 0):
        found += ids(deliveries)
        await subscription.acknowledge(deliveries)
    await subscription.close()
    await broker.stats()
    return found


async def fill(broker: EmbeddedBroker, topic: str, count: int) -> None:
    """Publishes messages 0 to `count`, a hundred at a time."""
    for start in range(0, count, 100):
        await broker.publish([message(topic, number) for number in range(start, min(start + 100, count))])


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


async def test_flushes_the_disk_for_messages_only(db: apsw.Connection, world: ManualWorld) -> None:
    """A commit with messages is flushed to the disk, one that only acknowledges is left to the next of those."""
    full, normal = 2, 1
    broker = opened(db, world)
    group = await broker.subscribe("points", {"orders": ALL})
    for number in range(3):
        await broker.publish([message("orders", number)])
        assert db.execute("PRAGMA synchronous").get == full
        await group.acknowledge(await group.receive(1, 0))
        await broker.stats()
        assert db.execute("PRAGMA synchronous").get == normal


async def test_acknowledgements_are_written_soon(db: apsw.Connection, world: ManualWorld) -> None:
    """An acknowledgement is written without anything being published or closed."""
    broker = opened(db, world)
    group = await broker.subscribe("points", {"orders": ALL})
    await broker.publish([message("orders", 1)])
    await group.acknowledge(await group.receive(1, 0))
    await asyncio.sleep(10 * FLUSH)
    assert await consume(opened(db, world), "points", "orders") == []


async def test_failed_commit_leaves_nothing_half_done(db: apsw.Connection, world: ManualWorld) -> None:
    """A commit that fails in its middle stores nothing, keeps what it was to write, and the next one works."""
    broker = opened(db, world)
    group = await broker.subscribe("points", {"orders": ALL})
    await broker.publish([message("orders", 1)])
    await group.acknowledge(await group.receive(1, 0))
    db.execute(
        "CREATE TRIGGER fails BEFORE INSERT ON messages WHEN new.message_id = 'm3' "
        "BEGIN SELECT RAISE(ABORT, 'out of order'); END"
    )
    with pytest.raises(BrokerUnavailable, match="out of order"):
        await broker.publish([message("orders", 2), message("orders", 3)])
    await broker.publish([message("orders", 4)])
    assert await consume(opened(db, world), "points", "orders") == ["m4"]


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


async def test_retention(db: apsw.Connection, world: ManualWorld, caplog: pytest.LogCaptureFixture) -> None:
    """Past their retention messages are deleted: silently where nobody listens, with an error where it loses some."""
    broker = opened(db, world)
    group = await broker.subscribe("points", {"orders": ALL})
    await fill(broker, "orders", 1500)
    await broker.publish([message("nobody", 1)])
    deferred = await group.receive(1, 0)
    await group.defer(deferred, 1)
    world.advance(RETENTION * 1000)
    await fill(broker, "orders", 1)
    assert stored(db) == 1502
    world.advance(RETENTION_CHECK * 1000 + 1)
    with caplog.at_level(logging.ERROR):
        await fill(broker, "orders", 1)
        await asyncio.sleep(0)
    assert stored(db) == 2
    assert sum(int(record.getMessage().split()[0]) for record in caplog.records) == 1500
    assert await broker.stats() == [GroupStats("points", 2, RETENTION_CHECK * 1000 + 1)]
    assert ids(await gather(group, 3, wait=0.1)) == ["m0", "m0"]


async def test_long_stop_loses_nothing(db: apsw.Connection, world: ManualWorld) -> None:
    """After a stop longer than the retention, groups that come back within the hour get what waited for them."""
    broker = opened(db, world)
    await broker.subscribe("points", {"orders": ALL})
    await fill(broker, "orders", 5)
    world.advance(10 * RETENTION * 1000)
    broker = opened(db, world)
    world.advance(GRACE * 1000 - 1)
    await broker.publish([message("orders", 5)])
    assert len(await consume(broker, "points", "orders")) == 6


async def test_absent_group_keeps_its_messages(db: apsw.Connection, world: ManualWorld) -> None:
    """What a known group has not got stays, although all others are done with it and it has not come back yet."""
    broker = opened(db, world)
    await broker.subscribe("journal", {"orders": ALL})
    await fill(broker, "orders", 1000)
    broker = opened(db, world)
    await broker.subscribe("points", {"orders": ALL})
    await fill(broker, "orders", 1000)
    await consume(broker, "points", "orders")
    broker = opened(db, world)
    assert len(await consume(broker, "journal", "orders")) == 2000


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


async def test_full_disk(tmp_path: Path, world: ManualWorld) -> None:
    """On a full disk publishing raises BrokerUnavailable; with room again all goes on, nothing is lost or doubled."""
    db = apsw.Connection(str(tmp_path / "broker.db"))
    broker = opened(db, world)
    group = await broker.subscribe("points", {"orders": ALL})
    await broker.publish([message("orders", 1)])
    early = await group.receive(1, 0)
    pages: int = db.execute("PRAGMA page_count").get
    db.execute(f"PRAGMA max_page_count = {pages + 2}").fetchall()
    large = Message(topic="orders", message_id="large", body=b"x" * 100_000)
    with pytest.raises(BrokerUnavailable, match="disk"):
        await broker.publish([large])
    await group.acknowledge(early)
    with pytest.raises(BrokerUnavailable):
        await broker.publish([large, message("orders", 2)])
    db.execute("PRAGMA max_page_count = 1000000").fetchall()
    await broker.publish([large])
    assert ids(await gather(group, 2, wait=0.1)) == ["large"]
    assert await broker.stats() == [GroupStats("points", 1, 0)]
    await broker.close()
    group = await opened(db, world).subscribe("points", {"orders": ALL})
    assert ids(await gather(group, 2, wait=0.1)) == ["large"]
    db.close()


async def test_one_process_holds_the_file(tmp_path: Path, world: ManualWorld) -> None:
    """A file that is open cannot be opened again; once it is closed it can."""
    path = tmp_path / "broker.db"
    broker = EmbeddedBroker.open(path, world, InlineExecutor())
    with pytest.raises(BrokerUnavailable, match="other process"):
        EmbeddedBroker.open(path, world, InlineExecutor())
    await broker.close()
    await EmbeddedBroker.open(path, world, InlineExecutor()).close()


@pytest.mark.parametrize("spoil", ["PRAGMA user_version = 2", "CREATE TABLE somebody_elses (x)"])
def test_foreign_file_is_refused(tmp_path: Path, world: ManualWorld, spoil: str) -> None:
    """A newer version's file, or somebody else's, is refused and left as it is."""
    path = tmp_path / "broker.db"
    db = apsw.Connection(str(path))
    db.execute(spoil)
    db.close()
    before = path.read_bytes()
    with pytest.raises(BrokerUnavailable, match="version"):
        EmbeddedBroker.open(path, world, InlineExecutor())
    assert path.read_bytes() == before


def test_no_database_is_refused(tmp_path: Path, world: ManualWorld) -> None:
    """A file that is no database, or a folder that does not exist, is refused with what to do."""
    (tmp_path / "broker.db").write_bytes(b"no database" * 1000)
    for path in (tmp_path / "broker.db", tmp_path / "absent" / "broker.db"):
        with pytest.raises(BrokerUnavailable, match="see that"):
            EmbeddedBroker.open(path, world, InlineExecutor())
