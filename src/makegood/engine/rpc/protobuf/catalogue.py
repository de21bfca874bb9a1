"""Which protobuf messages an operation takes and gives.

Operations of the shop are those of the `.proto` files. One of somebody else's interface (its service has a dot) has
the fields of its structs numbered in their order, unless `Annotated[int, Meta(extra={"number": 3})]` says otherwise.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from makegood.engine.contracts import Operation
from makegood.engine.rpc.protobuf.codec import Codec, Codecs
from makegood.engine.rpc.protobuf.naming import camel, field_of
from makegood.engine.rpc.protobuf.numbering import numbers_of, same_type
from makegood.engine.rpc.protobuf.proto import FILES, PACKAGE, Field, File, Message, read_all
from makegood.engine.rpc.protobuf.shape import FieldShape, Struct, message_shapes


class Messages(NamedTuple):
    """What an operation takes and gives."""

    request: Codec
    answer: Codec


class Catalogue:
    """The messages of all operations that the files know."""

    def __init__(self, files: Sequence[File]) -> None:
        """Raises ValueError for files that contradict themselves."""
        self._numbers = numbers_of(files)
        self._messages = {message.name: message for file in files for message in file.messages}
        self._methods = {(file.service, method.name): method for file in files for method in file.methods}

    def messages(self, operation: Operation[Any, Any]) -> Messages | None:
        """Its messages; None for one that the files do not know. Raises ValueError when they say otherwise."""
        method = self._methods.get((camel(operation.service), camel(operation.name)))
        if method is None:
            return None
        names: dict[Struct, str] = {}
        for struct, name in ((operation.request, method.request), (operation.answer, method.answer)):
            self._name(struct, name, names)
        return _messages(operation, Codecs(names, self._numbers, PACKAGE))

    def _name(self, struct: Struct, name: str, names: dict[Struct, str]) -> None:
        """Finds what the files call this struct and all that it contains, by walking through both."""
        if names.setdefault(struct, name) != name:
            raise _differ(f"{struct.__name__} is both {names[struct]} and {name}")
        fields = {field.name: field for field in self._messages.get(name, Message(name, ())).fields}
        for shape in message_shapes([struct])[struct].fields:
            there = fields.get(shape.name)
            if there is None:
                raise _differ(f"{name}.{shape.name} has no number")
            nested = there.type.removesuffix(">").split(", ")[-1]
            _compare(name, shape, nested, there)
            if not isinstance(shape.kind, str) and shape.kind not in names:
                self._name(shape.kind, nested, names)


def foreign_messages(operation: Operation[Any, Any]) -> Messages:
    """Those of somebody else's interface. Raises ValueError for two structs of one name."""
    shapes = message_shapes([operation.request, operation.answer])
    names = {struct: struct.__name__ for struct in shapes}
    if len(set(names.values())) < len(names):
        raise ValueError(f"{operation} has two structs of one name: rename one")
    numbers = {
        names[struct]: {field.name: field.number or place for place, field in enumerate(shape.fields, 1)}
        for struct, shape in shapes.items()
    }
    return _messages(operation, Codecs(names, numbers, operation.service.rpartition(".")[0]))


@cache
def shop_catalogue() -> Catalogue:
    """What the files of this package say."""
    return Catalogue(read_all(FILES))


def _messages(operation: Operation[Any, Any], codecs: Codecs) -> Messages:
    return Messages(codecs.of(operation.request), codecs.of(operation.answer))


def _compare(message: str, shape: FieldShape, nested: str, there: Field) -> None:
    names: Mapping[Struct, str] = {} if isinstance(shape.kind, str) else {shape.kind: nested}
    if not same_type(field_of(shape, names), there):
        raise _differ(f"{message}.{shape.name} is not {there.label} {there.type}")


def _differ(what: str) -> ValueError:
    return ValueError(f"the .proto files and the code differ ({what}): run `makegood contracts`")
