"""Messages from Java's DefaultMQProducer to a listener in Python, and from Python to Java's DefaultMQPushConsumer."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Generator, Sequence

import msgspec
import pytest

from makegood.cluster.host import open_host
from makegood.config import Config
from makegood.engine.contracts import Event, Operation
from makegood.engine.database.table import Schema
from makegood.engine.database.transaction import Transaction
from makegood.engine.deadline import Deadline
from makegood.engine.host import Host
from makegood.engine.service import Service, listener, operation
from tests.cluster.servers import rocketmq
from tests.interop.programs import Program, java

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("springboot_mq")]

TOPIC, GROUP = "springboot-mq", "springboot-mq-consumer-1"
SECONDS = 60.0


class Sold(msgspec.Struct, frozen=True):
    """So many pieces of something."""

    sku: str
    quantity: int


SELL = Operation("till", "sell", Sold, Sold)
SOLD = Event("interop-till", "sold", Sold)


class Till(Service):
    """Says what it sells: as an event, and as a message that it sends."""

    name, schema = "till", Schema("till")

    @operation(SELL)
    def sell(self, tx: Transaction, requests: Sequence[Sold]) -> list[Sold]:
        """Sells anything."""
        for request in requests:
            tx.publish(SOLD, request, key=request.sku)
            tx.send(TOPIC, request, key=request.sku, tag="sold")
        return list(requests)


class Reader(Service):
    """Remembers what it heard."""

    name, schema = "reader", Schema("reader")

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.sold: list[Sold] = []

    @listener(TOPIC, GROUP, payload=str)
    def hear(self, _tx: Transaction, texts: Sequence[str]) -> None:
        """Any text."""
        self.texts += texts

    @listener(SOLD, "interop-reader")
    def hear_sold(self, _tx: Transaction, sold: Sequence[Sold]) -> None:
        """An event of the till."""
        self.sold += sold


@pytest.fixture(scope="module")
def messages(springboot_mq: None) -> Generator[Program]:  # noqa: ARG001 - before it
    """The program in Java: it hears everything of the topic, and sends."""
    with java("Messages", rocketmq().name_server, f"java-{uuid.uuid4().hex}", TOPIC, "*") as program:
        program.line("ready")
        yield program


@pytest.fixture
def token() -> str:
    """What no earlier run has sent."""
    return uuid.uuid4().hex


@pytest.fixture
def reader() -> Reader:
    """The listener in Python."""
    return Reader()


@pytest.fixture
async def host(reader: Reader) -> AsyncIterator[Host]:
    """Till and listener, on RocketMQ."""
    broker = rocketmq()
    config = Config({"rocketmq": {"name-server": broker.name_server, "endpoints": broker.endpoints}})
    async with open_host([Till(), reader], config) as host:
        yield host


async def heard(where: Sequence[object], what: object) -> None:
    """Waits until it was heard."""
    async with asyncio.timeout(SECONDS):
        while what not in where:
            await asyncio.sleep(0.05)


async def say(program: Program, line: str) -> None:
    """Java sends a message."""
    assert await asyncio.to_thread(program.ask, line) == "sent SEND_OK"


@pytest.mark.usefixtures("host")
async def test_java_to_python(reader: Reader, messages: Program, token: str) -> None:
    """A text that Java sends is heard in Python."""
    text = f"hello springboot rocketmq {token}"
    await say(messages, f"{TOPIC} - - {text}")
    await heard(reader.texts, text)


async def test_python_to_java(host: Host, messages: Program, token: str) -> None:
    """A text that Python sends is heard in Java, with its tag and key."""
    text = f"hello springboot rocketmq {token}"
    await host.messaging.convert_and_send(TOPIC, text, key=f"key-{token}", tag="greeting")
    line = await asyncio.to_thread(messages.line, f"heard {TOPIC} greeting [key-{token}]", SECONDS)
    assert line.endswith(f"text {text}")


async def test_sent_with_a_commit(host: Host, messages: Program, token: str) -> None:
    """What a service sends with its commit is heard in Java, as JSON."""
    await host.call(SELL, Sold(token, 3), Deadline.after(20))
    line = await asyncio.to_thread(messages.line, f"heard {TOPIC} sold [{token}]", SECONDS)
    assert line.endswith(f'json {{"sku":"{token}","quantity":3}}')


async def test_events(host: Host, reader: Reader, token: str) -> None:
    """A service's event is heard in Java as an array of envelopes; one that Java sends takes effect once."""
    group = f"java-{token}"
    await host.call(SELL, Sold(token, 4), Deadline.after(20))
    with java("Messages", rocketmq().name_server, group, SOLD.topic, SOLD.tag) as program:
        await asyncio.to_thread(program.line, "ready")
        line = await asyncio.to_thread(program.line, f"heard {SOLD.topic} sold [{token}]", SECONDS)
        kind, _, body = line.partition("] ")[2].partition(" ")
        (envelope,) = json.loads(body)
        assert kind == "events"
        assert envelope["data"] == {"sku": token, "quantity": 4}
        assert {"id", "at"} <= envelope.keys()
        twice = [{"id": f"java-{token}"[:64], "at": envelope["at"], "data": {"sku": token, "quantity": 5}}] * 2
        for _ in range(2):
            await say(program, f"{SOLD.topic} {SOLD.tag} {token} {json.dumps(twice, separators=(',', ':'))}")
        await heard(reader.sold, Sold(token, 5))
        after = [{"id": f"{token}-after", "at": envelope["at"], "data": {"sku": token, "quantity": 6}}]
        await say(program, f"{SOLD.topic} {SOLD.tag} {token} {json.dumps(after, separators=(',', ':'))}")
        for quantity in (4, 6):
            await heard(reader.sold, Sold(token, quantity))
    assert sorted(one.quantity for one in reader.sold if one.sku == token) == [4, 5, 6]
