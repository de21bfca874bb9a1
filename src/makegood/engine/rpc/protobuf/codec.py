"""Structs to protobuf's wire format and back, checked on the way in as strictly as msgspec checks JSON."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from google.protobuf.message import DecodeError

from makegood.engine.rpc.protobuf.descriptors import message_classes
from makegood.engine.rpc.protobuf.numbering import Numbers
from makegood.engine.rpc.protobuf.shape import FieldShape, MessageShape, Struct, message_shapes


class Malformed(ValueError):
    """These bytes are no such message, or one that the contract does not allow."""


class Codec:
    """Encodes and decodes one type of message."""

    def __init__(self, struct: Struct, codecs: "Codecs") -> None:
        self._struct = struct
        self._codecs = codecs
        self._class = codecs.class_of(struct)

    def encode(self, value: Any) -> bytes:
        """The message. Raises ValueError for what is no such struct, or an integer beyond 64 bits."""
        message = self._class()
        try:
            self._codecs.fill(message, value, self._struct)
        except (AttributeError, TypeError, ValueError) as error:
            raise ValueError(f"{self._struct.__name__} does not fit into protobuf: {error}") from error
        return message.SerializeToString()

    def decode(self, data: bytes) -> Any:
        """The value. Fields that are not known are left out of account. Raises Malformed."""
        try:
            tree = self._codecs.tree(self._class.FromString(data), self._struct)
            return msgspec.convert(tree, self._struct)
        except (DecodeError, msgspec.ValidationError) as error:
            raise Malformed(f"no {self._struct.__name__}: {error}") from error


class Codecs:
    """Of some structs and all that they contain; `names` and `numbers` as the `.proto` files have them.

    Raises ValueError for a struct that protobuf has no form for, or one with a field that has no number.
    """

    def __init__(self, names: Mapping[Struct, str], numbers: Numbers, package: str) -> None:
        self._shapes = message_shapes(names)
        self._classes = message_classes(self._shapes, names, numbers, package)

    def of(self, struct: Struct) -> Codec:
        """The codec of one of these structs."""
        return Codec(struct, self)

    def class_of(self, struct: Struct) -> Any:
        """Its protobuf message class."""
        return self._classes[struct]

    def fill(self, message: Any, value: Any, struct: Struct) -> None:
        """Puts a struct into its message."""
        for field in self._shapes[struct].fields:
            given = getattr(value, field.name)
            if given is not None or not field.nullable:
                self._fill_field(message, field, given)

    def _fill_field(self, message: Any, field: FieldShape, given: Any) -> None:
        if isinstance(field.kind, str):
            _fill_scalars(message, field, given)
            return
        there = getattr(message, field.name)
        if field.label == "repeated":
            for item in given:
                self.fill(there.add(), item, field.kind)
        elif field.label == "map":
            for key, item in given.items():
                self.fill(there[key], item, field.kind)
        else:
            there.SetInParent()
            self.fill(there, given, field.kind)

    def tree(self, message: Any, struct: Struct) -> Any:
        """What msgspec converts into the struct."""
        shape = self._shapes[struct]
        values = {field.encoded: self._value(message, field) for field in shape.fields}
        if shape.array_like:
            return self._in_a_row(shape, values)
        return {name: value for name, value in values.items() if value is not msgspec.UNSET}

    def _value(self, message: Any, field: FieldShape) -> Any:
        """UNSET for what is absent and has a default, or must not be absent."""
        item: Callable[[Any], Any] = self._item(field.kind)
        match field.label:
            case "repeated":
                return [item(one) for one in getattr(message, field.name)]
            case "map":
                return {key: item(one) for key, one in getattr(message, field.name).items()}
            case _ if self._is_absent(message, field):
                return None if field.nullable else msgspec.UNSET
            case _:
                return item(getattr(message, field.name))

    def _item(self, kind: str | Struct) -> Callable[[Any], Any]:
        return _same if isinstance(kind, str) else lambda message: self.tree(message, kind)

    @staticmethod
    def _is_absent(message: Any, field: FieldShape) -> bool:
        has_presence = field.label == "optional" or not isinstance(field.kind, str)
        return has_presence and not message.HasField(field.name)

    @staticmethod
    def _in_a_row(shape: MessageShape, values: Mapping[str, Any]) -> list[Any]:
        row: list[Any] = []
        for field in shape.fields:
            value = values[field.encoded]
            if value is msgspec.UNSET:
                if field.default is None:
                    raise msgspec.ValidationError(f"Object missing required field `{field.name}`")
                value = msgspec.to_builtins(field.default(), builtin_types=(bytes,))
            row.append(value)
        return row


def _fill_scalars(message: Any, field: FieldShape, given: Any) -> None:
    if field.label == "repeated":
        getattr(message, field.name).extend(given)
    elif field.label == "map":
        getattr(message, field.name).update(given)
    else:
        setattr(message, field.name, given)


def _same(value: Any) -> Any:
    return value
