"""What stock says and hears."""

from typing import Annotated

import msgspec

from makegood.engine.contracts import Operation
from makegood.engine.reservations import Answer
from makegood.shop.reservation_contracts import ReservationFound, ReservationOf
from makegood.shop.types import MAX_LINES, Count, Line, Loaded, PageLimit, Price, Quantity, Sku, Title, User

MAX_LOAD = 10_000
"""Most goods of one load."""


class DeductStock(msgspec.Struct, frozen=True):
    """Take every line of an order, or none; each unit price must be today's. `deadline` in ms UTC.

    No SKU twice: that is checked at the door.
    """

    order_id: int
    user: User
    lines: Annotated[tuple[Line, ...], msgspec.Meta(min_length=1, max_length=MAX_LINES)]
    deadline: int


class StockDeducted(Answer, frozen=True, kw_only=True):
    """Refusals, the first that applies: cancelled, unknown_sku, price_changed, out_of_stock, limit_exceeded."""


class Good(msgspec.Struct, frozen=True):
    """One of the goods: price in fen, stock on hand, and how many one buyer may have (None: any number)."""

    sku: str
    title: str
    price: int
    stock: int
    limit: int | None


class GoodsPage(msgspec.Struct, frozen=True):
    """Ask for goods in SKU order behind `after`."""

    after: str | None = None
    limit: PageLimit = 100


class Goods(msgspec.Struct, frozen=True):
    """Goods in SKU order; `next` is the `after` of the next page, None at the end."""

    goods: tuple[Good, ...]
    next: str | None = None


class FindGoods(msgspec.Struct, frozen=True):
    """Ask for these SKUs; unknown ones are missing from the answer, which is in SKU order."""

    skus: Annotated[tuple[str, ...], msgspec.Meta(max_length=MAX_LINES)]


class LoadGood(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A row of a load file: `stock` is the total ever loaded; the difference to last time is applied.

    Title and limit may change; the price, in fen, may not. A limit counts what is bought from then on.
    """

    sku: Sku
    title: Title
    price: Price
    stock: Count
    limit: Quantity | None = None


class LoadGoods(msgspec.Struct, frozen=True):
    """Goods to check, and with `apply` to take in."""

    goods: Annotated[tuple[LoadGood, ...], msgspec.Meta(max_length=MAX_LOAD)]
    apply: bool


DEDUCT = Operation(
    "stock", "Deduct", DeductStock, StockDeducted, route=lambda asked: min(line.sku for line in asked.lines)
)
GOODS = Operation("stock", "Goods", GoodsPage, Goods)
FIND = Operation("stock", "Find", FindGoods, Goods)
LOAD = Operation("stock", "Load", LoadGoods, Loaded)
RESERVATION = Operation("stock", "Reservation", ReservationOf, ReservationFound)
