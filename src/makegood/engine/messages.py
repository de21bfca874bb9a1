"""What travels in a message: arrays of events between services, or any payload a program sends to a topic."""

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec

from makegood.engine.broker.port import Message

FORMAT = "format"
"""The property that says what the body is."""
EVENTS = "events"
"""A JSON array of envelopes, by which many events of one commit travel in one message."""
TEXT, BYTES, JSON = "text", "bytes", "json"
MAX_BODY = 256 * 1024
"""Bytes after which an array of events goes on in another message."""
MAX_KEYS = 128
"""Characters of the keys by which people search for a message."""


class Envelope(msgspec.Struct, frozen=True):
    """An event with its own id; `at` is when it happened, in ms UTC."""

    id: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    at: int
    data: msgspec.Raw


_envelopes = msgspec.json.Decoder(list[Envelope])


def pack(envelopes: Sequence[bytes]) -> list[tuple[int, bytes]]:
    """JSON arrays of at most about `MAX_BODY` bytes, each with the number of envelopes in it."""
    packed: list[tuple[int, bytes]] = []
    begin = size = 0
    for at, one in enumerate(envelopes):
        if size and size + len(one) > MAX_BODY:
            packed.append((at - begin, _array(envelopes[begin:at])))
            begin, size = at, 0
        size += len(one) + 1
    packed.append((len(envelopes) - begin, _array(envelopes[begin:])))
    return packed


def unpack(message: Message) -> list[Envelope]:
    """The events of a message. Raises msgspec.MsgspecError for a body that is no array of envelopes."""
    return _envelopes.decode(message.body)


def join_keys(keys: Sequence[str]) -> str:
    """As many keys as fit, separated by spaces, as RocketMQ writes several."""
    joined = ""
    for key in dict.fromkeys(filter(None, keys)):
        if len(joined) + 1 + len(key) > MAX_KEYS:
            break
        joined = f"{joined} {key}" if joined else key
    return joined


def convert(payload: object) -> tuple[bytes, str]:
    """The body and format of what a program sends: str, bytes, a struct or a JSON-able object.

    Raises TypeError for what is none of these.
    """
    if isinstance(payload, str):
        return payload.encode(), TEXT
    if isinstance(payload, bytes | bytearray):
        return bytes(payload), BYTES
    try:
        return msgspec.json.encode(payload), JSON
    except (TypeError, msgspec.MsgspecError) as error:
        raise TypeError(f"send str, bytes, a struct or a JSON-able object, not {type(payload).__name__}") from error


def read(body: bytes, wanted: Any) -> Any:
    """The body as the listener wants it. Raises UnicodeDecodeError or msgspec.MsgspecError when it is not that."""
    if wanted is bytes:
        return body
    if wanted is str:
        return body.decode()
    return msgspec.json.decode(body, type=wanted)


def _array(envelopes: Sequence[bytes]) -> bytes:
    return b"[" + b",".join(envelopes) + b"]"
