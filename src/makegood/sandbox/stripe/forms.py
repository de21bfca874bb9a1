"""Forms with brackets in their names: `a[b][0][c]=d` is {a: {b: {0: {c: d}}}}."""

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

from .errors import Refused

MAX_FIELDS: Final = 500
MAX_DEPTH: Final = 6
MAX_VALUE: Final = 5000
_NAME: Final = re.compile(r"([^\[\]]{1,64})((?:\[[^\[\]]{0,64}\])*)")
_PART: Final = re.compile(r"\[([^\[\]]*)\]")

Fields = Mapping[str, Any]


def read(text: bytes) -> Fields:
    """The fields of a form. Raises Refused."""
    try:
        pairs = parse_qsl(text.decode(), keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError as error:
        raise Refused(f"Send a form of at most {MAX_FIELDS} fields in UTF-8.") from error
    fields: dict[str, Any] = {}
    for name, value in pairs:
        _put(fields, name, value)
    return fields


def text(fields: Fields, name: str, default: str = "") -> str:
    """A value, empty when there is none. Raises Refused when there is something else."""
    value = fields.get(name, default)
    if not isinstance(value, str) or len(value) > MAX_VALUE:
        raise Refused(f"Send one short value for {name}.", param=name)
    return value


def whole(fields: Fields, name: str, least: int, most: int, default: int | None = None) -> int:
    """A whole number within bounds. Raises Refused."""
    value = text(fields, name)
    if not value and default is not None:
        return default
    if not value:
        raise Refused(f"Missing required param: {name}.", code="parameter_missing", param=name)
    if not re.fullmatch(r"-?[0-9]{1,15}", value) or not least <= int(value) <= most:
        raise Refused(
            f"Invalid integer: {name} must be {least} to {most}.", code="parameter_invalid_integer", param=name
        )
    return int(value)


def inside(fields: Fields, name: str) -> dict[str, Any]:
    """A group of fields, empty when there is none. Raises Refused when there is something else."""
    value = fields.get(name, {})
    if value == "":
        return {}
    if not isinstance(value, dict):
        raise Refused(f"Send {name} with brackets: {name}[…]=….", param=name)
    return dict[str, Any](value)


def several(fields: Fields, name: str) -> list[Any]:
    """The values of `name[]`, or of `name[0]`, `name[1]`, …"""
    return list(inside(fields, name).values())


def metadata(fields: Fields, name: str = "metadata") -> dict[str, str]:
    """At most fifty short texts. Raises Refused."""
    found = inside(fields, name)
    if len(found) > 50 or any(not isinstance(value, str) or len(value) > 500 for value in found.values()):
        raise Refused(f"Send at most 50 texts of at most 500 characters as {name}.", param=name)
    return dict[str, str](found)


def _put(fields: dict[str, Any], name: str, value: str) -> None:
    parts = _NAME.fullmatch(name)
    if parts is None:
        raise Refused("A field's name is malformed.")
    path = [parts[1], *_PART.findall(parts[2])]
    if len(path) > MAX_DEPTH:
        raise Refused(f"A field's name has more than {MAX_DEPTH} parts.")
    here = fields
    for step in path[:-1]:
        there = here.setdefault(step or str(len(here)), {})
        if not isinstance(there, dict):
            raise Refused("A field is both a value and a group.")
        here = there
    here[path[-1] or str(len(here))] = value
