"""What travels in a message: arrays of events between services, or any payload a program sends to a topic."""

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec

from makegood.engine import tracing
from makegood.engine.broker.port import Message

FORMAT = "format"
"""The property that says what the body is."""
EVENTS = "events"
"""A JSON array of envelopes, by which many events of one commit travel in one message."""
TEXT, BYTES, JSON = "text", "bytes", "json"
MAX_BODY = 256 * 1024
"""Bytes after which an array of events goes on in another message."""
TRACEPARENT = "traceparent"
"""The property, and the field of an envelope, that says to which trace it belongs."""
MAX_KEYS = 128
"""Characters of the keys by which people search for a message."""


class Envelope(msgspec.Struct, frozen=True):
    """An event with its own id; `at` is when it happened, in ms UTC; `traceparent` is there when that was traced."""

    id: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    at: int
    data: msgspec.Raw
    traceparent: Any = ""  # other programs may write what they like: what is no traceparent is none


_KEPT = b'{"makegood:traceparent":"'
_UNTRACED = "-" * tracing.LENGTH
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


def kept_with(trace: str, body: bytes) -> bytes:
    """A JSON object as it is stored, with its trace (if any) in it; anything else is stored as it is.

    A body that itself begins as a kept one does is kept with an empty place for the trace, so that it comes back whole.
    """
    if not body.startswith(b"{" if trace else _KEPT):
        return body
    return b"%s%s%s" % (_KEPT, (trace or _UNTRACED).encode(), b'"}' if body == b"{}" else b'",' + body[1:])


def kept(body: bytes) -> tuple[str, bytes]:
    """The trace and the JSON object that were stored by `kept_with`."""
    if not body.startswith(_KEPT):
        return "", body
    begin, end = len(_KEPT), len(_KEPT) + tracing.LENGTH
    rest = body[end:]
    trace = body[begin:end].decode("latin-1")
    return "" if trace == _UNTRACED else trace, b"{}" if rest == b'"}' else b"{" + rest.removeprefix(b'",')


def traced(envelope: bytes, trace: str) -> bytes:
    """The envelope with its trace, if it has one."""
    return b'{"%s":"%s",%s' % (TRACEPARENT.encode(), trace.encode(), envelope[1:]) if trace else envelope


def traced_format(kind: str, trace: str) -> str:
    """What an outbox row keeps of a message's properties: its format, and its trace if it has one."""
    return f"{kind};{trace}" if trace else kind


def properties_of(format: str) -> dict[str, str]:
    """The properties of a message whose outbox row has this format."""
    kind, _, trace = format.partition(";")
    return {FORMAT: kind, TRACEPARENT: trace} if trace else {FORMAT: kind}


def trace_of(message: Message) -> str:
    """The trace that a message's property names; empty when it names none."""
    said = message.properties.get(TRACEPARENT)
    return tracing.incoming(said) if said else ""


def trace_of_event(envelope: Envelope) -> str:
    """The trace that an event names; empty when it names none."""
    said = envelope.traceparent
    return tracing.incoming(said) if isinstance(said, str) else ""


def _array(envelopes: Sequence[bytes]) -> bytes:
    return b"[" + b",".join(envelopes) + b"]"
