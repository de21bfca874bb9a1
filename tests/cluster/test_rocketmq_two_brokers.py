"""Two brokers under one name server: messages go to both, and on when one of them is killed."""

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import contextmanager

import pytest
from deploy.local.clusterlib.cluster import Cluster
from deploy.local.clusterlib.process import Process
from deploy.local.clusterlib.rocketmq import broker as broker_program

from makegood.engine.broker.port import Message
from makegood.engine.broker.rocketmq.admin import Admin
from makegood.engine.broker.rocketmq.broker import RocketmqBroker
from makegood.engine.broker.rocketmq.groups import GET_MAX_OFFSET
from makegood.engine.broker.rocketmq.settings import RocketmqSettings
from makegood.engine.world import SystemWorld
from tests.cluster.rocketmq_ready import answering
from tests.cluster.rocketmq_traffic import Traffic
from tests.cluster.servers import OWN, SECONDS, OwnRocketmq, own_ports

pytestmark = pytest.mark.cluster

GOING_ON = 15.0
"""Seconds until messages flow by the broker that is left, on a busy machine."""
DRAINING = 60.0
"""Seconds after which nothing may be missing: what a dead broker had handed out comes again after 10 s."""


class Pair:
    """A RocketMQ of the test's own, and a second broker that its name server knows."""

    def __init__(self, first: OwnRocketmq, second: Cluster) -> None:
        self._first, self._second = first, second

    @property
    def settings(self) -> RocketmqSettings:
        """Where it is, with the shortest invisible time that it allows."""
        endpoints = f"{self._first.address.endpoints};{self._second.site.address('proxy')}"
        return RocketmqSettings(self._first.address.name_server, endpoints, invisible=10.0)

    def kill_second(self) -> None:
        """kill -9."""
        self._second.kill(["broker"])

    def start_second(self) -> None:
        """Starts it again, with its data."""
        self._second.start(["broker"])


@contextmanager
def second_broker(first: OwnRocketmq) -> Generator[Cluster]:
    """Another broker with its proxy."""
    with own_ports() as base:
        ports = {"name-server": first.site.ports["name-server"]}
        cluster = Cluster.open(OWN / str(base), base=base, ports=ports, seconds=SECONDS)
        try:
            cluster.processes["broker"] = Process(broker_program(cluster.site, "broker-b"), cluster.site.folder)
            cluster.up(["broker"])
            yield cluster
        finally:
            cluster.kill_all()
            shutil.rmtree(cluster.site.folder)


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    """Both brokers."""
    with OwnRocketmq() as first, second_broker(first) as second:
        yield Pair(first, second)


@pytest.fixture
async def broker(pair: Pair) -> AsyncIterator[RocketmqBroker]:
    """A client of both, when they answer."""
    await answering(pair.settings)
    broker = RocketmqBroker.open(pair.settings, SystemWorld())
    yield broker
    await broker.close()


async def held(settings: RocketmqSettings, topic: str) -> dict[str, int]:
    """How many messages of a topic each broker has got."""
    admin = Admin(settings)
    found: dict[str, int] = {}
    for place in await admin.places(topic):
        for queue in range(place.readable):
            fields = {"topic": topic, "queueId": str(queue)}
            answer = await admin.ask(place.address, GET_MAX_OFFSET, fields, "looking")
            found[place.broker] = found.get(place.broker, 0) + int(answer.fields["offset"])
    admin.close()
    return found


async def test_messages_go_to_both(pair: Pair, broker: RocketmqBroker) -> None:
    """Messages are shared out to both brokers, those of a sequence to one of them, and a consumer gets all."""
    subscription = await broker.subscribe("both", {"both": frozenset()})
    for number in range(20):
        await broker.publish([Message("both", f"m{number}-{one}", b"b") for one in range(5)])
    shared = await held(pair.settings, "both")
    assert set(shared) == {"broker-a", "broker-b"}
    assert sum(shared.values()) == 100
    assert min(shared.values()) >= 30
    await broker.publish([Message("both", f"s{number}", b"b", sequence="one") for number in range(20)])
    grown = {name: count - shared[name] for name, count in (await held(pair.settings, "both")).items()}
    assert sorted(grown.values()) == [0, 20]
    found: set[str] = set()
    until = time.monotonic() + DRAINING
    while len(found) < 120 and time.monotonic() < until:
        deliveries = await subscription.receive(64, 5.0)
        await subscription.acknowledge(deliveries)
        found |= {one.message.message_id for one in deliveries}
    assert len(found) == 120


async def test_one_of_two_is_killed(pair: Pair, broker: RocketmqBroker) -> None:
    """Messages flow on by the other broker, and none that was published is lost when the dead one is back."""
    traffic = Traffic(broker, "killed", "points")
    try:
        await traffic.flows(time.monotonic(), 10)
        await asyncio.sleep(2)
        await asyncio.to_thread(pair.kill_second)
        await traffic.flows(time.monotonic(), GOING_ON)
        before = len(traffic.published)
        await asyncio.sleep(5)
        assert len(traffic.published) > before
        await traffic.flows(time.monotonic(), GOING_ON)
        await asyncio.to_thread(pair.start_second)
        await asyncio.sleep(5)
        await traffic.drain(DRAINING)
        assert min((await held(pair.settings, "killed")).values()) > 0
    finally:
        await traffic.stop()
