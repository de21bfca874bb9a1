"""Contracts on protobuf's wire."""

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import pytest
from grpc_tools import protoc
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from makegood.cli.contracting import said_by
from makegood.engine.contracts import Operation
from makegood.engine.rpc.protobuf.catalogue import Messages, foreign_messages, shop_catalogue
from makegood.engine.rpc.protobuf.codec import Codec, Malformed
from makegood.engine.rpc.protobuf.proto import FILES
from makegood.shop.assembly import CLASSES
from makegood.shop.orders import contracts as orders
from makegood.shop.stock import contracts as stock
from tests.unit.engine.contract_values import values_of

OPERATIONS = [said.operation for said in said_by(CLASSES)]


class Inner(msgspec.Struct, frozen=True):
    """Something inside something else."""

    at: int
    why: str = "none"


class Row(msgspec.Struct, frozen=True, array_like=True):
    """A struct that msgspec writes as an array."""

    name: str
    size: int = 7
    inner: Inner = Inner(1)


class Everything(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One field of every kind."""

    whole_number: int
    text: str = ""
    flag: bool = True
    raw: bytes = b""
    ratio: float = 0.5
    choice: Literal["one", "two"] = "one"
    few: Annotated[int, msgspec.Meta(ge=1, le=9)] = 3
    maybe: str | None = None
    inner: Inner
    maybe_inner: Inner | None = None
    numbers: tuple[int, ...] = ()
    rows: list[Row] = msgspec.field(default_factory=list[Row])
    headers: dict[str, str] = msgspec.field(default_factory=dict[str, str])
    inners: dict[int, Inner] = msgspec.field(default_factory=dict[int, Inner])


class Holder(msgspec.Struct, frozen=True):
    """A struct that may hold others like itself."""

    name: str
    inside: tuple["Holder", ...] = ()


def messages(struct: Any) -> Messages:
    """The messages of an operation that takes and gives this struct."""
    return foreign_messages(Operation("org.example.Service", "Say", struct, struct))


def codec(struct: Any) -> Codec:
    """Of a struct of the test's own."""
    return messages(struct).request


EVERYTHING = codec(Everything)


def known(operation: Operation[Any, Any]) -> Messages:
    """The messages of one of the shop's operations."""
    found = shop_catalogue().messages(operation)
    assert found is not None
    return found


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_round_trip(operation: Operation[Any, Any], data: st.DataObject) -> None:
    """Whatever an operation may be asked or answer comes back from the wire as it was."""
    codecs = known(operation)
    for struct, one in ((operation.request, codecs.request), (operation.answer, codecs.answer)):
        value = data.draw(values_of(struct))
        assert one.decode(one.encode(value)) == value


@settings(max_examples=50, deadline=None)
@given(value=values_of(Everything))
def test_every_kind_round_trips(value: Everything) -> None:
    """A field of every kind comes back as it was: None, defaults, empty, maps, arrays, nested."""
    codecs = EVERYTHING
    assert codecs.decode(codecs.encode(value)) == value


def test_nested_and_empty() -> None:
    """A nested struct of which every field is empty is there, and is not taken for None or for missing."""

    class Zero(msgspec.Struct, frozen=True):
        note: str | None = None

    class Outer(msgspec.Struct, frozen=True):
        must: Zero
        may: Zero | None = None

    for value in (Outer(Zero()), Outer(Zero(), Zero())):
        assert codec(Outer).decode(codec(Outer).encode(value)) == value


def test_recursive_struct() -> None:
    """A struct that contains itself has a message that contains itself."""
    tree = Holder("a", (Holder("b"), Holder("c", (Holder("d"),))))
    assert codec(Holder).decode(codec(Holder).encode(tree)) == tree


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The classes that protoc makes of the checked-in files, by message name."""
    folder = tmp_path_factory.mktemp("generated")
    files = sorted(str(path) for path in FILES.glob("*.proto"))
    assert protoc.main(["protoc", f"-I{FILES.parent}", f"--python_out={folder}", *files]) == 0
    return _classes(folder)


def _classes(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    before = set(sys.modules)
    makegood_path = sys.modules["makegood"].__path__
    makegood_path.append(str(folder / "makegood"))
    try:
        for path in sorted((folder / "makegood").glob("*_pb2.py")):
            module = __import__(f"makegood.{path.stem}", fromlist=["DESCRIPTOR"])
            found |= {name: getattr(module, name) for name in module.DESCRIPTOR.message_types_by_name}
    finally:
        makegood_path.pop()
        for name in set(sys.modules) - before:
            del sys.modules[name]
    return found


def test_as_protoc_reads_it(generated: dict[str, Any]) -> None:
    """What is sent is what a program generated from the checked-in files reads, and the other way round."""
    asked = stock.DeductStock(10**18, "alice", (orders.Line("tea", 2, 300), orders.Line("pot", 1, 9_900)), 1_700)
    codecs = known(stock.DEDUCT)
    theirs = generated["DeductStock"].FromString(codecs.request.encode(asked))
    assert (theirs.order_id, theirs.user, theirs.deadline) == (10**18, "alice", 1_700)
    assert [(line.sku, line.quantity, line.unit_price) for line in theirs.lines] == [("tea", 2, 300), ("pot", 1, 9_900)]
    assert codecs.request.decode(theirs.SerializeToString()) == asked


def test_absent_and_default(generated: dict[str, Any]) -> None:
    """What another language leaves out has the default of the code, even if that is no zero; None is absent."""
    request = known(stock.GOODS).request
    assert request.decode(b"") == stock.GoodsPage(after=None, limit=100)
    theirs = generated["GoodsPage"].FromString(request.encode(stock.GoodsPage(after=None, limit=7)))
    assert not theirs.HasField("after")
    assert theirs.limit == 7


@pytest.mark.parametrize(
    ("operation", "fields", "why"),
    [
        (stock.DEDUCT, {"order_id": 1, "user": "a", "deadline": 1}, "length >= 1"),
        (stock.DEDUCT, {"order_id": 1, "user": "", "deadline": 1, "lines": [{"sku": "a"}]}, "user"),
        (stock.DEDUCT, {"order_id": 1, "user": "a b", "deadline": 1, "lines": [{"sku": "a"}]}, "regex"),
        (stock.DEDUCT, {"user": "a", "lines": [{"sku": "a", "quantity": 0, "unit_price": 1}]}, "quantity"),
        (stock.GOODS, {"limit": 0}, "limit"),
        (stock.GOODS, {"limit": 1_001}, "limit"),
        (orders.OUTCOMES, {"participant": "gifts"}, "gifts"),
        (orders.OUTCOMES, {}, "participant"),
    ],
)
def test_refused(generated: dict[str, Any], operation: Operation[Any, Any], fields: Any, why: str) -> None:
    """What msgspec would not let in as JSON is not let in as protobuf either, and the error says which field."""
    theirs = generated[operation.request.__name__](**fields)
    with pytest.raises(Malformed, match=why):
        known(operation).request.decode(theirs.SerializeToString())


def test_missing_message() -> None:
    """A struct that must be there and is absent is refused, in a struct and in one written as an array."""

    class Pair(msgspec.Struct, frozen=True, array_like=True):
        one: Inner
        two: int = 0

    for struct in (Everything, Pair):
        with pytest.raises(Malformed, match=r"missing required field"):
            codec(struct).decode(b"")


@settings(deadline=None)
@given(data=st.binary(max_size=64))
def test_any_bytes(data: bytes) -> None:
    """Bytes from anywhere are a value that the contract allows, or Malformed; nothing else happens."""
    try:
        value = EVERYTHING.decode(data)
    except Malformed:
        return
    assert msgspec.convert(msgspec.to_builtins(value, builtin_types=(bytes,)), Everything) == value


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1])
def test_too_large(number: int) -> None:
    """An integer beyond 64 bits is refused with a word about it, not cut."""
    with pytest.raises(ValueError, match="does not fit into protobuf"):
        codec(Inner).encode(Inner(number))


@pytest.mark.parametrize("wrong", [Inner(None), Inner("1"), Inner(1, "\ud800"), Row("a"), None])  # type: ignore[arg-type]
def test_no_such_struct(wrong: Any) -> None:
    """A value that is not what the contract says is refused, not sent as something else."""
    with pytest.raises(ValueError, match="does not fit into protobuf"):
        codec(Inner).encode(wrong)


def test_unknown_fields() -> None:
    """A newer caller's field is left out of account, so that processes can be updated one by one."""

    class Newer(msgspec.Struct, frozen=True):
        at: int
        why: str
        who: str

    assert codec(Inner).decode(codec(Newer).encode(Newer(1, "old", "new"))) == Inner(1, "old")


def test_numbers_by_hand() -> None:
    """A foreign interface's fields are numbered in their order, except those that say their number."""

    class Foreign(msgspec.Struct, frozen=True):
        name: Annotated[str, msgspec.Meta(extra={"number": 4})]
        age: int

    assert codec(Foreign).encode(Foreign("", 3)) == bytes([2 << 3, 3])
    assert codec(Foreign).encode(Foreign("x", 0)) == bytes([4 << 3 | 2, 1, ord("x")])
