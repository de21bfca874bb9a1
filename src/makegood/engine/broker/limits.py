"""What every broker refuses at the door, so that a message which one broker takes is taken by all of them.

The characters of topics and groups, and what a tag must not contain, are RocketMQ's own rules.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

from makegood.engine.broker.port import MAX_BODY, Message

MAX_TOPIC = 127
"""Longest topic, in characters."""
MAX_GROUP = 120
"""Longest consumer group, in characters."""
MAX_TAG = 64
"""Longest tag, in characters."""
MAX_KEY = 128
"""Longest key, in characters."""
MAX_ID = 64
"""Longest message id, in characters."""
MAX_SEQUENCE = 64
"""Longest sequence, in characters."""
MAX_PROPERTIES = 16 * 1024
"""Most characters in the names and values of a message's properties together."""

_NAME = re.compile(r"[A-Za-z0-9_-]+")
_UNSENDABLE = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")
_NO_TAG = re.compile(r"[\s|*]")


def validate(messages: Sequence[Message]) -> None:
    """Raises ValueError for the first message that no broker could take, and says what to change."""
    for message in messages:
        _name("topic", message.topic, MAX_TOPIC)
        _text("tag", message.tag, MAX_TAG)
        _tag(message.tag)
        _text("key", message.key, MAX_KEY)
        _text("message_id", message.message_id, MAX_ID)
        if not message.message_id:
            raise ValueError("message_id is empty: give each message an id of its own")
        _body(message)
        if message.properties:
            _properties(message.properties)
        if message.sequence:
            _sequence(message)


def validate_subscription(group: str, topics: Mapping[str, frozenset[str]]) -> None:
    """Raises ValueError for a group, a topic or a tag that no broker could serve."""
    _name("group", group, MAX_GROUP)
    if not topics:
        raise ValueError(f"group {group!r} subscribes to nothing: name at least one topic")
    for topic, tags in topics.items():
        _name("topic", topic, MAX_TOPIC)
        for tag in sorted(tags):
            if not tag:
                raise ValueError(f"group {group!r} wants an empty tag of {topic!r}: leave the set empty for all")
            _text("tag", tag, MAX_TAG)
            _tag(tag)


@lru_cache(maxsize=1024)
def _name(what: str, text: str, longest: int) -> None:
    if len(text) > longest or not _NAME.fullmatch(text):
        raise ValueError(f"{what} {text[:200]!r}: use 1 to {longest} of the characters A-Z a-z 0-9 _ -")


@lru_cache(maxsize=1024)
def _tag(text: str) -> None:
    if _NO_TAG.search(text):
        raise ValueError(f"tag {text!r}: a tag has no space, no | and no *")


def _text(what: str, text: str, longest: int) -> None:
    if len(text) > longest:
        raise ValueError(f"{what} has {len(text)} characters: shorten it to {longest}")
    if _UNSENDABLE.search(text):
        raise ValueError(f"{what} {text!r} has a control character or half a surrogate pair: remove it")


def _body(message: Message) -> None:
    if not isinstance(message.body, bytes):  # pyright: ignore[reportUnnecessaryIsInstance] - callers may be untyped
        raise ValueError(f"the body is of type {type(message.body).__name__}: encode it to bytes")  # noqa: TRY004
    if len(message.body) > MAX_BODY:
        raise ValueError(f"the body has {len(message.body)} bytes: split it, {MAX_BODY} is the most")
    if message.deliver_at < 0:
        raise ValueError(f"deliver_at is {message.deliver_at}: use milliseconds since 1970 UTC, or 0 for now")


def _sequence(message: Message) -> None:
    _text("sequence", message.sequence, MAX_SEQUENCE)
    if message.deliver_at:
        raise ValueError(f"sequence {message.sequence!r}: a message of a sequence cannot be delayed, leave one of them")


def _properties(properties: Mapping[str, str]) -> None:
    for name, value in properties.items():
        if not name:
            raise ValueError("a property has an empty name: name it")
        _text("a property's name", name, MAX_PROPERTIES)
        _text(f"property {name!r}", value, MAX_PROPERTIES)
    size = sum(len(name) + len(value) for name, value in properties.items())
    if size > MAX_PROPERTIES:
        raise ValueError(f"the properties have {size} characters: {MAX_PROPERTIES} is the most, use the body")
