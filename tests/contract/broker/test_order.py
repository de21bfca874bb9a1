"""What every broker promises of sequences: in an ordered group nobody overtakes in his own one."""

import asyncio
from collections.abc import Sequence

import pytest

from makegood.engine.broker.port import Broker, Delivery, Message, Subscription
from tests.contract.broker.harness import Harness, nothing_more

ALL = frozenset[str]()


def step(topic: str, sequence: str, number: int) -> Message:
    """The `number`th message of a sequence."""
    return Message(topic, f"{sequence}-{number}", str(number).encode(), sequence=sequence)


def numbers(deliveries: Sequence[Delivery], sequence: str) -> list[int]:
    """The numbers of a sequence's messages, as they came."""
    return [int(one.message.body) for one in deliveries if one.message.sequence == sequence]


def first_times(numbers: Sequence[int]) -> list[int]:
    """Without the repeats."""
    return list(dict.fromkeys(numbers))


async def some(subscription: Subscription) -> list[Delivery]:
    """The next deliveries, which must come."""
    deliveries = await subscription.receive(32, 20.0)
    assert deliveries
    return deliveries


async def take(subscription: Subscription, count: int, limit: int = 3) -> list[Delivery]:
    """Receives and acknowledges until so many different messages have come."""
    taken: list[Delivery] = []
    while len({one.message.message_id for one in taken}) < count:
        deliveries = await subscription.receive(limit, 20.0)
        assert deliveries, f"{len(taken)} of {count} came"
        await subscription.acknowledge(deliveries)
        taken += deliveries
    return taken


async def test_a_sequence_comes_in_order(harness: Harness, broker: Broker) -> None:
    """Messages of several sequences that were published together, or one by one, come in order within each."""
    topic = harness.name("ledger")
    group = await broker.subscribe(harness.name("book"), {topic: ALL}, ordered=True)
    await broker.publish([step(topic, sequence, number) for number in range(10) for sequence in ("a", "b", "c")])
    for number in range(10, 15):
        await broker.publish([step(topic, "a", number)])
    taken = await take(group, 35)
    assert first_times(numbers(taken, "a")) == list(range(15))
    assert first_times(numbers(taken, "b")) == first_times(numbers(taken, "c")) == list(range(10))
    assert await nothing_more(group, harness)


async def test_nobody_overtakes_what_is_out(harness: Harness, broker: Broker) -> None:
    """While one of a sequence is out no consumer of the group gets a later one; once it is acknowledged it comes."""
    topic, name = harness.name("ledger"), harness.name("book")
    groups = [await broker.subscribe(name, {topic: ALL}, ordered=True) for _ in range(2)]
    await broker.publish([step(topic, "a", 1)])
    first = await some(groups[0])
    await broker.publish([step(topic, "a", number) for number in (2, 3)])
    assert await nothing_more(groups[0], harness)
    assert await nothing_more(groups[1], harness)
    await groups[0].acknowledge(first)
    assert numbers(await take(groups[1], 2), "a") == [2, 3]


async def test_waiting_consumers_hear_of_their_turn(harness: Harness, broker: Broker) -> None:
    """Consumers that wait already hear of the next one as soon as another has acknowledged the one before."""
    topic, name = harness.name("ledger"), harness.name("book")
    groups = [await broker.subscribe(name, {topic: ALL}, ordered=True) for _ in range(2)]
    await broker.publish([step(topic, "a", 1)])
    first = await some(groups[0])
    await broker.publish([step(topic, "a", 2)])
    waiting = [asyncio.create_task(group.receive(32, 20.0)) for group in groups]
    await asyncio.sleep(harness.moment)
    await groups[0].acknowledge(first)
    heard, others = await asyncio.wait(waiting, timeout=5.0, return_when=asyncio.FIRST_COMPLETED)
    assert [numbers(one.result(), "a") for one in heard] == [[2]]
    for one in others:
        one.cancel()


async def test_unacknowledged_comes_before_what_follows(harness: Harness, broker: Broker) -> None:
    """What is neither acknowledged nor deferred comes again, and only then what was published after it."""
    topic = harness.name("ledger")
    group = await broker.subscribe(harness.name("book"), {topic: ALL}, ordered=True)
    await broker.publish([step(topic, "a", 1)])
    await some(group)
    await broker.publish([step(topic, "a", number) for number in (2, 3)])
    await harness.pass_time(harness.invisible + harness.slack)
    assert first_times(numbers(await take(group, 3), "a")) == [1, 2, 3]


async def test_deferring_holds_back_the_sequence(harness: Harness, broker: Broker) -> None:
    """A deferred message holds back the later ones of its sequence until it has come again."""
    topic = harness.name("ledger")
    group = await broker.subscribe(harness.name("book"), {topic: ALL}, ordered=True)
    await broker.publish([step(topic, "a", 1)])
    await group.defer(await some(group), harness.delay)
    await broker.publish([step(topic, "a", number) for number in (2, 3)])
    await harness.pass_time(harness.delay - 2)
    assert await nothing_more(group, harness)
    await harness.pass_time(2 + harness.slack)
    assert first_times(numbers(await take(group, 3), "a")) == [1, 2, 3]


async def test_order_survives_closing(harness: Harness, broker: Broker) -> None:
    """What was out when the broker closed comes again before what was published after it."""
    topic, name = harness.name("ledger"), harness.name("book")
    group = await broker.subscribe(name, {topic: ALL}, ordered=True)
    await broker.publish([step(topic, sequence, 1) for sequence in ("a", "b")])
    out: list[Delivery] = []
    while len(out) < 2:
        out += await some(group)
    await broker.publish([step(topic, sequence, 2) for sequence in ("a", "b")])
    await group.acknowledge([one for one in out if one.message.sequence == "b"])
    await asyncio.sleep(0.1)
    await broker.close()

    group = await (await harness.open()).subscribe(name, {topic: ALL}, ordered=True)
    await harness.pass_time(harness.invisible + harness.slack)
    taken = await take(group, 3)
    assert first_times(numbers(taken, "a")) == [1, 2]
    assert first_times(numbers(taken, "b"))[-1] == 2


async def test_consumers_share_sequences(harness: Harness, broker: Broker) -> None:
    """Of two consumers neither handles one of a sequence while the other has an earlier one."""
    topic, name = harness.name("ledger"), harness.name("book")
    consumers = [await broker.subscribe(name, {topic: ALL}, ordered=True) for _ in range(2)]
    sequences = [f"s{number}" for number in range(6)]
    seen: dict[str, list[int]] = {sequence: [] for sequence in sequences}
    await broker.publish([step(topic, sequence, number) for number in range(20) for sequence in sequences])

    async def consume(group: Subscription) -> None:
        while sum(len(set(one)) for one in seen.values()) < 120:
            deliveries = await group.receive(7, 1.0)
            await asyncio.sleep(0.01)
            for one in deliveries:
                seen[one.message.sequence].append(int(one.message.body))
            await group.acknowledge(deliveries)

    async with asyncio.timeout(60):
        await asyncio.gather(*[consume(group) for group in consumers])
    assert [first_times(one) for one in seen.values()] == [list(range(20)) for _ in sequences]


async def test_other_groups_do_not_wait(harness: Harness, broker: Broker) -> None:
    """A group that wants no order gets messages of a sequence though earlier ones are out."""
    topic = harness.name("ledger")
    group = await broker.subscribe(harness.name("book"), {topic: ALL})
    await broker.publish([step(topic, "a", 1)])
    assert numbers(await some(group), "a") == [1]
    await broker.publish([step(topic, "a", 2)])
    assert numbers(await some(group), "a") == [2]


async def test_with_and_without_sequence(harness: Harness, broker: Broker) -> None:
    """One topic takes messages with a sequence and without, and all arrive as they were sent."""
    topic = harness.name("ledger")
    group = await broker.subscribe(harness.name("book"), {topic: ALL}, ordered=True)
    sent = [
        Message(topic, "none", b"1"),
        Message(topic, "plain", b"2", "tag", "key", {"n": "v"}, sequence="order-1"),
        Message(topic, "words", b"3", sequence="订单 1"),
        Message(topic, "long", b"4", sequence="😀" * 64),
        Message(topic, "space", b"5", sequence=" "),
        Message(topic, "empty", b"", sequence="order-1"),
    ]
    await broker.publish(sent)
    taken = {one.message.message_id: one.message for one in await take(group, len(sent))}
    assert taken == {one.message_id: one for one in sent}
    assert list(taken).index("plain") < list(taken).index("empty")


async def test_consumers_of_a_group_want_the_same_order(harness: Harness, broker: Broker) -> None:
    """A consumer that wants order, and one that does not, cannot be in one group."""
    topic, name = harness.name("ledger"), harness.name("book")
    await broker.subscribe(name, {topic: ALL}, ordered=True)
    with pytest.raises(ValueError, match="ordered"):
        await broker.subscribe(name, {topic: ALL})
