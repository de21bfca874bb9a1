"""Our messages as RocketMQ's own, and back.

What a message may hold and RocketMQ's proxies would refuse or change (an empty body, an id of spaces, a property with
a name of RocketMQ's own, long properties) travels packed: the body is the message in MessagePack, and a property says
so. Everything else travels as it is, so that programs in other languages read and write it.
"""

import hashlib
import zlib
from collections.abc import Mapping

import msgspec
from rocketmq.grpc_protocol import definition_pb2 as definition

from makegood.engine.broker.port import Message

PACKED = "makegood-packed"
"""The property of a message whose body holds all of it."""
DELIVER_AT = "makegood-deliver-at"
"""The property that keeps when a delayed message was due, ms UTC: brokers may deliver earlier."""
SHARDING_KEY = "__SHARDINGKEY"
"""The property by which brokers know a message's sequence; proxies give it twice, also as the message group."""
MAX_PLAIN_PROPERTIES = 4 * 1024
"""Characters of properties that travel as they are: RocketMQ takes 16 KiB, in bytes and with what it adds."""
MAX_PLAIN_COUNT = 64
"""Properties that travel as they are: RocketMQ takes 128."""
MAX_INFLATED = 16 * 1024 * 1024
"""Bytes to which a compressed body of another program may grow."""
_pack = msgspec.msgpack.Encoder()
_unpack = msgspec.msgpack.Decoder(Message)


def plain(message: Message) -> Message:
    """The message as it is to travel: unchanged, or packed into a body."""
    if _travels(message):
        return message
    identity = message.message_id if _is_word(message.message_id) else "packed"
    return msgspec.structs.replace(
        message,
        message_id=identity,
        key="",
        body=_pack.encode(message),
        properties={PACKED: "1"},
        sequence=_group(message.sequence),
    )


def to_wire(message: Message, now: int) -> definition.Message:
    """What a proxy is sent; `now` is ms UTC."""
    message = plain(message)
    sent = definition.Message(
        topic=definition.Resource(name=message.topic), user_properties=message.properties, body=message.body
    )
    system = sent.system_properties
    system.message_id = message.message_id
    system.message_type = definition.NORMAL
    system.body_encoding = definition.IDENTITY
    system.born_timestamp.FromMilliseconds(now)
    if message.tag:
        system.tag = message.tag
    if message.key:
        system.keys.append(message.key)
    if message.deliver_at:
        sent.user_properties[DELIVER_AT] = str(message.deliver_at)
    return sent


def from_wire(received: definition.Message, topic: str) -> Message:
    """What a proxy delivered of this topic, also from programs that know nothing of us. Never raises."""
    system, body = received.system_properties, received.body
    if system.body_encoding == definition.GZIP:
        body = _inflate(body)
    properties = dict(received.user_properties)
    if PACKED in properties:
        try:
            return msgspec.structs.replace(_unpack.decode(body), topic=topic)
        except msgspec.MsgspecError:
            pass  # the property is another program's own
    properties.pop(SHARDING_KEY, None)
    due = properties.pop(DELIVER_AT, "")
    return Message(
        topic,
        system.message_id,
        body,
        system.tag,
        " ".join(system.keys),
        properties,
        int(due) if due.isdecimal() else 0,
        system.message_group,
    )


def _travels(message: Message) -> bool:
    return (
        bool(message.body)
        and _is_word(message.message_id)
        and (not message.key or _is_line(message.key))
        and (not message.properties or _are_plain(message.properties))
        and (not message.sequence or _is_word(message.sequence))
    )


def _group(sequence: str) -> str:
    """The sequence if it can be a message group of RocketMQ, or else one that is the same for it every time."""
    return sequence if not sequence or _is_word(sequence) else hashlib.sha256(sequence.encode()).hexdigest()


def _is_word(text: str) -> bool:
    return text.isascii() and text.isprintable() and " " not in text


def _is_line(text: str) -> bool:
    return text == text.strip() and not any("\x80" <= one < "\xa0" for one in text)


def _are_plain(properties: Mapping[str, str]) -> bool:
    return (
        len(properties) <= MAX_PLAIN_COUNT
        and sum([len(name) + len(value) for name, value in properties.items()]) <= MAX_PLAIN_PROPERTIES
        and not any(
            _is_reserved(name) or not value or not _is_line(name) or not _is_line(value)
            for name, value in properties.items()
        )
    )


def _is_reserved(name: str) -> bool:
    """Whether it may mean something to RocketMQ (MessageConst.java names in capitals), or to this module."""
    return name in (PACKED, DELIVER_AT) or name.startswith("__") or (name.isascii() and name == name.upper())


def _inflate(body: bytes) -> bytes:
    """What Java producers compress, by zlib or gzip; left as it is when it is neither, or too large."""
    for kind in (zlib.MAX_WBITS, zlib.MAX_WBITS | 16):
        try:
            inflating = zlib.decompressobj(kind)
            inflated = inflating.decompress(body, MAX_INFLATED)
        except zlib.error:
            continue
        return body if inflating.unconsumed_tail else inflated
    return body
