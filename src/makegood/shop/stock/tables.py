"""What stock owns: goods, what limited buyers have bought so far, and what orders hold."""

import msgspec

from makegood.engine.database.table import Schema, Table
from makegood.engine.reservations import Reservations
from makegood.shop.stock.contracts import StockDeducted
from makegood.shop.types import Line, Sku, Title, User

SCHEMA = Schema("stock")


class GoodRow(msgspec.Struct):
    """One of the goods: price in fen, `stock` on hand, `loaded` ever, and its own limit for each buyer if any."""

    sku: Sku
    title: Title
    price: int
    stock: int
    loaded: int
    buyer_limit: int | None


class BoughtRow(msgspec.Struct):
    """How many pieces of a limited SKU a buyer has bought and not given back; never zero."""

    user: User
    sku: Sku
    quantity: int


class Taken(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an order holds; the SKUs in `counted` were limited when it was placed, and count for its buyer."""

    user: str
    lines: tuple[Line, ...]
    counted: tuple[str, ...] = ()


GOODS = Table[GoodRow, str](SCHEMA, "goods", GoodRow, key=("sku",))
BOUGHT = Table[BoughtRow, tuple[str, str]](SCHEMA, "bought", BoughtRow, key=("user", "sku"))
RESERVATIONS = Reservations(SCHEMA, Taken, StockDeducted)
