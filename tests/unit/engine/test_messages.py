"""What travels in a message, and the template that sends it."""

import asyncio
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makegood.engine import messages
from makegood.engine.broker.embedded import EmbeddedBroker
from makegood.engine.broker.port import MAX_BODY, Message
from makegood.engine.errors import BrokerUnavailable
from makegood.engine.executor import InlineExecutor
from makegood.engine.messaging import Messaging
from tests.support.faulty import FaultyBroker
from tests.support.virtual_time import VirtualWorld, virtual


class Letter(msgspec.Struct, frozen=True):
    """A payload."""

    to: str
    cents: int = 0


def envelope(number: int, size: int) -> bytes:
    """An encoded envelope of about this size."""
    return msgspec.json.encode({"id": str(number), "at": number, "data": "x" * size})


@settings(deadline=None)
@given(st.lists(st.integers(0, 200_000), min_size=1, max_size=8))
def test_pack(sizes: list[int]) -> None:
    """Packed events come out again, all of them and in order; only one that is large alone exceeds the limit."""
    packed = messages.pack([envelope(number, size) for number, size in enumerate(sizes)])
    unpacked = [messages.unpack(Message("t", "1", body)) for _, body in packed]
    assert [count for count, _ in packed] == [len(envelopes) for envelopes in unpacked]
    assert [one.id for envelopes in unpacked for one in envelopes] == [str(number) for number in range(len(sizes))]
    assert all(len(body) <= messages.MAX_BODY + 2 for count, body in packed if count > 1)


def test_large_event_alone() -> None:
    """An event that is larger than a message should be travels alone, its neighbours together."""
    packed = messages.pack([envelope(0, 10), envelope(1, 300_000), envelope(2, 10), envelope(3, 10)])
    assert [count for count, _ in packed] == [1, 1, 2]


def test_join_keys() -> None:
    """Keys are joined as far as they fit; empty ones and repeats are left out."""
    assert messages.join_keys(["a", "", "b", "a"]) == "a b"
    joined = messages.join_keys([str(number) for number in range(1_000)])
    assert len(joined) <= messages.MAX_KEYS
    assert joined.startswith("0 1 2")
    assert messages.join_keys(["k" * 129]) == ""


@pytest.mark.parametrize(
    ("payload", "wanted", "kind"),
    [
        ("你好", str, "text"),
        ("", str, "text"),
        (b"\x00\xff", bytes, "bytes"),
        (Letter("you", 7), Letter, "json"),
        ({"a": [1, None]}, dict, "json"),
        ([1, 2], list[int], "json"),
        (3, int, "json"),
    ],
)
def test_convert_and_read(payload: Any, wanted: Any, kind: str) -> None:
    """Whatever is sent is what the listener gets."""
    body, format_ = messages.convert(payload)
    assert (messages.read(body, wanted), format_) == (payload, kind)


def test_convert_refuses() -> None:
    """What is no text, bytes or JSON is refused with what to send."""
    with pytest.raises(TypeError, match="send str, bytes, a struct"):
        messages.convert(object())


def test_bytearray_is_copied() -> None:
    """What is sent does not change when its sender goes on with the buffer."""
    buffer = bytearray(b"one")
    body, _ = messages.convert(buffer)
    buffer[:] = b"two"
    assert body == b"one"


def broker_of(world: VirtualWorld) -> FaultyBroker:
    """A broker in memory."""
    return FaultyBroker(EmbeddedBroker.open(None, world, InlineExecutor()), world)


@virtual
async def test_convert_and_send(world: VirtualWorld) -> None:
    """A sent message has its topic, tag, key and an id of its own, and comes not before its delay."""
    broker = broker_of(world)
    group = await broker.subscribe("readers", {"letters": frozenset()})
    messaging = Messaging(broker, world)
    first = await messaging.convert_and_send("letters", Letter("you"), key="k", tag="t")
    second = await messaging.convert_and_send("letters", "soon", delay=2.5)
    assert first != second
    [delivery] = await group.receive(10, 1)
    assert delivery.message == Message("letters", first, b'{"to":"you","cents":0}', "t", "k", {"format": "json"})
    began = asyncio.get_running_loop().time()
    [delayed] = await group.receive(10, 10)
    assert 1.4 < asyncio.get_running_loop().time() - began < 2.6
    assert delayed.message.body == b"soon"
    await broker.close()


@virtual
async def test_refusals_of_the_template(world: VirtualWorld) -> None:
    """A payload, a topic or a size that cannot be sent is refused before anything is stored."""
    broker = broker_of(world)
    messaging = Messaging(broker, world)
    with pytest.raises(TypeError, match="not set"):
        await messaging.convert_and_send("letters", {object()})
    with pytest.raises(ValueError, match="topic"):
        await messaging.convert_and_send("no topic", "text")
    with pytest.raises(ValueError, match="bytes: split it"):
        await messaging.convert_and_send("letters", bytes(MAX_BODY + 1))
    with pytest.raises(ValueError, match="delay"):
        await messaging.convert_and_send("letters", "text", delay=-1)
    broker.faults.away = True
    with pytest.raises(BrokerUnavailable):
        await messaging.convert_and_send("letters", "text")
    assert broker.published == []
    await broker.close()
