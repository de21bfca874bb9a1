"""What every broker keeps over closing and opening, and what it refuses."""

import asyncio

import msgspec
import pytest

from makegood.engine.broker.port import MAX_BODY, Broker, Message
from makegood.engine.errors import BrokerUnavailable
from tests.contract.broker.harness import Harness, gather, ids, message, nothing_more

ALL = frozenset[str]()


async def test_known_group_goes_on(harness: Harness, broker: Broker) -> None:
    """A group gets what was published while it was away, and what it had not acknowledged."""
    topic, name = harness.name("orders"), harness.name("points")
    group = await broker.subscribe(name, {topic: ALL})
    await broker.publish([message(topic, number) for number in range(4)])
    deliveries = await gather(group, 4)
    await group.acknowledge([delivery for delivery in deliveries if delivery.message.message_id != "m1"])
    await broker.close()

    broker = await harness.open()
    await broker.publish([message(topic, 9)])
    group = await broker.subscribe(name, {topic: ALL})
    await harness.pass_time(harness.invisible + harness.slack)
    assert ids(await gather(group, 2)) == ["m1", "m9"]
    assert await nothing_more(group, harness)


async def test_declared_group_keeps_what_is_published(harness: Harness, broker: Broker) -> None:
    """A group that was declared gets what was published before its first consumer came, also after the broker reopens.

    Declaring it again, with or without consumers, changes nothing.
    """
    topic, name = harness.name("orders"), harness.name("points")
    wanted = {topic: frozenset({"paid"})}
    await broker.declare({name: wanted, harness.name("journal"): {topic: ALL}})
    await broker.publish([message(topic, 1, "paid"), message(topic, 2, "cancelled")])
    await broker.declare({name: wanted})
    await broker.close()
    again = await harness.open()
    group = await again.subscribe(name, wanted)
    await again.declare({name: wanted})
    await again.publish([message(topic, 3, "paid")])
    assert ids(await gather(group, 3, 1.0)) == ["m1", "m3"]


async def test_declaring_only_ever_adds(harness: Harness, broker: Broker) -> None:
    """Who declares less takes nothing away; who declares more while consumers want less has to wait for their end."""
    topic, name = harness.name("orders"), harness.name("points")
    paid, both = {topic: frozenset({"paid"})}, {topic: frozenset({"paid", "cancelled"})}
    await broker.declare({name: both})
    await broker.declare({name: paid})
    await broker.publish([message(topic, 1, "cancelled")])
    group = await broker.subscribe(name, both)
    assert ids(await gather(group, 1)) == ["m1"]
    await broker.declare({name: paid})
    with pytest.raises(BrokerUnavailable):
        await broker.declare({name: {topic: ALL}})
    await group.close()
    await broker.declare({name: {topic: ALL}})


async def test_acknowledged_stays_acknowledged(harness: Harness, broker: Broker) -> None:
    """Nothing that was acknowledged comes again after a clean close, whatever the order of acknowledging."""
    topic, name = harness.name("orders"), harness.name("points")
    group = await broker.subscribe(name, {topic: ALL})
    await broker.publish([message(topic, number) for number in range(30)])
    deliveries = sorted(await gather(group, 30), key=lambda one: one.message.message_id, reverse=True)
    kept = deliveries[3::7]
    for delivery in deliveries:
        if delivery not in kept:
            await group.acknowledge([delivery])
    await broker.close()

    group = await (await harness.open()).subscribe(name, {topic: ALL})
    await harness.pass_time(harness.invisible + harness.slack)
    assert ids(await gather(group, len(kept))) == ids(kept)
    assert await nothing_more(group, harness)


async def test_deferred_survives_closing(harness: Harness, broker: Broker) -> None:
    """A deferral keeps its time and its count over closing and opening."""
    topic, name = harness.name("orders"), harness.name("points")
    group = await broker.subscribe(name, {topic: ALL})
    await broker.publish([message(topic, 1)])
    await group.defer(await gather(group, 1), 3 * harness.delay)
    await broker.close()

    group = await (await harness.open()).subscribe(name, {topic: ALL})
    await harness.pass_time(3 * harness.delay - 5)
    assert await nothing_more(group, harness)
    await harness.pass_time(5 + harness.slack)
    assert [delivery.attempt for delivery in await gather(group, 1)] == [2]


async def test_delayed_survives_closing(harness: Harness, broker: Broker) -> None:
    """A delayed message keeps its time over closing and opening."""
    topic, name = harness.name("orders"), harness.name("points")
    await broker.subscribe(name, {topic: ALL})
    await broker.publish([message(topic, 1, deliver_at=harness.now() + round(3 * harness.delay * 1000))])
    await broker.close()

    group = await (await harness.open()).subscribe(name, {topic: ALL})
    await harness.pass_time(3 * harness.delay - 5)
    assert await nothing_more(group, harness)
    await harness.pass_time(5 + harness.slack)
    assert ids(await gather(group, 1)) == ["m1"]


async def test_closed_broker_refuses(harness: Harness, broker: Broker) -> None:
    """After close everything raises BrokerUnavailable, a receive that was waiting too; closing again is harmless."""
    topic = harness.name("orders")
    group = await broker.subscribe(harness.name("points"), {topic: ALL})
    await broker.publish([message(topic, 1)])
    deliveries = await gather(group, 1)
    waiting = asyncio.create_task(group.receive(1, 20.0))
    await asyncio.sleep(0.01)
    await broker.close()
    await broker.close()
    with pytest.raises(BrokerUnavailable):
        await asyncio.wait_for(waiting, 5)
    with pytest.raises(BrokerUnavailable):
        await group.receive(1, 0)
    with pytest.raises(BrokerUnavailable):
        await group.acknowledge(deliveries)
    with pytest.raises(BrokerUnavailable):
        await group.defer(deliveries, 1)
    with pytest.raises(BrokerUnavailable):
        await broker.publish([message(topic, 2)])
    with pytest.raises(BrokerUnavailable):
        await broker.subscribe(harness.name("journal"), {topic: ALL})


async def test_closed_subscription_refuses(harness: Harness, broker: Broker) -> None:
    """A closed subscription receives no more, and ends a receive that waits; what it has can be acknowledged."""
    topic = harness.name("orders")
    group = await broker.subscribe(harness.name("points"), {topic: ALL})
    await broker.publish([message(topic, 1)])
    deliveries = await gather(group, 1)
    waiting = asyncio.create_task(group.receive(1, 20.0))
    await asyncio.sleep(0.01)
    await group.close()
    with pytest.raises(BrokerUnavailable):
        await asyncio.wait_for(waiting, 5)
    with pytest.raises(BrokerUnavailable):
        await group.receive(1, 0)
    await group.acknowledge(deliveries)


GOOD = Message(topic="orders", message_id="m", body=b"b")
BAD = {
    "no topic": {"topic": ""},
    "long topic": {"topic": "t" * 128},
    "topic with a space": {"topic": "a b"},
    "long tag": {"tag": "t" * 65},
    "tag with a bar": {"tag": "a|b"},
    "tag that means all": {"tag": "*"},
    "long key": {"key": "k" * 129},
    "key with a line break": {"key": "a\nb"},
    "half a surrogate pair": {"key": "\ud800"},
    "no id": {"message_id": ""},
    "long id": {"message_id": "i" * 65},
    "large body": {"body": b"b" * (MAX_BODY + 1)},
    "text as body": {"body": "text"},
    "negative time": {"deliver_at": -1},
    "long sequence": {"sequence": "s" * 65},
    "line break in a sequence": {"sequence": "a\nb"},
    "delayed in a sequence": {"sequence": "s", "deliver_at": 1},
    "property without a name": {"properties": {"": "v"}},
    "control character in a property": {"properties": {"n": "\x01"}},
    "large properties": {"properties": {"n": "v" * 17_000}},
}


@pytest.mark.parametrize("fields", BAD.values(), ids=BAD.keys())
async def test_bad_message_is_refused(harness: Harness, broker: Broker, fields: dict[str, object]) -> None:
    """A message that no broker could take is refused with ValueError, and its good neighbours are not stored."""
    topic = harness.name("orders")
    group = await broker.subscribe(harness.name("points"), {topic: ALL})
    good = msgspec.structs.replace(GOOD, topic=topic)
    with pytest.raises(ValueError, match=":"):
        await broker.publish([good, msgspec.structs.replace(good, **fields)])
    assert await nothing_more(group, harness)


@pytest.mark.parametrize(
    ("group", "topics"),
    [
        ("", {"orders": ALL}),
        ("g" * 121, {"orders": ALL}),
        ("points", {}),
        ("points", {"a b": ALL}),
        ("points", {"orders": frozenset({""})}),
        ("points", {"orders": frozenset({"a|b"})}),
    ],
)
async def test_bad_subscription_is_refused(broker: Broker, group: str, topics: dict[str, frozenset[str]]) -> None:
    """A group, topic or tag that no broker could serve is refused with ValueError."""
    with pytest.raises(ValueError, match=":"):
        await broker.subscribe(group, topics)
    with pytest.raises(ValueError, match=":"):
        await broker.declare({group: topics})


async def test_publishing_nothing_is_allowed(broker: Broker) -> None:
    """An empty batch is no error."""
    await broker.publish([])
