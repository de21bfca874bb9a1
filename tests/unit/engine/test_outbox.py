"""Messages leave with the commit that caused them, once it is there, until the broker has them."""

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from makegood.engine import messages, outbox
from makegood.engine.broker.port import MAX_BODY, Message
from makegood.engine.contracts import Event
from makegood.engine.database.ids import IdSource
from makegood.engine.database.sqlite import SqliteTransaction
from makegood.engine.database.table import Table
from makegood.engine.database.transaction import Transaction
from makegood.engine.errors import DatabaseUnavailable, OperationFailed
from makegood.engine.outbox import LEASE, MAX_WAITING, OutboxRelay, Wanted
from makegood.engine.tables import Outbox
from tests.support.faulty import Fault, FaultyBroker
from tests.support.virtual_time import VirtualWorld, virtual
from tests.unit.engine.tills import TILL, TOOK, Shop, Taken, Till, disk

OTHER = Event("till", "other", Taken)


class Relay:
    """The outbox of one service over a database in memory, and a broker that fails on command."""

    def __init__(self, world: VirtualWorld) -> None:
        self.shop = Shop(world)
        self.database = self.shop.databases["till"]
        self.broker: FaultyBroker = self.shop.broker
        self.relay = OutboxRelay(Till.tables, self.broker, world, Wanted({("till", "took"), ("all", "")}))

    async def commit(self, *numbers: int) -> list[Outbox]:
        """Publishes these events in one commit; the rows they are."""

        def work(tx: Transaction) -> outbox.Stored:
            for number in numbers:
                tx.publish(TOOK, Taken(number), key=str(number))
            return self.relay.store(tx)

        stored = await self.database.write(work)
        self.relay.committed(stored)
        return stored.rows

    def rows(self) -> list[tuple[object, ...]]:
        """What is in the table."""
        return self.shop.rows("till", "outbox")

    def numbers(self) -> list[int]:
        """The events that the broker has got, repeats included."""
        found = [envelope for message in self.broker.published for envelope in messages.unpack(message)]
        return [msgspec.json.decode(envelope.data, type=Taken).number for envelope in found]


@virtual
async def test_events_of_a_commit_are_one_message(world: VirtualWorld) -> None:
    """Events of one commit and tag travel in one message, each with an id of its own, under all their keys."""
    relay = Relay(world)
    [row] = await relay.commit(1, 2, 3)
    envelopes = messages.unpack(Message("till", "1", row.body))
    assert [envelope.at for envelope in envelopes] == [world.now()] * 3
    assert len({envelope.id for envelope in envelopes}) == 3
    assert (row.topic, row.tag, row.message_key, row.format) == ("till", "took", "1 2 3", "events")


@virtual
async def test_tags_apart(world: VirtualWorld) -> None:
    """Events with different tags are different messages, in the order in which the first of each was said."""
    shop = Shop(world)
    relay = OutboxRelay(Till.tables, shop.broker, world, Wanted({("till", "")}))

    def work(tx: Transaction) -> outbox.Stored:
        tx.publish(OTHER, Taken(1))
        tx.publish(TOOK, Taken(2))
        tx.publish(OTHER, Taken(3))
        return relay.store(tx)

    stored = await shop.databases["till"].write(work)
    assert [row.tag for row in stored.rows] == ["other", "took"]


@virtual
async def test_nobody_listens(world: VirtualWorld) -> None:
    """An event that nobody wants is not published; a message of no event always is."""
    relay = Relay(world)

    def work(tx: Transaction) -> outbox.Stored:
        tx.publish(OTHER, Taken(1))
        tx.send("letters", {"to": "you"}, key="k", tag="t", delay=1.5)
        return relay.relay.store(tx)

    [row] = (await relay.database.write(work)).rows
    assert (row.topic, row.tag, row.message_key, row.format) == ("letters", "t", "k", "json")
    assert (row.body, row.deliver_at) == (b'{"to":"you"}', world.now() + 1_500)


@virtual
async def test_large_commits_are_split(world: VirtualWorld) -> None:
    """Events that together exceed the size of a message go in several, in their order."""
    relay = Relay(world)
    rows = await relay.commit(*range(10_000))
    assert len(rows) > 1
    assert all(len(row.body) <= messages.MAX_BODY + 100 for row in rows)
    relaying = asyncio.create_task(relay.relay.run())
    await relay.relay.drained()
    assert relay.numbers() == list(range(10_000))
    relaying.cancel()


@virtual
async def test_published_rows_go_with_a_later_commit(world: VirtualWorld) -> None:
    """A row stays until the broker has its message, and goes with a commit after that."""
    relay = Relay(world)
    await relay.commit(1)
    relaying = asyncio.create_task(relay.relay.run())
    await relay.relay.drained()
    assert (relay.numbers(), len(relay.rows()), relay.relay.untidy) == ([1], 1, True)
    await relay.commit(2)
    assert [row[0] for row in relay.rows()] != []
    await relay.relay.drained()
    await relay.commit()
    assert (relay.rows(), relay.relay.untidy, relay.numbers()) == ([], False, [1, 2])
    relaying.cancel()


@virtual
async def test_failed_deletion(world: VirtualWorld) -> None:
    """A row whose deletion did not commit is deleted by another commit."""
    relay = Relay(world)
    await relay.commit(1)
    relaying = asyncio.create_task(relay.relay.run())
    await relay.relay.drained()
    stored: list[outbox.Stored] = []

    def fail(tx: Transaction) -> None:
        stored.append(relay.relay.store(tx))
        raise KeyError

    with pytest.raises(KeyError):
        await relay.database.write(fail)
    relay.relay.abandoned(stored[0])
    await relay.commit()
    assert relay.rows() == []
    relaying.cancel()


class Stuck(SqliteTransaction):
    """A transaction whose database goes away when rows are to be deleted."""

    def discard(self, table: Table[Any, Any], keys: Sequence[Any]) -> None:
        """Fails."""
        raise DatabaseUnavailable(f"{len(keys)} rows of {table} are not deleted")


@virtual
async def test_deletion_that_fails_within(world: VirtualWorld) -> None:
    """A row whose deletion fails within its transaction is deleted by another commit."""
    relay = Relay(world)
    await relay.commit(1)
    relaying = asyncio.create_task(relay.relay.run())
    await relay.relay.drained()
    with pytest.raises(DatabaseUnavailable):
        relay.relay.store(Stuck(disk(TILL), world, IdSource(world)))
    await relay.commit()
    assert relay.rows() == []
    relaying.cancel()


@virtual
async def test_broker_away(world: VirtualWorld) -> None:
    """While the broker is away messages wait in order; a lost answer sends them again under the same ids."""
    relay = Relay(world)
    relaying = asyncio.create_task(relay.relay.run())
    relay.broker.faults.away = True
    for number in range(100):
        await relay.commit(number)
    await asyncio.sleep(60)
    tries = relay.broker.faults.happened
    assert 10 < tries < 40
    assert relay.relay.backlog == 100
    relay.broker.faults.away = False
    relay.broker.faults.coming.append(Fault.UNANSWERED)
    await relay.relay.drained()
    assert relay.numbers() == [*range(64), *range(100)]
    ids = [message.message_id for message in relay.broker.published]
    assert ids[:64] == ids[64:128]
    relaying.cancel()


@virtual
async def test_refused_message_holds_up_nobody(world: VirtualWorld) -> None:
    """A message that a broker refuses for good stays in the outbox, and its neighbours leave."""
    relay = Relay(world)
    relay.broker.refuses = lambda message: message.key == "3"
    for number in range(1, 6):
        await relay.commit(number)
    relaying = asyncio.create_task(relay.relay.run())
    await relay.relay.drained()
    await relay.commit()
    assert relay.numbers() == [1, 2, 4, 5]
    assert [row[3] for row in relay.rows()] == ["3"]
    relaying.cancel()


@virtual
async def test_memory_is_bounded(world: VirtualWorld) -> None:
    """More rows, or more bytes, than may wait in memory are left in the table."""
    relay = Relay(world)
    row = Outbox(0, "till", "took", "", "bytes", b"", 0, 0)
    relay.relay.relay([msgspec.structs.replace(row, message_id=number) for number in range(MAX_WAITING + 10)])
    assert relay.relay.backlog == MAX_WAITING
    relay = Relay(world)
    large = msgspec.structs.replace(row, body=bytes(MAX_BODY))
    relay.relay.relay([msgspec.structs.replace(large, message_id=number) for number in range(200)])
    assert relay.relay.backlog == outbox.MAX_WAITING_BYTES // MAX_BODY
    assert not relay.relay.has_room


@virtual
async def test_take_over(world: VirtualWorld) -> None:
    """Rows whose process did not publish them within their lease are leased by another, each by one."""
    dead = Relay(world)
    await dead.commit(1)
    await dead.commit(2)
    other = OutboxRelay(Till.tables, dead.broker, world, Wanted(set()))
    assert await dead.database.write(lambda tx: other.take_over(tx, 10)) == []
    world.advance(LEASE)
    assert len(await dead.database.write(lambda tx: other.take_over(tx, 1))) == 1
    assert len(await dead.database.write(lambda tx: other.take_over(tx, 10))) == 1
    assert await dead.database.write(lambda tx: other.take_over(tx, 10)) == []
    world.advance(LEASE)
    assert len(await dead.database.write(lambda tx: other.take_over(tx, 10))) == 2


@virtual
async def test_overflow_leaves_later(world: VirtualWorld) -> None:
    """What did not fit in memory while the broker was away leaves after its lease."""
    shop = Shop(world)
    await shop.host.start()
    shop.broker.faults.away = True
    relay = shop.host.runtimes["till"].outbox
    blocker = Outbox(0, "till", "took", "", "bytes", b"[]", 0, 0)
    relay.relay([msgspec.structs.replace(blocker, message_id=number) for number in range(1, MAX_WAITING + 1)])
    await shop.take(1)
    shop.broker.faults.away = False
    await shop.until(lambda: shop.entries() == [1], seconds=130)
    await shop.host.stop()


@virtual
async def test_unsendable_message_fails_its_request(world: VirtualWorld) -> None:
    """A message that no broker takes fails the request that sends it, and nothing of it is stored."""
    shop = Shop(world)
    await shop.host.start()
    execution = shop.host.runtimes["till"].execution

    def send(tx: Transaction, topics: Sequence[str]) -> list[str]:
        for topic in topics:
            tx.send(topic, bytes(MAX_BODY + 1) if topic == "large" else "text")
        return list(topics)

    answers = await execution.run(send, ["good", "bad topic", "large", "fine"])
    assert [isinstance(answer, OperationFailed) for answer in answers] == [False, True, True, False]
    assert "use 1 to 127 of the characters" in str(answers[1])
    await shop.until(lambda: len(shop.broker.published) == 2)
    await shop.host.stop()


@virtual
async def test_many_left_behind(world: VirtualWorld) -> None:
    """Thousands of messages that an earlier life left are sent soon, each once."""
    shop = Shop(world)
    shop.broker.faults.away = True
    await shop.host.start()
    for number in range(1_000):
        await shop.take(number)
    shop.die()
    shop.made()
    await shop.host.start()
    await shop.until(lambda: shop.entries() == list(range(1_000)), seconds=10)
    assert len(shop.broker.published) == 1_000
    await shop.until(lambda: shop.rows("till", "outbox") == [], seconds=5)
    await shop.host.stop()


def test_wanted() -> None:
    """A tag is wanted by who listens to it, or to all of its topic."""
    wanted = Wanted({("till", "took"), ("news", "")})
    assert wanted("till", "took")
    assert wanted("news", "anything")
    assert not wanted("till", "other")
