"""The shop's operations as files: which message is called what, and in which file it stands."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from makegood.engine.contracts import Operation
from makegood.engine.rpc.protobuf.proto import COMMON, Field, File, Message, Method
from makegood.engine.rpc.protobuf.shape import FieldShape, MessageShape, Struct, message_shapes


class Said(NamedTuple):
    """An operation, and what its function says of itself."""

    operation: Operation[Any, Any]
    doc: str = ""


def camel(name: str) -> str:
    """`CamelCase` of `snake_case`; what is in camel case stays."""
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))


def message_names(operations: Sequence[Operation[Any, Any]]) -> dict[Struct, str]:
    """What each struct is called, those of all operations in one package.

    It is the struct's own name, preceded by its service's when another struct or an interface has it too.
    Raises ValueError when that does not tell them apart.
    """
    users = _users(operations)
    taken = Counter([struct.__name__ for struct in users])
    taken.update({camel(operation.service) for operation in operations})
    names: dict[Struct, str] = {}
    for struct, services in users.items():
        name = struct.__name__
        if taken[name] > 1 and len(services) > 1:
            raise ValueError(f"{struct!r} of {' and '.join(services)} shares its name: rename it")
        names[struct] = camel(services[0]) + name if taken[name] > 1 else name
    if len(set(names.values())) < len(names):
        double = next(name for name, count in Counter(names.values()).items() if count > 1)
        raise ValueError(f"two different structs are called {double}: rename one")
    return names


def files_of(said: Sequence[Said]) -> tuple[File, ...]:
    """The files without numbers, by name: one for each service, and one for what several of them say."""
    operations = [one.operation for one in said]
    users = _users(operations)
    names = message_names(operations)
    shapes = message_shapes(users)
    services = sorted({operation.service for operation in operations})
    files: list[File] = []
    for name in sorted([COMMON, *services]):
        own = [struct for struct, by in users.items() if (by[0] if len(by) == 1 else COMMON) == name]
        messages = sorted((_message(shapes[struct], names) for struct in own), key=lambda message: message.name)
        methods = [_method(one, names) for one in said if one.operation.service == name]
        service = camel(name) if methods else ""
        files.append(File(name, tuple(messages), service, tuple(sorted(methods, key=lambda method: method.name))))
    return tuple(files)


def field_of(field: FieldShape, names: Mapping[Struct, str]) -> Field:
    """The field as the files have it, without its number."""
    kind = field.kind if isinstance(field.kind, str) else names[field.kind]
    if field.label == "map":
        return Field(field.name, f"map<{field.key}, {kind}>")
    return Field(field.name, kind, "" if field.label == "single" else field.label)


def _users(operations: Sequence[Operation[Any, Any]]) -> dict[Struct, list[str]]:
    """Each struct, and the services that use it."""
    users: dict[Struct, list[str]] = {}
    for operation in sorted(operations, key=str):
        for struct in message_shapes([operation.request, operation.answer]):
            users.setdefault(struct, []).append(operation.service)
    return {struct: list(dict.fromkeys(services)) for struct, services in users.items()}


def _message(shape: MessageShape, names: Mapping[Struct, str]) -> Message:
    fields = tuple(field_of(field, names) for field in shape.fields)
    return Message(names[shape.struct], fields, shape.struct.__doc__ or "")


def _method(said: Said, names: Mapping[Struct, str]) -> Method:
    operation = said.operation
    return Method(camel(operation.name), names[operation.request], names[operation.answer], said.doc)
