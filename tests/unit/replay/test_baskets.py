"""Baskets become orders."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from makegood.replay.baskets import in_baskets, is_kept, order_of, orders
from makegood.replay.dataset import Line
from makegood.replay.errors import DataSetError

from .rows import RULE, orders_of, row

AMOUNTS = st.integers(0, 20_000)


@st.composite
def a_basket(draw: st.DrawFn) -> list[Line]:
    """Rows of one basket over few products, so that the same SKU comes twice."""
    size = draw(st.integers(1, 12))
    return [
        row(
            product=draw(st.integers(1, 3)),
            quantity=draw(st.integers(0, 6)),
            sales=draw(AMOUNTS),
            match=draw(st.integers(0, 50)),
        )
        for _ in range(size)
    ]


@given(a_basket())
def test_the_goods_amount_is_exact(basket: list[Line]) -> None:
    """Whatever is merged or packed, quantity times unit price sums to the goods amount of the kept rows."""
    # Coupons cannot exceed the goods here: the match is part of both.
    order = order_of(basket, RULE)
    kept = sum(line.goods_amount for line in basket if is_kept(line))
    assert (sum(line.quantity * line.unit_price for line in order.lines) if order else 0) == kept
    assert order is None or order.goods_amount == kept


@given(a_basket())
def test_a_sku_is_one_line(basket: list[Line]) -> None:
    """No order has a SKU twice, and every line has a quantity and a price."""
    order = order_of(basket, RULE)
    lines = order.lines if order else ()
    assert len({line.sku for line in lines}) == len(lines)
    assert all(line.quantity > 0 and line.unit_price > 0 for line in lines)


@given(a_basket())
def test_the_amounts_add_up(basket: list[Line]) -> None:
    """What is due is goods less discount less a fifth of that, rounded down, plus the shipping fee."""
    for order in orders_of(basket):
        before = order.goods_amount - order.discount
        assert order.balance == before // 5
        assert order.amount_due == before - order.balance + order.shipping_fee
        assert order.points == order.amount_due // 100


def test_the_same_sku_twice_adds_quantities() -> None:
    """Two rows of one product at one price become one line with both quantities."""
    (order,) = orders_of([row(quantity=2, sales=200), row(quantity=3, sales=300)])
    assert [(line.sku, line.quantity, line.unit_price) for line in order.lines] == [("cj-7-100", 5, 100)]


def test_a_price_that_does_not_divide_is_a_pack() -> None:
    """Three for 100 fen are one pack of three; two such packs are two of that SKU."""
    (order,) = orders_of([row(quantity=3, sales=100), row(quantity=3, sales=100)])
    assert [(line.sku, line.quantity, line.unit_price) for line in order.lines] == [("cj-7x3-100", 2, 100)]


def test_the_coupon_is_of_kept_rows() -> None:
    """A basket has one coupon, worth both coupon columns of the rows that are kept."""
    rows = [row(sales=300, coupon=50, match=20), row(product=8, quantity=0, sales=0, coupon=99)]
    (order,) = orders_of(rows)
    assert (order.goods_amount, order.discount, order.coupon_id) == (320, 70, "cj-1")


def test_no_coupon_without_discount() -> None:
    """A basket without coupons names none."""
    assert orders_of([row()])[0].coupon_id is None


@pytest.mark.parametrize(("goods", "fee"), [(9899, 600), (9900, 0), (9901, 0)])
def test_shipping_is_free_from_a_goods_amount(goods: int, fee: int) -> None:
    """The fee falls away at the exact amount, before any coupon."""
    assert orders_of([row(sales=goods - 1, coupon=5, match=1)])[0].shipping_fee == fee


def test_the_first_baskets_are_the_first_orders() -> None:
    """A limit counts orders, not baskets of which nothing is kept."""
    rows = [row(1, quantity=0), row(2, at=1), row(3, at=2), row(4, at=3)]
    assert [order.basket for order in orders(rows, RULE, limit=2)] == [2, 3]


def test_orders_keep_the_order_of_the_file() -> None:
    """Baskets of the same time come in the order of their rows."""
    assert [order.basket for order in orders([row(9), row(3), row(5)], RULE)] == [9, 3, 5]


@pytest.mark.parametrize(
    "rows",
    [
        [row(1), row(2), row(1)],
        [row(1, at=5), row(2, at=4)],
        [row(1, household=1), row(1, household=2)],
        [row(1, at=1), row(1, at=2)],
        [row(1, quantity=-1)],
        [row(1, sales=-1)],
        [row(1, coupon=-1)],
        [row(1, match=-1)],
    ],
    ids=["basket in two runs", "time runs back", "two households", "two times", "q", "s", "c", "m"],
)
def test_a_broken_data_set_is_refused(rows: list[Line]) -> None:
    """Whatever would make the figures wrong stops the reading."""
    with pytest.raises(DataSetError, match="reinstall"):
        list(in_baskets(rows))


def test_a_coupon_above_the_goods_is_refused() -> None:
    """A discount is at most the goods amount, else the replay stops."""
    with pytest.raises(DataSetError, match="coupons of 101 fen on goods of 100 fen"):
        orders_of([row(sales=100, coupon=101)])


@given(a_basket())
def test_a_fingerprint_ignores_the_order_of_lines(basket: list[Line]) -> None:
    """Rows in another order make an order of the same fingerprint."""
    shuffled = sorted(basket, key=lambda line: (line.product, line.quantity, line.sales_value))
    for one, other in zip(orders_of(basket), orders_of(shuffled), strict=True):
        assert one.fingerprint() == other.fingerprint()


def test_a_fingerprint_sees_every_amount() -> None:
    """Another price, quantity, product or coupon makes another fingerprint."""
    rows = [row(), row(sales=101), row(quantity=2), row(product=8), row(coupon=1)]
    assert len({orders_of([one])[0].fingerprint() for one in rows}) == len(rows)
