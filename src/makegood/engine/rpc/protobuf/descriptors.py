"""Protobuf's own message classes, built while the program runs: nothing is generated into the source."""

from collections.abc import Mapping
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from makegood.engine.rpc.protobuf.numbering import Numbers
from makegood.engine.rpc.protobuf.shape import FieldShape, MessageShape, Struct

_Kind = descriptor_pb2.FieldDescriptorProto
_SCALARS: dict[str, Any] = {
    "int64": _Kind.TYPE_INT64,
    "string": _Kind.TYPE_STRING,
    "bool": _Kind.TYPE_BOOL,
    "bytes": _Kind.TYPE_BYTES,
    "double": _Kind.TYPE_DOUBLE,
}


def message_classes(
    shapes: Mapping[Struct, MessageShape], names: Mapping[Struct, str], numbers: Numbers, package: str
) -> dict[Struct, Any]:
    """A class for each struct. Raises ValueError for a field without a number."""
    file = descriptor_pb2.FileDescriptorProto(name="contracts.proto", package=package, syntax="proto3")
    for struct, shape in shapes.items():
        message = file.message_type.add(name=names[struct])
        for field in shape.fields:
            _add(message, field, names, package, _number(names[struct], field, numbers))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        struct: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{names[struct]}"))
        for struct in shapes
    }


def _number(message: str, field: FieldShape, numbers: Numbers) -> int:
    number = numbers.get(message, {}).get(field.name)
    if number is None:
        raise ValueError(f"{message}.{field.name} has no number in the .proto files: run `makegood contracts`")
    return number


def _add(message: Any, field: FieldShape, names: Mapping[Struct, str], package: str, number: int) -> None:
    added = message.field.add(name=field.name, number=number, label=_Kind.LABEL_OPTIONAL)
    if field.label == "map":
        entry = message.nested_type.add(name=_entry_name(field.name))
        entry.options.map_entry = True
        entry.field.add(name="key", number=1, label=_Kind.LABEL_OPTIONAL, type=_SCALARS[field.key])
        _set_type(entry.field.add(name="value", number=2, label=_Kind.LABEL_OPTIONAL), field.kind, names, package)
        added.label, added.type = _Kind.LABEL_REPEATED, _Kind.TYPE_MESSAGE
        added.type_name = f".{package}.{message.name}.{entry.name}"
        return
    _set_type(added, field.kind, names, package)
    if field.label == "repeated":
        added.label = _Kind.LABEL_REPEATED
    elif field.label == "optional":
        # A oneof of its own is how proto3 tells absence: protobuf.dev/programming-guides/field_presence
        added.proto3_optional = True
        added.oneof_index = len(message.oneof_decl)
        message.oneof_decl.add(name=f"_{field.name}")


def _set_type(field: Any, kind: str | Struct, names: Mapping[Struct, str], package: str) -> None:
    if isinstance(kind, str):
        field.type = _SCALARS[kind]
    else:
        field.type = _Kind.TYPE_MESSAGE
        field.type_name = f".{package}.{names[kind]}"


def _entry_name(field: str) -> str:
    """As protoc names it: `headers` has `HeadersEntry`."""
    return "".join(part.capitalize() for part in field.split("_")) + "Entry"
