"""What a request, an event or an answer is about: the ids that it names.

Those are its fields whose name ends in `_id` (and `number`, by which a payment platform calls a payment), and the same
of the structs that it holds: the payload of an event, the order of an answer.
"""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import msgspec

NUMBER = "number"
MOST = 8
"""Most ids that are taken from one thing."""
MAX_LENGTH = 64
"""Characters of an id; what is longer is none."""
NOBODY: Mapping[str, str] = {}

_about: ContextVar[Mapping[str, str]] = ContextVar("about", default=NOBODY)


def names_of(subject: Any) -> dict[str, str]:
    """The ids it names, by field: its own, then those of what it holds."""
    found: dict[str, str] = {}
    held: list[Any] = []
    for field in _fields(subject):
        value = getattr(subject, field)
        if isinstance(value, msgspec.Struct):
            held.append(value)
        else:
            _take(found, field, value)
    for inner in held:
        for field in _fields(inner):
            _take(found, field, getattr(inner, field))
    return found


def subject_of() -> Mapping[str, str]:
    """The ids of what the running code is about."""
    return _about.get()


@contextmanager
def about(subject: Any) -> Generator[None]:
    """What is logged inside is about this request, event or task."""
    token = _about.set({**_about.get(), **names_of(subject)})
    try:
        yield
    finally:
        _about.reset(token)


def _fields(subject: Any) -> tuple[str, ...]:
    if isinstance(subject, msgspec.Struct):
        return subject.__struct_fields__
    return getattr(subject, "_fields", ())


def _take(found: dict[str, str], field: str, value: object) -> None:
    if not (field.endswith("_id") or field == NUMBER) or not isinstance(value, int | str) or len(found) >= MOST:
        return
    if value and len(text := str(value)) <= MAX_LENGTH:
        found.setdefault(field, text)
