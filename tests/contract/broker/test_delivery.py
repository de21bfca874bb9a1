"""What every broker does with messages: who gets them, and when again."""

import asyncio
import time

import pytest

from makegood.engine.broker.port import MAX_BODY, Broker, Message
from tests.contract.broker.harness import Harness, gather, ids, message, nothing_more

ALL = frozenset[str]()


async def test_each_group_receives_once(harness: Harness, broker: Broker) -> None:
    """What is published is received once by each group, for the first time, and then no more."""
    topic = harness.name("orders")
    groups = [await broker.subscribe(harness.name(group), {topic: ALL}) for group in ("points", "journal")]
    await broker.publish([message(topic, number) for number in range(10)])
    for group in groups:
        deliveries = await gather(group, 10)
        assert ids(deliveries) == [f"m{number}" for number in range(10)]
        assert {delivery.attempt for delivery in deliveries} == {1}
        await group.acknowledge(deliveries)
        assert await nothing_more(group, harness)


async def test_tags_filter(harness: Harness, broker: Broker) -> None:
    """A group gets the tags it wants of each topic, and no other message."""
    orders, payments = harness.name("orders"), harness.name("payments")
    wanted = {orders: frozenset({"paid", "cancelled"}), payments: ALL}
    group = await broker.subscribe(harness.name("stock"), wanted)
    tags = ["paid", "confirmed", "cancelled", ""]
    await broker.publish([message(orders, number, tag) for number, tag in enumerate(tags)])
    await broker.publish([message(payments, 10, "succeeded"), message(payments, 11)])
    deliveries = await gather(group, 4)
    assert ids(deliveries) == ["m0", "m10", "m11", "m2"]
    await group.acknowledge(deliveries)
    assert await nothing_more(group, harness)


async def test_new_group_begins_now(harness: Harness, broker: Broker) -> None:
    """A group that is new does not get what was published before it came."""
    topic = harness.name("orders")
    await broker.publish([message(topic, 1)])
    group = await broker.subscribe(harness.name("late"), {topic: ALL})
    await broker.publish([message(topic, 2)])
    assert ids(await gather(group, 1)) == ["m2"]
    assert await nothing_more(group, harness)


async def test_unacknowledged_comes_again(harness: Harness, broker: Broker) -> None:
    """What is neither acknowledged nor deferred comes again after INVISIBLE seconds, not before, and counts."""
    topic = harness.name("orders")
    group = await broker.subscribe(harness.name("points"), {topic: ALL})
    await broker.publish([message(topic, 1), message(topic, 2)])
    first = await gather(group, 2)
    await group.acknowledge([delivery for delivery in first if delivery.message.message_id == "m1"])
    await harness.pass_time(harness.invisible - 5)
    assert await nothing_more(group, harness)
    await harness.pass_time(5 + harness.slack)
    again = await gather(group, 1)
    assert [(delivery.message.message_id, delivery.attempt) for delivery in again] == [("m2", 2)]
    await group.acknowledge(again)
    await harness.pass_time(harness.invisible + harness.slack)
    assert await nothing_more(group, harness)


async def test_deferred_comes_after_its_delay(harness: Harness, broker: Broker) -> None:
    """What is deferred comes again not before its delay, with the next attempt, and again if deferred again."""
    topic = harness.name("orders")
    group = await broker.subscribe(harness.name("points"), {topic: ALL})
    await broker.publish([message(topic, 1)])
    for attempt in (1, 2, 3):
        deliveries = await gather(group, 1)
        assert [delivery.attempt for delivery in deliveries] == [attempt]
        await group.defer(deliveries, harness.delay)
        await harness.pass_time(harness.delay - 2)
        assert await nothing_more(group, harness)
        await harness.pass_time(2 + harness.slack)
    await group.acknowledge(await gather(group, 1))
    assert await nothing_more(group, harness)


async def test_deferring_holds_nobody_else(harness: Harness, broker: Broker) -> None:
    """A deferred message neither holds back its neighbours nor another group."""
    topic = harness.name("orders")
    one = await broker.subscribe(harness.name("one"), {topic: ALL})
    other = await broker.subscribe(harness.name("other"), {topic: ALL})
    await broker.publish([message(topic, 1)])
    await one.defer(await gather(one, 1), 3600)
    await broker.publish([message(topic, 2)])
    assert ids(await gather(one, 1)) == ["m2"]
    assert ids(await gather(other, 2)) == ["m1", "m2"]


async def test_delayed_message_comes_when_it_is_due(harness: Harness, broker: Broker) -> None:
    """A message with a time of delivery comes then, to every group, as it was sent; others pass it by."""
    topic = harness.name("orders")
    group = await broker.subscribe(harness.name("points"), {topic: ALL})
    later = message(topic, 1, deliver_at=harness.now() + round(harness.delay * 1000))
    await broker.publish([later])
    await broker.publish([message(topic, 2)])
    now = await gather(group, 1)
    assert ids(now) == ["m2"]
    await group.acknowledge(now)
    await harness.pass_time(harness.delay - 2)
    assert await nothing_more(group, harness)
    await harness.pass_time(2 + harness.slack)
    assert [delivery.message for delivery in await gather(group, 1)] == [later]


async def test_consumers_of_a_group_share(harness: Harness, broker: Broker) -> None:
    """Two consumers of one group that receive at the same time share the messages without duplicates."""
    topic, name = harness.name("orders"), harness.name("points")
    consumers = [await broker.subscribe(name, {topic: ALL}) for _ in range(2)]
    await broker.publish([message(topic, number) for number in range(100)])
    found: list[str] = []

    async def consume(number: int) -> None:
        while deliveries := await consumers[number].receive(7, 0.3):
            found.extend(ids(deliveries))
            await consumers[number].acknowledge(deliveries)

    await asyncio.gather(consume(0), consume(1))
    assert sorted(found) == sorted(f"m{number}" for number in range(100))


async def test_another_consumer_takes_over(harness: Harness, broker: Broker) -> None:
    """What a consumer had when it closed reaches another of its group."""
    topic, name = harness.name("orders"), harness.name("points")
    leaving = await broker.subscribe(name, {topic: ALL})
    await broker.publish([message(topic, 1)])
    assert ids(await gather(leaving, 1)) == ["m1"]
    await leaving.close()
    staying = await broker.subscribe(name, {topic: ALL})
    await harness.pass_time(harness.invisible + harness.slack)
    assert ids(await gather(staying, 1)) == ["m1"]


async def test_content_arrives_unchanged(harness: Harness, broker: Broker) -> None:
    """Bodies arrive byte for byte, the largest and the empty one too, and so do ids, keys and properties."""
    topic = harness.name("orders")
    group = await broker.subscribe(harness.name("points"), {topic: ALL})
    sent = [
        Message(topic=topic, message_id="bytes", body=bytes(range(256)), tag="支付", key="订单 42 😀"),
        Message(topic=topic, message_id="empty", body=b"", properties={"trace": "t-1", "名": "值 é"}),
        Message(topic=topic, message_id="large", body=b"\x00\xff" * (MAX_BODY // 2)),
        Message(topic=topic, message_id="i" * 64, body=b"1", tag="t" * 64, key="k" * 128),
    ]
    await broker.publish(sent)
    received = [delivery.message for delivery in await gather(group, len(sent))]
    assert sorted(received, key=lambda one: one.message_id) == sorted(sent, key=lambda one: one.message_id)


async def test_limit_is_respected(harness: Harness, broker: Broker) -> None:
    """No receive gives more than its limit, and a limit below one is refused."""
    topic = harness.name("orders")
    group = await broker.subscribe(harness.name("points"), {topic: ALL})
    await broker.publish([message(topic, number) for number in range(20)])
    sizes = [len(await group.receive(3, 1.0)) for _ in range(4)]
    assert all(1 <= size <= 3 for size in sizes)
    with pytest.raises(ValueError, match="limit"):
        await group.receive(0, 1.0)


async def test_wait_ends_empty(harness: Harness, broker: Broker) -> None:
    """With nothing to receive, receive returns nothing when its wait is over, and not much later."""
    group = await broker.subscribe(harness.name("points"), {harness.name("orders"): ALL})
    began = time.monotonic()
    assert await group.receive(10, 0.3) == []
    assert 0.25 <= time.monotonic() - began < 0.3 + 1.0 + harness.slack


async def test_publishing_wakes_who_waits(harness: Harness, broker: Broker) -> None:
    """A consumer that waits gets a message when it is published, long before its wait is over."""
    topic = harness.name("orders")
    group = await broker.subscribe(harness.name("points"), {topic: ALL})
    waiting = asyncio.create_task(group.receive(10, 20.0))
    await asyncio.sleep(0.05)
    began = time.monotonic()
    await broker.publish([message(topic, 1)])
    assert ids(await waiting) == ["m1"]
    assert time.monotonic() - began < 1.0 + harness.slack


async def test_window_is_bounded(harness: Harness, broker: Broker) -> None:
    """A group that acknowledges nothing has at most a window out; acknowledging opens it again."""
    topic = harness.name("orders")
    group = await broker.subscribe(harness.name("points"), {topic: ALL})
    for start in range(0, harness.window + 64, 64):
        await broker.publish([message(topic, number) for number in range(start, start + 64)])
    out = await gather(group, harness.window + 64, harness.moment)
    assert len(out) == harness.window
    waiting = asyncio.create_task(gather(group, 64, harness.moment))
    await asyncio.sleep(0.01)
    await group.acknowledge(out[:10])
    assert len(await asyncio.wait_for(waiting, 5.0)) == 10


async def test_acknowledging_twice_is_harmless(harness: Harness, broker: Broker) -> None:
    """Repeating an acknowledgement, or deferring after it, changes nothing."""
    topic = harness.name("orders")
    group = await broker.subscribe(harness.name("points"), {topic: ALL})
    await broker.publish([message(topic, 1)])
    deliveries = await gather(group, 1)
    await group.acknowledge(deliveries)
    await group.acknowledge(deliveries)
    await group.defer(deliveries, 0)
    await harness.pass_time(harness.invisible + harness.slack)
    assert await nothing_more(group, harness)
