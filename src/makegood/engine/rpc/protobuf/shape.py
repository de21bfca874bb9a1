"""What a contract's struct is in protobuf: the type of each field, without its number.

| Python                               | protobuf                                                              |
| ------------------------------------ | --------------------------------------------------------------------- |
| int, str, bool, bytes, float         | int64, string, bool, bytes, double                                    |
| Literal of strings or of integers    | string or int64                                                       |
| a struct                             | a message                                                             |
| tuple[T, ...], list[T]               | repeated                                                              |
| dict[K, T]                           | map                                                                   |
| T or None                            | optional                                                              |
| a default that is no zero of its type | optional: who leaves it out gets the default                         |

Whatever else there is (unions, datetimes, enumerations) is refused with a ValueError when the shop is put together.
"""

from collections.abc import Callable, Iterable
from typing import Any, Literal, NamedTuple, TypeVar, cast

import msgspec
from msgspec import inspect

Label = Literal["single", "optional", "repeated", "map"]
Struct = type[msgspec.Struct]
T = TypeVar("T")

SCALARS: dict[type[inspect.Type], str] = {
    inspect.IntType: "int64",
    inspect.StrType: "string",
    inspect.BoolType: "bool",
    inspect.BytesType: "bytes",
    inspect.FloatType: "double",
}
ZEROS: dict[str, Any] = {"int64": 0, "string": "", "bool": False, "bytes": b"", "double": 0.0}
KEYS = ("int64", "string", "bool")
"""What protobuf allows as a map's key."""


class FieldShape(NamedTuple):
    """A field: `kind` is a scalar's protobuf name, or a struct; `key` that of a map.

    `encoded` is its name in msgspec's encodings. `nullable`: absence means None; otherwise it means the default.
    """

    name: str
    encoded: str
    kind: str | Struct
    label: Label
    key: str = ""
    nullable: bool = False
    default: Callable[[], Any] | None = None
    number: int | None = None


class MessageShape(NamedTuple):
    """A struct: `array_like` as msgspec has it, for that is how a value is put together."""

    struct: Struct
    fields: tuple[FieldShape, ...]
    array_like: bool


def message_shapes(structs: Iterable[Struct]) -> dict[Struct, MessageShape]:
    """These structs and all that they contain. Raises ValueError for what protobuf has no form for."""
    found: dict[Struct, MessageShape] = {}
    waiting = list(structs)
    while waiting:
        struct = waiting.pop(0)
        if struct not in found:
            found[struct] = _message(struct)
            waiting += [field.kind for field in found[struct].fields if not isinstance(field.kind, str)]
    return found


def _message(struct: Struct) -> MessageShape:
    info = inspect.type_info(struct)
    if not isinstance(info, inspect.StructType) or info.tag is not None:
        raise ValueError(f"{struct!r} cannot travel as protobuf: a contract is a struct without a tag")
    try:
        return MessageShape(struct, tuple(_field(field) for field in info.fields), info.array_like)
    except ValueError as error:
        raise ValueError(f"{struct.__module__}.{struct.__name__} cannot travel as protobuf: {error}") from error


def _field(field: inspect.Field) -> FieldShape:
    type_, number = _without_metadata(field.type)
    kind, label, key = _kind(field.name, type_)
    nullable = isinstance(type_, inspect.UnionType)
    default = _default(field)
    if default is not None:
        label = _label_with_default(field.name, kind, label, default(), nullable=nullable)
    return FieldShape(field.name, field.encode_name, kind, label, key, nullable, default, number)


def _kind(name: str, type_: inspect.Type) -> tuple[str | Struct, Label, str]:
    match type_:
        case inspect.VarTupleType() | inspect.ListType():
            return _single(name, type_.item_type), "repeated", ""
        case inspect.DictType():
            key = _single(name, type_.key_type)
            if key not in KEYS:
                raise ValueError(f"{name} has keys that no protobuf map can have: make them str, int or bool")
            return _single(name, type_.value_type), "map", cast("str", key)
        case inspect.UnionType():
            others = [one for one in type_.types if not isinstance(one, inspect.NoneType)]
            if len(others) != 1 or isinstance(others[0], inspect.VarTupleType | inspect.ListType | inspect.DictType):
                raise ValueError(f"{name} is a union: only one scalar or struct, or None, can be told apart")
            return _single(name, others[0]), "optional", ""
        case _:
            return _single(name, type_), "single", ""


def _single(name: str, type_: inspect.Type) -> str | Struct:
    type_, _ = _without_metadata(type_)
    if isinstance(type_, inspect.StructType):
        return type_.cls
    if isinstance(type_, inspect.LiteralType):
        return "string" if isinstance(type_.values[0], str) else "int64"
    scalar = SCALARS.get(type(type_))
    if scalar is None:
        raise ValueError(f"{name} is of {type(type_).__name__}, which has no form in protobuf")
    return scalar


def _without_metadata(type_: inspect.Type) -> tuple[inspect.Type, int | None]:
    """The type itself, and the field's number if `Meta(extra={"number": 3})` gives one."""
    number: int | None = None
    while isinstance(type_, inspect.Metadata):
        number = (type_.extra or {}).get("number", number)
        type_ = type_.type
    return type_, number


def _default(field: inspect.Field) -> Callable[[], Any] | None:
    if field.default_factory is not msgspec.NODEFAULT:
        return cast("Callable[[], Any]", field.default_factory)
    if field.default is not msgspec.NODEFAULT:
        return lambda: field.default
    return None


def _label_with_default(name: str, kind: str | Struct, label: Label, value: Any, *, nullable: bool) -> Label:
    if nullable:
        if value is not None:
            raise ValueError(f"{name} may be None and is {value!r} by default: absence cannot mean both")
    elif label in ("repeated", "map"):
        if value:
            raise ValueError(f"{name} is not empty by default: in protobuf, absent is empty")
    elif isinstance(kind, str) and value != ZEROS[kind]:
        return "optional"
    return label
