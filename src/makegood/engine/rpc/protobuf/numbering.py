"""Field numbers: kept from the files that are there, new for new fields, and never used again."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from makegood.engine.rpc.protobuf.proto import Field, File, Message, Method

Numbers = Mapping[str, Mapping[str, int]]
"""Of each message, the number of each field."""


def numbers_of(files: Sequence[File]) -> Numbers:
    """What the files say. Raises ValueError when two messages have one name, or two fields one number."""
    numbers: dict[str, dict[str, int]] = {}
    for message in _messages(files, unique=True).values():
        fields = {field.name: field.number for field in message.fields}
        used = [*fields.values(), *message.reserved_numbers]
        if len({*used}) < len(message.fields) + len(message.reserved_numbers) or min(used, default=1) < 1:
            raise ValueError(f"a number of message {message.name} is used twice, or reserved: restore the file")
        numbers[message.name] = fields
    return numbers


def renewed(code: Sequence[File], old: Sequence[File]) -> tuple[File, ...]:
    """The code's files with the old ones' numbers. Raises ValueError when a field takes a removed one's name."""
    known = _messages(old)
    return tuple(
        replace(file, messages=tuple(_numbered(message, known.get(message.name)) for message in file.messages))
        for file in code
    )


def breaks(old: Sequence[File], new: Sequence[File]) -> list[str]:
    """What those who know the old files would not understand any more, a sentence each."""
    return [*_broken_messages(_messages(old), _messages(new)), *_broken_methods(_methods(old), _methods(new))]


def same_type(one: Field, other: Field) -> bool:
    """Whether they are alike on the wire: there, what is optional is only left out."""
    return one.type == other.type and (one.label == "repeated") == (other.label == "repeated")


def _messages(files: Sequence[File], *, unique: bool = False) -> dict[str, Message]:
    found: dict[str, Message] = {}
    for message in [message for file in files for message in file.messages]:
        if unique and message.name in found:
            raise ValueError(f"message {message.name} stands in two files: restore them")
        found[message.name] = message
    return found


def _methods(files: Sequence[File]) -> dict[str, Method]:
    return {f"{file.service}.{method.name}": method for file in files for method in file.methods}


def _numbered(message: Message, old: Message | None) -> Message:
    old = old or Message(message.name, ())
    before = {field.name: field for field in old.fields}
    last = max([field.number for field in old.fields] + list(old.reserved_numbers), default=0)
    fields: list[Field] = []
    for field in message.fields:
        if field.name in old.reserved_names:
            raise ValueError(f"{message.name}.{field.name} was removed once, its name is reserved: choose another")
        known = before.get(field.name)
        if known is not None and same_type(known, field):
            fields.append(replace(field, number=known.number))
        else:
            last += 1
            fields.append(replace(field, number=last))
    return _reserving(replace(message, fields=tuple(sorted(fields, key=lambda field: field.number))), old)


def _reserving(message: Message, old: Message) -> Message:
    numbers = {field.number for field in message.fields}
    names = {field.name for field in message.fields}
    gone = {field.number for field in old.fields if field.number not in numbers}
    lost = {field.name for field in old.fields if field.name not in names}
    return replace(
        message,
        reserved_numbers=tuple(sorted({*old.reserved_numbers, *gone})),
        reserved_names=tuple(sorted({*old.reserved_names, *lost})),
    )


def _broken_messages(old: Mapping[str, Message], new: Mapping[str, Message]) -> Iterator[str]:
    for name, message in old.items():
        if name not in new:
            yield f"message {name} was removed"
            continue
        numbers = {field.number: field for field in new[name].fields}
        names = {field.name: field for field in new[name].fields}
        for field in message.fields:
            there = names.get(field.name)
            if there is None:
                yield f"field {name}.{field.name} was removed"
            elif not same_type(there, field):
                yield f"field {name}.{field.name} was retyped: {field.label or 'a single'} {field.type} before"
            elif there.number != field.number:
                yield f"field {name}.{field.name} was renumbered: {field.number} before, {there.number} now"
        for number in message.reserved_numbers:
            if number in numbers:
                yield f"field {name}.{numbers[number].name} has number {number}, which was reserved"


def _broken_methods(old: Mapping[str, Method], new: Mapping[str, Method]) -> Iterator[str]:
    for name, method in old.items():
        there = new.get(name)
        if there is None:
            yield f"operation {name} was removed"
        elif (there.request, there.answer) != (method.request, method.answer):
            yield f"operation {name} took {method.request} and answered {method.answer}"
