"""What only a real RocketMQ shows: dead neighbours, other programs' messages, what is created, and what is counted."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from makegood.engine.broker.port import Message
from makegood.engine.broker.rocketmq import admin as admin_module
from makegood.engine.broker.rocketmq.admin import Admin
from makegood.engine.broker.rocketmq.broker import RocketmqBroker
from makegood.engine.broker.rocketmq.remoting import OK, Remoting
from makegood.engine.broker.rocketmq.settings import RocketmqSettings, addresses
from makegood.engine.errors import BrokerUnavailable
from makegood.engine.world import SystemWorld
from tests.cluster.rocketmq_ready import once_answering
from tests.cluster.servers import RocketMq, rocketmq

pytestmark = pytest.mark.cluster

ALL = frozenset[str]()
WORLD = SystemWorld()
NOBODY = "127.0.0.1:1"
"""An address at which nobody listens."""


class Client:
    """A broker and names that no other test uses."""

    def __init__(self, name_server: str, endpoints: str) -> None:
        self.settings = RocketmqSettings(name_server, endpoints, invisible=10.0)
        self.broker = RocketmqBroker.open(self.settings, WORLD)
        number = WORLD.random_bytes(6).hex()
        self.topic, self.group = f"orders-{number}", f"points-{number}"

    async def passes(self) -> None:
        """Whether a message goes all the way."""
        subscription = await self.broker.subscribe(self.group, {self.topic: ALL})
        await self.broker.publish([Message(self.topic, "m1", b"body")])
        deliveries = await subscription.receive(1, 20.0)
        assert [one.message.message_id for one in deliveries] == ["m1"]
        await subscription.acknowledge(deliveries)
        await subscription.close()


@pytest.fixture
async def server() -> RocketMq:
    """The tests' RocketMQ, when it answers."""
    server = rocketmq()
    await once_answering(RocketmqSettings(server.name_server, server.endpoints))
    return server


@pytest.fixture
async def client(server: RocketMq) -> AsyncIterator[Client]:
    """A client of it."""
    client = Client(server.name_server, server.endpoints)
    yield client
    await client.broker.close()


@pytest.mark.parametrize("dead", ["name server first", "name server last", "proxy first", "proxy last"])
async def test_one_of_two_is_dead(server: RocketMq, dead: str) -> None:
    """With one of two name servers, or one of two proxies, dead, messages go all the way."""
    first, last = dead.endswith("first"), dead.endswith("last")
    name_servers = (
        [NOBODY] * (dead == "name server first") + [server.name_server] + [NOBODY] * (dead == "name server last")
    )
    proxies = [NOBODY] * (first and "proxy" in dead) + [server.endpoints] + [NOBODY] * (last and "proxy" in dead)
    client = Client(";".join(name_servers), ";".join(proxies))
    try:
        await client.passes()
    finally:
        await client.broker.close()


async def test_host_names(server: RocketMq) -> None:
    """Servers may be given by name."""
    client = Client(
        server.name_server.replace("127.0.0.1", "localhost"), server.endpoints.replace("127.0.0.1", "localhost")
    )
    try:
        await client.passes()
    finally:
        await client.broker.close()


async def test_the_name_server_leads_to_the_proxies(server: RocketMq) -> None:
    """Without endpoints the proxies are looked for at the brokers' addresses, on RocketMQ's usual port."""
    client = Client(server.name_server, "")
    try:
        with pytest.raises(BrokerUnavailable, match=r"127\.0\.0\.1:8081"):
            await client.broker.publish([Message(client.topic, "m1", b"body")])
    finally:
        await client.broker.close()


async def test_messages_of_other_programs(client: Client) -> None:
    """A message that was sent straight to a broker, with nothing of ours, is delivered, with an id of RocketMQ's."""
    subscription = await client.broker.subscribe(client.group, {client.topic: frozenset({"paid"})})
    admin = Admin(client.settings)
    for place in await admin.places(client.topic):
        remoting = Remoting(addresses(place.address)[0], 3.0)
        for properties in ("TAGS\x01paid\x02KEYS\x01a b\x02colour\x01red\x02", "TAGS\x01other\x02", ""):
            answer = await remoting.call(admin_module.SEND_MESSAGE, _as_java_sends(client.topic, properties), b"theirs")
            assert answer.code == OK
        remoting.close()
    [delivery] = await subscription.receive(10, 20.0)
    message = delivery.message
    assert (message.topic, message.tag, message.key, message.body) == (client.topic, "paid", "a b", b"theirs")
    assert message.properties == {"colour": "red"}
    assert message.message_id
    await subscription.acknowledge([delivery])
    admin.close()


async def test_what_is_created_is_not_shrunk(client: Client) -> None:
    """A topic that exists keeps its queues, whoever publishes to it."""
    admin = Admin(client.settings)
    more = Admin(RocketmqSettings(client.settings.name_server, queues=12))
    await more.make_topic(client.topic)
    await client.passes()
    assert {place.writable for place in await admin.places(client.topic)} == {12}
    admin.close()
    more.close()


async def test_delays_longer_than_brokers_hold(client: Client) -> None:
    """A message that a broker delivers before it is due is held back until then."""
    subscription = await client.broker.subscribe(client.group, {client.topic: ALL})
    admin = Admin(client.settings)
    due = WORLD.now() + 8_000
    await admin.send_later(
        Message(client.topic, "late", b"body", deliver_at=due), due - 7_000 - admin_module.LONGEST_DELAY
    )
    deliveries = await subscription.receive(1, 30.0)
    assert [one.message.message_id for one in deliveries] == ["late"]
    assert WORLD.now() >= due - 1_000
    await subscription.acknowledge(deliveries)
    admin.close()


async def test_statistics(client: Client) -> None:
    """A group's backlog counts what is published, with its age, and is nothing when all is acknowledged."""
    await client.broker.declare({client.group: {client.topic: ALL}})
    await client.broker.publish([Message(client.topic, f"m{one}", b"body") for one in range(5)])
    await asyncio.sleep(1.5)
    [stats] = await client.broker.stats()
    assert (stats.group, stats.backlog) == (client.group, 5)
    assert 1_000 <= stats.oldest <= 30_000
    subscription = await client.broker.subscribe(client.group, {client.topic: ALL})
    left = 5
    while left:
        deliveries = await subscription.receive(left, 20.0)
        await subscription.acknowledge(deliveries)
        left -= len(deliveries)
    until = time.monotonic() + 20
    while (stats := (await client.broker.stats())[0]).backlog and time.monotonic() < until:
        await asyncio.sleep(0.5)
    assert (stats.backlog, stats.oldest) == (0, 0)


async def test_consumers_stop_polling(client: Client) -> None:
    """While nobody waits in receive at most one poll's messages leave the broker; nothing is lost by that."""
    subscription = await client.broker.subscribe(client.group, {client.topic: ALL})
    assert await subscription.receive(1, 0.5) == []
    for start in range(0, 400, 100):
        await client.broker.publish([Message(client.topic, f"m{one}", b"body") for one in range(start, start + 100)])
    await asyncio.sleep(1.0)
    [stats] = await client.broker.stats()
    assert stats.backlog >= 400 - 32
    found: set[str] = set()
    until = time.monotonic() + 60
    while len(found) < 400 and time.monotonic() < until:
        deliveries = await subscription.receive(64, 5.0)
        await subscription.acknowledge(deliveries)
        found |= {one.message.message_id for one in deliveries}
    assert len(found) == 400


async def test_closing_leaves_nothing_behind(client: Client) -> None:
    """Closing in the middle of everything ends within seconds, and leaves no task."""
    before = asyncio.all_tasks()
    subscriptions = [await client.broker.subscribe(client.group, {client.topic: ALL}) for _ in range(3)]
    waiting = [asyncio.create_task(one.receive(10, 20.0)) for one in subscriptions]
    await asyncio.sleep(1.0)
    await asyncio.wait_for(client.broker.close(), 5.0)
    answers = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(answer, BrokerUnavailable) for answer in answers)
    await asyncio.sleep(0.1)
    assert asyncio.all_tasks() == before


def _as_java_sends(topic: str, properties: str) -> dict[str, str]:
    return {
        "producerGroup": "theirs",
        "topic": topic,
        "defaultTopic": "TBW102",
        "defaultTopicQueueNums": "4",
        "queueId": "0",
        "sysFlag": "0",
        "bornTimestamp": str(WORLD.now()),
        "flag": "0",
        "properties": properties,
        "reconsumeTimes": "0",
        "unitMode": "false",
        "batch": "false",
    }
