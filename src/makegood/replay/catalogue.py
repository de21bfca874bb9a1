"""What the shop must be told before the replay: goods, users and coupons, in documents for its `load`.

Amounts are totals ever loaded, exact to the fen and the piece, so that everything ends at zero; loading the
same again changes nothing, and loading more baskets adds the difference.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import TypeVar

import msgspec

from makegood.replay.baskets import coupon_of, user_of
from makegood.replay.expected import Expected

ROWS = 5_000
VALID_UNTIL = "2099-12-31T00:00:00Z"
T = TypeVar("T")


class LoadGood(msgspec.Struct, frozen=True):
    """One SKU; `price` in fen, `stock` as the total ever loaded."""

    sku: str
    title: str
    price: int
    stock: int


class LoadUser(msgspec.Struct, frozen=True):
    """One user without a password, whom only operators can sign in; `balance` in fen, as the total ever loaded."""

    user: str
    balance: int


class LoadCoupon(msgspec.Struct, frozen=True):
    """One coupon; `value` and `minimum` in fen."""

    coupon_id: str
    user: str
    value: int
    minimum: int
    valid_until: str


class Document(msgspec.Struct, frozen=True):
    """One load file; the shop takes all of it or nothing."""

    goods: list[LoadGood] = []
    users: list[LoadUser] = []
    coupons: list[LoadCoupon] = []

    @property
    def rows(self) -> int:
        """How much it loads."""
        return len(self.goods) + len(self.users) + len(self.coupons)


def documents(expected: Expected, titles: Mapping[int, str]) -> Iterator[Document]:
    """The whole catalogue, users before their coupons: at most 5,000 rows a document."""
    for goods in _chunks(_goods(expected, titles), ROWS):
        yield Document(goods=goods)
    for users in _chunks(_users(expected), ROWS):
        yield Document(users=users)
    for coupons in _chunks(_coupons(expected), ROWS):
        yield Document(coupons=coupons)


def _goods(expected: Expected, titles: Mapping[int, str]) -> Iterator[LoadGood]:
    for name, item in expected.skus.items():
        title = titles.get(item.sku.product, f"Product {item.sku.product}")
        yield LoadGood(name, f"{title} ×{item.sku.units}" if item.sku.pack else title, item.sku.price, item.quantity)


def _users(expected: Expected) -> Iterator[LoadUser]:
    for household, item in expected.households.items():
        yield LoadUser(user_of(household), item.balance)


def _coupons(expected: Expected) -> Iterator[LoadCoupon]:
    for household, item in expected.households.items():
        for order in item.orders:
            if order.discount:
                yield LoadCoupon(
                    coupon_of(order.basket), user_of(household), order.discount, order.discount, VALID_UNTIL
                )


def _chunks(rows: Iterable[T], size: int) -> Iterator[list[T]]:
    source = iter(rows)
    while chunk := list(islice(source, size)):
        yield chunk
