"""How the embedded broker treats its file: for how long it keeps messages, and what it says when it cannot."""

import asyncio
import logging
from pathlib import Path

import apsw
import pytest

from makegood.engine.broker.embedded import EmbeddedBroker, GroupStats
from makegood.engine.broker.embedded_commits import FLUSH, GRACE, RETENTION, RETENTION_CHECK
from makegood.engine.broker.embedded_store import Store
from makegood.engine.broker.port import Message
from makegood.engine.errors import BrokerUnavailable
from makegood.engine.executor import InlineExecutor
from tests.contract.broker.harness import gather, ids, message
from tests.support.world import ManualWorld
from tests.unit.engine.brokers import ALL, consume, fill, opened, stored


@pytest.fixture
def world() -> ManualWorld:
    """A clock that stands still."""
    return ManualWorld()


@pytest.fixture
def db() -> apsw.Connection:
    """The store, which outlives the broker."""
    return apsw.Connection(":memory:")


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
    await broker.publish([message("orders", number) for number in (1, 2, 3)])
    deliveries = await group.receive(3, 0)
    await group.acknowledge(deliveries[2:])
    db.execute(
        "CREATE TRIGGER fails BEFORE INSERT ON messages WHEN new.message_id = 'm5' "
        "BEGIN SELECT RAISE(ABORT, 'out of order'); END"
    )
    with pytest.raises(BrokerUnavailable, match="out of order"):
        await broker.publish([message("orders", 4), message("orders", 5)])
    await broker.publish([message("orders", 6)])
    assert sorted(await consume(opened(db, world), "points", "orders")) == ["m1", "m2", "m6"]


async def test_failed_read_loses_nothing(db: apsw.Connection, world: ManualWorld) -> None:
    """When what is due again cannot be read, receive raises, and finds it the next time."""
    broker = opened(db, world)
    group = await broker.subscribe("points", {"orders": ALL})
    await broker.publish([message("orders", number) for number in range(3)])
    await group.defer(await group.receive(3, 0), 1)
    world.advance(1000)
    db.execute("ALTER TABLE messages RENAME TO elsewhere")
    with pytest.raises(BrokerUnavailable):
        await group.receive(3, 0)
    db.execute("ALTER TABLE elsewhere RENAME TO messages")
    assert ids(await group.receive(3, 0)) == ["m0", "m1", "m2"]


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


@pytest.mark.parametrize("spoil", ["PRAGMA user_version = 3", "CREATE TABLE somebody_elses (x)"])
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


def test_file_of_the_first_version(tmp_path: Path) -> None:
    """A file that was made before messages had sequences keeps what is in it, and takes messages with one."""
    store = Store(tmp_path / "broker.db")
    store.join("points", {"orders": frozenset()})
    store.commit(1, [Message("orders", "old", b"b")], [])
    store.close()
    db = apsw.Connection(str(tmp_path / "broker.db"))
    db.execute("ALTER TABLE messages DROP COLUMN sequence; ALTER TABLE delayed DROP COLUMN sequence")
    db.execute("PRAGMA user_version = 1")
    db.close()
    store = Store(tmp_path / "broker.db")
    store.commit(2, [Message("orders", "new", b"b", sequence="a")], [])
    found = [message for _, message in store.page("orders", 0, "[]").rows]
    assert [(one.message_id, one.sequence) for one in found] == [("old", ""), ("new", "a")]
    store.close()


def test_no_database_is_refused(tmp_path: Path, world: ManualWorld) -> None:
    """A file that is no database, or a folder that does not exist, is refused with what to do."""
    (tmp_path / "broker.db").write_bytes(b"no database" * 1000)
    for path in (tmp_path / "broker.db", tmp_path / "absent" / "broker.db"):
        with pytest.raises(BrokerUnavailable, match="see that"):
            EmbeddedBroker.open(path, world, InlineExecutor())
