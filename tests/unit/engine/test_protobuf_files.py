"""The `.proto` files: names, numbers, what breaks others."""

from dataclasses import replace
from datetime import datetime
from typing import Any

import msgspec
import pytest

from makegood.engine.contracts import Operation
from makegood.engine.rpc.protobuf.catalogue import Catalogue
from makegood.engine.rpc.protobuf.naming import Said, files_of
from makegood.engine.rpc.protobuf.numbering import breaks, numbers_of, renewed
from makegood.engine.rpc.protobuf.proto import Field, File, Message, Method, parse, texts_of
from makegood.engine.rpc.protobuf.shape import message_shapes


class Ask(msgspec.Struct, frozen=True):
    """Ask for it."""

    key: int
    note: str | None = None


class Tell(msgspec.Struct, frozen=True):
    """It is told."""

    items: tuple[str, ...] = ()


def namesake(name: str) -> Any:
    """Another struct of this name."""
    return msgspec.defstruct(name, [("other", int)], frozen=True)


def message(*fields: Field, **reserved: Any) -> tuple[File, ...]:
    """Files with one message."""
    return (File("one", (Message("Ask", fields, **reserved),)),)


KEY, NOTE = Field("key", "int64", number=1), Field("note", "string", "optional", 2)
FILES = message(KEY, NOTE)


def test_text_is_read_again() -> None:
    """What is written is read as it was: labels, maps, reserved numbers and names, and methods named as messages."""
    fields = (KEY, NOTE, Field("lines", "Tell", "repeated", 4), Field("headers", "map<string, string>", "", 7))
    ask = Message("Ask", fields, "", (3, 5), ("old", "older"))
    file = File("one", (ask, Message("Empty", ())), "One", (Method("Ask", "Ask", "Empty"),))
    text = texts_of([file])["one"]
    assert parse("one", text) == file
    assert texts_of([parse("one", text)])["one"] == text


def test_a_file_written_by_hand() -> None:
    """A line that this program did not write is refused by name, for its number would be lost."""
    text = texts_of(FILES)["one"].replace("int64 key = 1;", "int64 key = 1 [deprecated = true];")
    with pytest.raises(ValueError, match="deprecated"):
        parse("one", text)


def test_a_number_twice() -> None:
    """Files in which two fields have one number, or a reserved one, are refused."""
    for wrong in (message(KEY, replace(NOTE, number=1)), message(KEY, reserved_numbers=(1,)), FILES + FILES):
        with pytest.raises(ValueError, match="restore"):
            numbers_of(wrong)


def test_new_field() -> None:
    """A new field gets a new number, wherever it stands in the struct; the others keep theirs; nobody is broken."""
    new = renewed(message(Field("first", "bool"), replace(NOTE, number=0), replace(KEY, number=0)), FILES)
    assert numbers_of(new) == {"Ask": {"key": 1, "note": 2, "first": 3}}
    assert breaks(FILES, new) == []


def test_removed_field() -> None:
    """A removed field's number and name are reserved for ever, and its removal is told."""
    new = renewed(message(replace(KEY, number=0)), FILES)
    assert breaks(FILES, new) == ["field Ask.note was removed"]
    later = renewed(message(replace(KEY, number=0), Field("more", "string")), new)
    assert numbers_of(later) == {"Ask": {"key": 1, "more": 3}}
    assert (later[0].messages[0].reserved_numbers, later[0].messages[0].reserved_names) == ((2,), ("note",))
    assert breaks(new, later) == []
    with pytest.raises(ValueError, match="reserved: choose another"):
        renewed(message(replace(NOTE, number=0)), later)


def test_retyped_field() -> None:
    """A field of another type gets another number and is told; one that may now be left out is the same field."""
    new = renewed(message(Field("key", "string"), Field("note", "string")), FILES)
    assert numbers_of(new) == {"Ask": {"note": 2, "key": 3}}
    assert new[0].messages[0].reserved_numbers == (1,)
    assert breaks(FILES, new) == ["field Ask.key was retyped: a single int64 before"]


def test_renumbered_field() -> None:
    """A number that was changed by hand is told, and so is one that was reserved and is in use again."""
    assert breaks(FILES, message(replace(KEY, number=3), NOTE)) == ["field Ask.key was renumbered: 1 before, 3 now"]
    assert breaks(message(KEY, reserved_numbers=(2,)), FILES) == ["field Ask.note has number 2, which was reserved"]


def test_removed_message_and_operation() -> None:
    """Messages and operations that are gone, or take something else, are told."""
    old = (File("one", FILES[0].messages, "One", (Method("Ask", "Ask", "Ask"), Method("Tell", "Ask", "Ask"))),)
    new = (File("one", (Message("Tell", ()),), "One", (Method("Ask", "Tell", "Ask"),)),)
    assert breaks(old, new) == [
        "message Ask was removed",
        "operation One.Ask took Ask and answered Ask",
        "operation One.Tell was removed",
    ]


def test_names() -> None:
    """A struct is called as it is; one whose name another has, or an interface, by its service's name and its own."""
    mine, yours, said = namesake("Entry"), namesake("Entry"), namesake("Goods")
    operations = [
        Operation("stock", "find", Ask, mine),
        Operation("points", "find", Ask, yours),
        Operation("goods", "all", Ask, said),
    ]
    files = {file.name: file for file in files_of([Said(operation) for operation in operations])}
    named = {name: [message.name for message in file.messages] for name, file in files.items()}
    assert named == {"common": ["Ask"], "goods": ["GoodsGoods"], "points": ["PointsEntry"], "stock": ["StockEntry"]}
    assert files["points"].methods == (Method("Find", "Ask", "PointsEntry"),)


def test_names_that_cannot_be_told_apart() -> None:
    """Two structs of one name in one service, or in several, are refused: rename one."""
    mine, yours = namesake("Entry"), namesake("Entry")
    within = [Operation("stock", "a", Ask, mine), Operation("stock", "b", Ask, yours)]
    between = [*within, Operation("points", "b", Ask, yours)]
    for operations in (within, between):
        with pytest.raises(ValueError, match="rename"):
            files_of([Said(operation) for operation in operations])


@pytest.mark.parametrize(
    ("type_", "default", "why"),
    [
        (datetime, msgspec.NODEFAULT, "DateTimeType"),
        (int | str, msgspec.NODEFAULT, "union"),
        (tuple[int, ...] | None, msgspec.NODEFAULT, "union"),
        (tuple[int | None, ...], msgspec.NODEFAULT, "UnionType"),
        (tuple[int, str], msgspec.NODEFAULT, "TupleType"),
        (dict[float, str], msgspec.NODEFAULT, "keys"),
        (str | None, "x", "absence"),
        (tuple[int, ...], (1,), "not empty by default"),
    ],
)
def test_no_form_in_protobuf(type_: Any, default: Any, why: str) -> None:
    """A field that protobuf cannot hold without loss is refused, with its name."""
    fields = [("odd", type_) if default is msgspec.NODEFAULT else ("odd", type_, default)]
    struct = msgspec.defstruct("Odd", fields, frozen=True)
    with pytest.raises(ValueError, match=f"Odd cannot travel as protobuf: odd.*{why}"):
        message_shapes([struct])


def test_files_that_lag_behind() -> None:
    """An operation whose field has no number, or another type there, is refused: nobody guesses a number."""
    operation = Operation("one", "ask", Ask, Tell)
    files = renewed(files_of([Said(operation)]), ())
    assert Catalogue(files).messages(operation) is not None
    assert Catalogue(files).messages(Operation("one", "tell", Ask, Tell)) is None
    more = msgspec.defstruct("Ask", [("key", int), ("note", str | None), ("new", int)])
    other = msgspec.defstruct("Ask", [("key", str), ("note", str | None)])
    for struct, why in ((more, "Ask.new has no number"), (other, "Ask.key is not")):
        with pytest.raises(ValueError, match=why):
            Catalogue(files).messages(replace(operation, request=struct))
