"""What differs between the data set and the shop: pure functions over what both say."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from makegood.replay.baskets import SKU_PREFIX, user_of
from makegood.replay.expected import Expected, Figures, HouseholdExpected, OrderExpected, SkuExpected
from makegood.replay.wire import Good, Me, OrderView

KEPT_DIFFERENCES = 1_000


class Difference(msgspec.Struct, frozen=True):
    """One thing the shop holds otherwise; amounts in fen."""

    where: str
    what: str
    expected: int | str
    actual: int | str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}: expected {self.expected}, the shop has {self.actual}"


class HouseholdActual(msgspec.Struct, frozen=True):
    """What the shop says of one household."""

    me: Me
    orders: list[OrderView]


class Differences(msgspec.Struct):
    """The first 1,000 differences of `count`."""

    count: int = 0
    listed: list[Difference] = []

    def add(self, found: Iterable[Difference]) -> None:
        """Enters what differs."""
        for difference in found:
            self.count += 1
            if len(self.listed) < KEPT_DIFFERENCES:
                self.listed.append(difference)


def compare_household(household: int, expected: HouseholdExpected, actual: HouseholdActual) -> list[Difference]:
    """The balance is spent, no coupon is left, the points are there, and the orders are exactly the baskets.

    Orders that were cancelled count for nothing: what they put back shows in all the rest.
    """
    user = user_of(household)
    me, left = actual.me, ", ".join(coupon.coupon_id for coupon in actual.me.coupons)
    facts = (("balance", 0, me.balance), ("points", expected.points, me.points), ("coupons left", "", left))
    found = [Difference(user, what, wanted, is_) for what, wanted, is_ in facts if wanted != is_]
    return [*found, *_compare_orders(user, expected.orders, actual.orders)]


def compare_goods(expected: Mapping[str, SkuExpected], actual: Iterable[Good]) -> Iterator[Difference]:
    """Everything loaded is sold, at the price of the data set; and nothing else of a replay is on sale."""
    missing = dict.fromkeys(expected)
    for good in actual:
        item = expected.get(good.sku)
        if item is None:
            if good.sku.startswith(SKU_PREFIX):
                yield Difference(good.sku, "SKU", "not listed", "listed")
            continue
        missing.pop(good.sku, None)
        if good.stock != 0:
            yield Difference(good.sku, "stock", 0, good.stock)
        if good.price != item.sku.price:
            yield Difference(good.sku, "price", item.sku.price, good.price)
    for name in missing:
        yield Difference(name, "SKU", "listed", "not listed")


def compare_sold(expected: Expected, sold: Mapping[str, int]) -> Iterator[Difference]:
    """As many of each SKU are on paid orders as were loaded, and as many units of each product."""
    for name, item in expected.skus.items():
        if sold.get(name, 0) != item.quantity:
            yield Difference(name, "sold", item.quantity, sold.get(name, 0))
    units = _units(expected.skus, sold)
    for product, wanted in expected.units.items():
        if units[product] != wanted:
            yield Difference(f"product {product}", "units sold", wanted, units[product])


def compare_figures(expected: Figures, actual: Figures) -> Iterator[Difference]:
    """The sums over everything."""
    have = msgspec.structs.asdict(actual)
    for what, wanted in msgspec.structs.asdict(expected).items():
        if wanted != have[what]:
            yield Difference("all together", what.replace("_", " "), wanted, have[what])


def _compare_orders(user: str, expected: Iterable[OrderExpected], actual: Iterable[OrderView]) -> Iterator[Difference]:
    baskets: dict[bytes, list[OrderExpected]] = {}
    for order in expected:
        baskets.setdefault(order.fingerprint, []).append(order)
    for view in actual:
        if view.is_put_back:
            continue
        state = f"{view.status} {view.payment_status}"
        if state != "CONFIRMED PAID":
            yield Difference(f"{user} order {view.order_id}", "state", "CONFIRMED PAID", state)
        if not (same := baskets.get(view.fingerprint())):
            yield Difference(f"{user} order {view.order_id}", "order", "none like it", _short(view))
        else:
            same.pop()
    for missing in baskets.values():
        for order in missing:
            yield Difference(f"{user} basket {order.basket}", "order", f"due {order.amount_due}", "none")


def _short(view: OrderView) -> str:
    return f"{len(view.lines)} lines, due {view.amount_due}"


def _units(skus: Mapping[str, SkuExpected], sold: Mapping[str, int]) -> Counter[int]:
    units: Counter[int] = Counter()
    for name, quantity in sold.items():
        if item := skus.get(name):
            units[item.sku.product] += quantity * item.sku.units
    return units


class Tally:
    """The shop's own figures, summed from its answers."""

    def __init__(self) -> None:
        self._figures = Figures()
        self.sold: Counter[str] = Counter()

    def add(self, actual: HouseholdActual) -> None:
        """Enters one household's orders that are paid, and its points."""
        paid = [order for order in actual.orders if order.payment_status == "PAID"]
        self._figures.households += bool(paid)
        self._figures.points += actual.me.points
        for order in paid:
            self._figures.enter(order)
            for line in order.lines:
                self.sold[line.sku] += line.quantity

    def figures(self, skus: Mapping[str, SkuExpected]) -> Figures:
        """The sums; `skus` says how many units of which product a SKU is."""
        units = _units(skus, self.sold)
        self._figures.skus, self._figures.products = len(self.sold), len(units)
        self._figures.units = units.total()
        return self._figures
