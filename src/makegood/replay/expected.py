"""What the shop must hold after the replay, computed from the data set alone.

Two computations that share only the reading: sums over the rows as they lie in the data set, and sums over
the orders made of them. They must agree to the fen before anything is sent to a shop.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from makegood.replay.baskets import Amounts, Order, ShippingRule, Sku, in_baskets, is_kept, order_of, sku_of
from makegood.replay.dataset import Line
from makegood.replay.errors import DataSetError


class Dropped(msgspec.Struct):
    """What cannot be ordered, and why: rows without a quantity, rows with a goods amount of 0."""

    no_quantity: int = 0
    no_amount: int = 0
    baskets: int = 0
    """Baskets of which every row is dropped."""
    coupons: int = 0
    """Coupons on dropped rows, in fen."""

    @property
    def lines(self) -> int:
        """All rows dropped."""
        return self.no_quantity + self.no_amount

    def add(self, basket: Sequence[Line], kept: Sequence[Line]) -> None:
        """Counts the rows of one basket that are not among its `kept` ones."""
        self.baskets += not kept
        if len(kept) == len(basket):
            return
        for line in basket:
            if not is_kept(line):
                self.no_quantity += line.quantity == 0
                self.no_amount += line.quantity != 0
                self.coupons += line.coupon


class Figures(msgspec.Struct):
    """Sums over all orders; amounts in fen. The shop's own are made the same way from its answers."""

    orders: int = 0
    orders_with_coupon: int = 0
    lines: int = 0
    households: int = 0
    products: int = 0
    skus: int = 0
    units: int = 0
    """Units of products: quantity times the size of the pack."""
    goods_amount: int = 0
    discount: int = 0
    balance: int = 0
    shipping_fee: int = 0
    amount_due: int = 0
    points: int = 0

    def enter(self, order: Amounts) -> None:
        """Adds what one order says of itself."""
        self.orders += 1
        self.orders_with_coupon += order.discount > 0
        self.lines += len(order.lines)
        self.goods_amount += order.goods_amount
        self.discount += order.discount
        self.balance += order.balance
        self.shipping_fee += order.shipping_fee
        self.amount_due += order.amount_due


class SkuExpected(msgspec.Struct, gc=False):
    """One SKU: `quantity` of it is loaded, and all of it is sold."""

    sku: Sku
    quantity: int = 0


class OrderExpected(msgspec.Struct, frozen=True, gc=False):
    """One order, by its fingerprint; amounts in fen."""

    basket: int
    fingerprint: bytes
    discount: int
    amount_due: int


class HouseholdExpected(msgspec.Struct):
    """One household: the balance it spends (all it has), its points, what it buys; amounts in fen."""

    orders: list[OrderExpected] = []
    goods_amount: int = 0
    balance: int = 0
    points: int = 0

    def add(self, order: Order) -> None:
        """Enters one order."""
        self.orders.append(OrderExpected(order.basket, order.fingerprint(), order.discount, order.amount_due))
        self.goods_amount += order.goods_amount
        self.balance += order.balance
        self.points += order.points


class Expected(msgspec.Struct):
    """Everything the proof compares with, and what was dropped on the way."""

    figures: Figures
    dropped: Dropped
    kept_lines: int
    pack_lines: int
    skus: Mapping[str, SkuExpected]
    units: Mapping[int, int]
    """Units sold of each product."""
    households: Mapping[int, HouseholdExpected]


class Books:
    """Takes in one basket after another; `close` balances and gives what is expected."""

    def __init__(self, shipping: ShippingRule) -> None:
        self._shipping = shipping
        self._figures = Figures()
        self._rows = Figures()
        self._dropped = Dropped()
        self._pack_lines = 0
        self._skus: dict[str, SkuExpected] = {}
        self._units: dict[int, int] = {}
        self._households: dict[int, HouseholdExpected] = {}

    @property
    def orders(self) -> int:
        """How many baskets are orders so far."""
        return self._figures.orders

    def add(self, basket: Sequence[Line]) -> None:
        """Enters the rows of one basket. Raises DataSetError when its coupons exceed its goods."""
        kept = [line for line in basket if is_kept(line)]
        self._dropped.add(basket, kept)
        self._add_rows(kept)
        order = order_of(basket, self._shipping)
        if order is None:
            return
        self._figures.enter(order)
        self._figures.points += order.points
        self._households.setdefault(order.household, HouseholdExpected()).add(order)

    def close(self) -> Expected:
        """What is expected; raises DataSetError when rows and orders do not come to the same sums."""
        figures, skus = self._figures, self._skus.values()
        figures.households = len(self._households)
        figures.products, figures.skus = len(self._units), len(self._skus)
        figures.units = sum(item.quantity * item.sku.units for item in skus)
        self._balance(sum(item.quantity * item.sku.price for item in skus))
        return Expected(
            figures,
            self._dropped,
            self._rows.lines,
            self._pack_lines,
            self._skus,
            self._units,
            self._households,
        )

    def _add_rows(self, kept: Sequence[Line]) -> None:
        rows = self._rows
        for line in kept:
            rows.lines += 1
            rows.goods_amount += line.goods_amount
            rows.discount += line.coupon
            self._units[line.product] = self._units.get(line.product, 0) + line.quantity
            self._add_sku(line)

    def _add_sku(self, line: Line) -> None:
        sku, quantity = sku_of(line)
        name = sku.name
        self._pack_lines += sku.pack
        if name not in self._skus:
            self._skus[name] = SkuExpected(sku)
        self._skus[name].quantity += quantity

    def _balance(self, goods_by_sku: int) -> None:
        orders, rows = self._figures, self._rows
        due = orders.goods_amount - orders.discount + orders.shipping_fee - orders.balance
        by_rows = (rows.goods_amount, rows.goods_amount, rows.discount, sum(self._units.values()), due)
        by_orders = (
            orders.goods_amount,
            goods_by_sku,
            orders.discount,
            orders.units,
            orders.amount_due,
        )
        if by_rows != by_orders:
            raise DataSetError(f"rows {by_rows} and orders {by_orders} differ: report this as a bug of replay")


def expect(lines: Iterable[Line], shipping: ShippingRule, limit: int | None = None) -> Expected:
    """What the first `limit` orders (all when None) must leave behind."""
    books = Books(shipping)
    for basket in in_baskets(lines):
        if books.orders == limit:
            break
        books.add(basket)
    return books.close()
