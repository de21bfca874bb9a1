"""What orders owns: a row for each order, a row for each of its lines."""

from collections.abc import Iterable
from typing import Annotated

import msgspec

from makegood.engine.database.table import Schema, Table
from makegood.engine.database.transaction import Reader
from makegood.shop.orders.contracts import PaymentStatus, ShippingStatus, Status
from makegood.shop.types import Line

Name = Annotated[str, msgspec.Meta(max_length=64)]
Digest = Annotated[str, msgspec.Meta(max_length=32)]


class OrderRow(msgspec.Struct):
    """An order: amounts in fen, times in ms UTC.

    `idem` digests (user, idempotency key) and is unique; `request_hash` digests all the buyer said. `discount` is
    what the buyer saw; the order is confirmed only if the coupon is worth exactly that. `due_at` is when a sweep
    must look: the deadline while OPEN, `pay_by` while CONFIRMED and UNPAID, else NULL. `changes` is the JSON of the
    changes after the first; a status never comes back, so there are fewer than ten.
    """

    order_id: int
    user: Name
    idem: Digest
    request_hash: Digest
    status: Status
    payment_status: PaymentStatus
    shipping_status: ShippingStatus
    decision: Name
    goods_amount: int
    coupon_id: Name | None
    discount: int
    shipping_fee: int
    balance: int
    amount_due: int
    created_at: int
    deadline: int
    pay_by: int
    payment_id: int | None
    due_at: int | None
    changes: str


class LineRow(msgspec.Struct):
    """A line of an order, `line` counting from 0; `unit_price` in fen."""

    order_id: int
    line: int
    sku: Name
    quantity: int
    unit_price: int


SCHEMA = Schema("orders")
# Every index entry ends with the primary key, so the one on `user` is in the order of a user's list.
ORDERS = Table[OrderRow, int](
    SCHEMA,
    "orders",
    OrderRow,
    key=("order_id",),
    unique=(("idem",),),
    indexes=(("user",), ("due_at",)),
    changing=("status", "payment_status", "shipping_status", "decision", "payment_id", "due_at", "changes"),
)
LINES = Table[LineRow, tuple[int, int]](SCHEMA, "order_lines", LineRow, key=("order_id", "line"))


def lines_of(reader: Reader, order_ids: Iterable[int]) -> dict[int, list[Line]]:
    """The lines of these orders, in the buyer's order."""
    found: dict[int, list[Line]] = {order_id: [] for order_id in order_ids}
    for row in reader.select_by(LINES, "order_id", found):
        found[row.order_id].append(Line(row.sku, row.quantity, row.unit_price))
    return found
