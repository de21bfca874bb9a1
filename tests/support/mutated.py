"""Messages with one thing wrong with them: a part left out, doubled, retyped, made huge or deep, or no text at all."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, cast

Place = tuple[str | int, ...]
"""The way to a part of a message: names of fields, and places in lists."""


class Raw(NamedTuple):
    """What stands in a JSON text as it is, whether it is JSON or not."""

    text: bytes


class Twice(NamedTuple):
    """A field that comes twice, with these values."""

    first: object
    second: object


MANY_DIGITS = b"9" * 5_000
DEEP = 5_000
MOMENTS = (
    "2026-06-30T23:59:60+08:00",
    "2026-06-30 23:59:60",
    "2026-02-30T00:00:00+08:00",
    "0001-01-01T00:00:00+23:59",
    "0001-01-01 00:00:00",
    "1969-12-31 23:59:59",
    "9999-12-31T23:59:59-23:59",
    "9999-12-31 23:59:59.999",
    "2026-01-01T08:00:01+99:99",
    "2026-01-01T08:00:01.9999999999Z",
    "２０２６-01-01 08:00:00",
    "2026-01-01 24:00:00",
)
"""Leap seconds, days and zones there are not, and the ends of the calendar."""
AMOUNTS = (
    "-88.80",
    "88.8",
    "88.80 ",
    "88,80",
    "8.88e1",
    "NaN",
    "Infinity",
    "-0",
    "0",
    "0.00",
    "８８.80",
    "88.801",
    "+88.80",
)
WORDS = (
    "",
    " ",
    "0",
    "-1",
    "null",
    "\0",
    "P1\0",
    "P1\r\nX: y",
    "é",
    "茶" * 40,
    "𝟙",
    "../../x",
    "a&trade_status=TRADE_SUCCESS",
    "'; DROP TABLE payments; --",
    "<script>alert(1)</script>",
    "9" * 19,
    "9" * 129,
    "x" * 20_000,
    "https://[",
    "https://exa mple/",
    "http://127.0.0.1:99999/",
)
TEXTS = (*WORDS, *AMOUNTS, *MOMENTS)
NO_TEXTS = (
    b'"\\ud800"',
    b'"\\udfff\\ud800"',
    b'"\xff\xfe"',
    b'"\xed\xa0\x80"',
    b'"\x00"',
    b'"\\x"',
    b'"',
    b"",
    b"nope",
)
NUMBERS = (
    *(b"0", b"-0", b"1", b"-1", b"-8880", b"8881", b"8880.0", b"8880.5", b"88.8e2", b"1e400", b"-1e400"),
    *(b"NaN", b"Infinity", b"-Infinity", b"0x10", b"08880"),
    *(b"10000000001", b"2147483648", b"9223372036854775807", b"9223372036854775808", b"18446744073709551616"),
    *(b"253402300800", b"-62135596801", MANY_DIGITS, b"-" + MANY_DIGITS),
)
SHAPES = (
    *(b"null", b"true", b"false", b"[]", b"{}", b"[null]", b"[[]]", b'{"a":{}}', b'[{"id":1}]'),
    *(b"[" * DEEP, b"[" * DEEP + b"]" * DEEP, b'{"a":' * DEEP + b"1" + b"}" * DEEP),
)
VALUES = (*NO_TEXTS, *NUMBERS, *SHAPES, *(json.dumps(text).encode() for text in TEXTS))
"""What may stand in the place of any JSON value."""


def dumped(value: object) -> bytes:
    """The JSON text of a value, `Raw` and `Twice` in it included."""
    match value:
        case Raw(text):
            return text
        case dict():
            fields = cast("dict[str, object]", value)
            return b"{" + b",".join(_field(name, one) for name, inner in fields.items() for one in _each(inner)) + b"}"
        case list():
            return b"[" + b",".join(dumped(inner) for inner in cast("list[object]", value)) + b"]"
        case _:
            return json.dumps(value, ensure_ascii=False).encode()


def mutations(message: Mapping[str, Any], share: int = 1) -> Iterator[bytes]:
    """The message's JSON with each of its parts in turn left out, doubled, and replaced by each of `VALUES`.

    With a `share` of 3 every third of them takes the place of a part, others in that of the next one.
    """
    yield dumped({"unheard_of": 1, **message})
    for at, place in enumerate(places(message)):
        yield dumped(without(message, place))
        for text in VALUES[at % share :: share]:
            yield dumped(changed(message, place, Raw(text)))
        if isinstance(place[-1], str):
            for text in (b"1", b"null", b'"x"', b"{}"):
                yield dumped(changed(message, place, Twice(part(message, place), Raw(text))))
                yield dumped(changed(message, place, Twice(Raw(text), part(message, place))))


def places(message: object, above: Place = ()) -> Iterator[Place]:
    """The way to each part of a message, at whatever depth."""
    for name, inner in _parts(message):
        yield (*above, name)
        yield from places(inner, (*above, name))


def part(message: Any, place: Place) -> Any:
    """What stands there."""
    for step in place:
        message = message[step]
    return message


def changed(message: Any, place: Place, value: object) -> Any:
    """The message with that value there."""
    first, *rest = place
    inner = changed(message[first], tuple(rest), value) if rest else value
    if isinstance(message, Mapping):
        return {**cast("Mapping[str, Any]", message), first: inner}
    return [inner if at == first else one for at, one in enumerate(message)]


def without(message: Any, place: Place) -> Any:
    """The message with nothing there."""
    first, *rest = place
    if rest:
        return changed(message, (first,), without(message[first], tuple(rest)))
    return type(message)(_left(message, first))


def spoilt(body: bytes, at: int, byte: int, how: int) -> bytes:
    """The bytes with one changed, one more, one less, cut off there, or doubled from there on."""
    at %= len(body) + 1
    rest = (
        bytes([byte]) + body[at + 1 :],
        bytes([byte]) + body[at:],
        body[at + 1 :],
        b"",
        body,
    )
    return body[:at] + rest[how % len(rest)]


def _field(name: str, value: object) -> bytes:
    return json.dumps(name).encode() + b":" + dumped(value)


def _each(value: object) -> tuple[object, ...]:
    return tuple(value) if isinstance(value, Twice) else (value,)


def _parts(message: object) -> Iterable[tuple[str | int, object]]:
    match message:
        case dict():
            return cast("dict[str, object]", message).items()
        case list():
            return enumerate(cast("list[object]", message))
        case _:
            return ()


def _left(message: Any, first: str | int) -> Iterator[Any]:
    for name, inner in _parts(message):
        if name != first:
            yield (name, inner) if isinstance(message, dict) else inner
