"""Messages over RocketMQ's wire: whatever our port allows arrives as it was, and so do other programs' messages."""

import gzip
import zlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rocketmq.grpc_protocol import definition_pb2 as definition

from makegood.engine.broker.limits import validate
from makegood.engine.broker.port import Message
from makegood.engine.broker.rocketmq import wire

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=20)
IDS = TEXT.filter(bool)
NAMES = st.one_of(TEXT.filter(bool), st.sampled_from(["KEYS", "TAGS", "UNIQ_KEY", "__SHARDINGKEY", wire.PACKED]))
MESSAGES = st.builds(
    Message,
    topic=st.just("orders"),
    message_id=IDS,
    body=st.binary(max_size=30),
    tag=st.sampled_from(["", "paid", "支付"]),
    key=TEXT,
    properties=st.dictionaries(NAMES, TEXT, max_size=70),
    deliver_at=st.sampled_from([0, 1]),
)


@given(MESSAGES)
def test_every_message_arrives_as_it_was(message: Message) -> None:
    """What the port allows goes through what a proxy does to a message, and is the same afterwards."""
    validate([message])
    sent = wire.to_wire(message, 1)
    assert sent.body
    assert sent.system_properties.message_id.strip()
    assert all(key.strip() for key in sent.system_properties.keys)
    assert not any(name.isascii() and name.isupper() for name in sent.user_properties)
    assert wire.from_wire(_stored(sent), "orders") == message


@pytest.mark.parametrize(
    "change",
    [
        {"message_id": "支付-1"},
        {"message_id": " "},
        {"body": b""},
        {"key": "a "},
        {"properties": {"TAGS": "mine"}},
        {"properties": {"n": ""}},
        {"properties": {str(one): "v" for one in range(100)}},
        {"properties": {"n": "v" * 16_000}},
    ],
)
def test_what_rocketmq_would_refuse_is_packed(change: dict[str, object]) -> None:
    """What RocketMQ refuses or changes travels inside the body, and says so."""
    message = msgspec.structs.replace(Message("orders", "m1", b"body", "paid"), **change)
    sent = wire.to_wire(message, 1)
    assert dict(sent.user_properties) == {wire.PACKED: "1"}
    assert sent.system_properties.tag == "paid"
    assert wire.from_wire(_stored(sent), "orders") == message


def test_ordinary_messages_are_readable_to_others() -> None:
    """A message that RocketMQ takes as it is has our id, tag, key, properties and body in RocketMQ's own places."""
    sent = wire.to_wire(Message("orders", "42", b"{}", "paid", "o-1 o-2", {"format": "json"}), 1_000)
    system = sent.system_properties
    assert (system.message_id, system.tag, list(system.keys)) == ("42", "paid", ["o-1 o-2"])
    assert (sent.body, dict(sent.user_properties)) == (b"{}", {"format": "json"})
    assert system.born_timestamp.ToMilliseconds() == 1_000


@pytest.mark.parametrize("compress", [zlib.compress, gzip.compress])
def test_compressed_bodies_of_others(compress: "type[bytes]") -> None:
    """A body that a Java producer compressed arrives as it was before."""
    foreign = _foreign(compress(b"body " * 1_000))
    foreign.system_properties.body_encoding = definition.GZIP
    assert wire.from_wire(foreign, "orders").body == b"body " * 1_000


@pytest.mark.parametrize("body", [b"not compressed", zlib.compress(b"\x00" * (wire.MAX_INFLATED + 1))])
def test_bodies_that_cannot_be_inflated_are_left(body: bytes) -> None:
    """A body that is not compressed, or would fill the memory, is the consumer's to refuse."""
    foreign = _foreign(body)
    foreign.system_properties.body_encoding = definition.GZIP
    assert wire.from_wire(foreign, "orders").body == body


def test_others_may_use_our_properties() -> None:
    """Another program's property of the name of ours, with something else in it, is a property like any other."""
    foreign = _foreign(b"body")
    foreign.user_properties[wire.PACKED] = "1"
    foreign.user_properties[wire.DELIVER_AT] = "soon"
    message = wire.from_wire(foreign, "orders")
    assert (message.body, message.deliver_at) == (b"body", 0)


def _foreign(body: bytes) -> definition.Message:
    foreign = definition.Message(topic=definition.Resource(name="orders"), body=body)
    foreign.system_properties.message_id = "7F0000010000"
    return foreign


def _stored(sent: definition.Message) -> definition.Message:
    """The message as a broker gives it back: keys are joined by spaces and split again, without the last empty ones."""
    stored = definition.Message()
    stored.ParseFromString(sent.SerializeToString())
    keys = " ".join(stored.system_properties.keys).rstrip(" ").split(" ") if stored.system_properties.keys else []
    del stored.system_properties.keys[:]
    stored.system_properties.keys.extend(keys)
    return stored
