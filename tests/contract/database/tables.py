"""The tables of the contract's tests."""

from typing import Annotated, Literal

import msgspec

from makegood.engine.database.table import Schema, Table

Name = Annotated[str, msgspec.Meta(max_length=64)]


class Item(msgspec.Struct):
    """A row with every kind of column."""

    sku: Name
    stock: int = 0
    state: Literal["NEW", "OLD"] = "NEW"
    picture: bytes = b""
    title: str = ""
    barcode: int | None = None
    due_at: int | None = None


class Line(msgspec.Struct):
    """A row whose key has two parts."""

    order_id: int
    sku: Name
    quantity: int


class Counter(msgspec.Struct):
    """A row whose key is a number."""

    id: int
    count: int


SCHEMA = Schema("contract")
ITEMS = Table[Item, str](
    SCHEMA, "items", Item, key=("sku",), unique=(("barcode",),), indexes=(("state", "due_at"), ("stock",))
)
LINES = Table[Line, tuple[int, str]](SCHEMA, "order_lines", Line, key=("order_id", "sku"))
COUNTERS = Table[Counter, int](SCHEMA, "counters", Counter, key=("id",))
