"""What RocketMQ's own death does to messages, on a RocketMQ of the test's own."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator

import pytest

from makegood.engine.broker.port import Message, Subscription
from makegood.engine.broker.rocketmq.broker import RocketmqBroker
from makegood.engine.broker.rocketmq.settings import RocketmqSettings
from makegood.engine.errors import BrokerUnavailable
from makegood.engine.world import SystemWorld
from tests.cluster.rocketmq_ready import answering
from tests.cluster.rocketmq_traffic import Consumer, Traffic
from tests.cluster.servers import OwnRocketmq

pytestmark = pytest.mark.cluster

RECOVERY = 30.0
"""Seconds from the moment when a new client's messages pass until the others' flow again, on a busy machine.

A starting broker that is asked for a topic tells the name server of that one, and of the rest 10 s later.
"""
DRAINING = 60.0
"""Seconds after which nothing may be missing: what a dead broker had handed out comes again after 10 s."""


@pytest.fixture(scope="module")
def own() -> Iterator[OwnRocketmq]:
    """A RocketMQ that may be killed."""
    with OwnRocketmq() as own:
        yield own


@pytest.fixture
async def broker(own: OwnRocketmq) -> AsyncIterator[RocketmqBroker]:
    """A client of it, when all of it answers."""
    await answering(settings(own))
    broker = client(own)
    yield broker
    await broker.close()


def settings(own: OwnRocketmq) -> RocketmqSettings:
    """Where it is, with the shortest invisible time that it allows."""
    return RocketmqSettings(own.address.name_server, own.address.endpoints, invisible=10.0)


def client(own: OwnRocketmq) -> RocketmqBroker:
    """A client of it."""
    return RocketmqBroker.open(settings(own), SystemWorld())


async def test_the_broker_is_killed(own: OwnRocketmq, broker: RocketmqBroker) -> None:
    """Publisher and consumers come back by themselves, and nothing that was published is lost or stuck."""
    traffic = Traffic(broker, "killed", "points")
    try:
        await traffic.flows(time.monotonic(), 10)
        await asyncio.sleep(2)
        await asyncio.to_thread(own.kill, "broker")
        await asyncio.sleep(1)
        await asyncio.to_thread(own.start, "broker")
        await answering(settings(own))
        await traffic.flows(time.monotonic(), RECOVERY)
        await traffic.drain(DRAINING)
    finally:
        await traffic.stop()


async def test_order_outlives_the_broker(own: OwnRocketmq, broker: RocketmqBroker) -> None:
    """An ordered group hears the messages of each sequence in their order, though the broker dies between them."""
    heard: dict[str, dict[int, None]] = {"a": {}, "b": {}, "c": {}}

    async def publish() -> None:
        for number in range(60):
            for sequence in heard:
                await _insist(broker, Message("steps", f"{sequence}{number}", b"%d" % number, sequence=sequence))
            await asyncio.sleep(0.05)

    async def hear() -> None:
        while any(len(numbers) < 60 for numbers in heard.values()):
            try:
                for one in (deliveries := await subscription.receive(32, 2.0)):
                    heard[one.message.sequence][int(one.message.body)] = None
                await subscription.acknowledge(deliveries)
            except BrokerUnavailable:
                await asyncio.sleep(0.2)

    subscription = await broker.subscribe("book", {"steps": frozenset()}, ordered=True)
    work = asyncio.gather(publish(), hear())
    await asyncio.sleep(2)
    await asyncio.to_thread(own.kill, "broker")
    await asyncio.sleep(1)
    await asyncio.to_thread(own.start, "broker")
    await asyncio.wait_for(work, DRAINING)
    assert {sequence: list(numbers) for sequence, numbers in heard.items()} == {one: list(range(60)) for one in heard}


async def test_the_name_server_is_killed(own: OwnRocketmq, broker: RocketmqBroker) -> None:
    """Messages flow on while there is no name server, over the time after which routes are looked at again."""
    traffic = Traffic(broker, "nameless", "points")
    try:
        await traffic.flows(time.monotonic(), 10)
        await asyncio.to_thread(own.kill, "name-server")
        await asyncio.sleep(35)
        await traffic.flows(time.monotonic(), 5)
        await asyncio.to_thread(own.start, "name-server")
        await asyncio.to_thread(own.wait_ready)
        await traffic.flows(time.monotonic(), 5)
        await broker.declare({"journal": {"nameless": frozenset()}})
        await traffic.drain(DRAINING)
        assert traffic.failures == 0, str(traffic)
    finally:
        await traffic.stop()


async def test_a_declared_group_survives_the_broker(own: OwnRocketmq, broker: RocketmqBroker) -> None:
    """What was published right after declaring reaches the group, though the broker dies before anybody consumes."""
    topic = "declared"
    await broker.publish([Message(topic, f"before{number}", b"b") for number in range(50)])
    await broker.declare({"late": {topic: frozenset()}})
    after = {f"after{number}" for number in range(50)}
    await broker.publish([Message(topic, one, b"a") for one in sorted(after)])
    await asyncio.to_thread(own.kill, "broker")
    await asyncio.sleep(1)
    await asyncio.to_thread(own.start, "broker")
    consumer = Consumer(broker, topic, "late")
    try:
        await consumer.hears(after, DRAINING)
    finally:
        await consumer.stop()


async def test_failures_are_told_in_time(own: OwnRocketmq, broker: RocketmqBroker) -> None:
    """While the broker is dead every call raises BrokerUnavailable within seconds, and a new client's calls too."""
    subscription = await broker.subscribe("told", {"told": frozenset()})
    await broker.publish([Message("told", "one", b"1"), Message("told", "two", b"2")])
    deliveries = await subscription.receive(1, 20.0)
    await asyncio.to_thread(own.kill, "broker")
    with pytest.raises(BrokerUnavailable):
        await asyncio.wait_for(_receive_all(subscription), 10)
    late = client(own)
    calls = [
        broker.publish([Message("told", "three", b"3")]),
        broker.subscribe("others", {"told": frozenset()}),
        broker.declare({"others": {"told": frozenset()}}),
        broker.stats(),
        subscription.acknowledge(deliveries),
        subscription.defer(deliveries, 5.0),
        late.publish([Message("told", "four", b"4")]),
        late.subscribe("told", {"told": frozenset()}),
    ]
    began = time.monotonic()
    for answer in await asyncio.gather(*calls, return_exceptions=True):
        assert isinstance(answer, BrokerUnavailable)
    assert time.monotonic() - began < 15
    await asyncio.wait_for(late.close(), 5)
    await asyncio.to_thread(own.start, "broker")


async def _insist(broker: RocketmqBroker, message: Message) -> None:
    """Publishes until it is stored, as the outbox does."""
    while True:
        try:
            return await broker.publish([message])
        except BrokerUnavailable:
            await asyncio.sleep(0.1)


async def _receive_all(subscription: Subscription) -> None:
    """Receives until it fails: there may still be something in the buffer."""
    while True:
        await subscription.receive(64, 60.0)
