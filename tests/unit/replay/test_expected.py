"""What is expected follows from the rows alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from makegood.replay.dataset import Line
from makegood.replay.errors import DataSetError
from makegood.replay.expected import expect

from .rows import RULE, orders_of, row


@st.composite
def a_year(draw: st.DrawFn) -> list[Line]:
    """Some baskets of some households."""
    rows: list[Line] = []
    for basket in range(1, draw(st.integers(1, 6)) + 1):
        household = draw(st.integers(1, 2))
        rows += [
            row(
                basket,
                product=draw(st.integers(1, 3)),
                quantity=draw(st.integers(0, 5)),
                sales=draw(st.integers(0, 4_000)),
                match=draw(st.integers(0, 9)),
                household=household,
                at=basket,
            )
            for _ in range(draw(st.integers(1, 5)))
        ]
    return rows


@given(a_year())
def test_expected_and_orders_agree(rows: list[Line]) -> None:
    """What is loaded of each SKU, balance and points is the sum over the orders that are placed."""
    expected, orders = expect(rows, RULE), orders_of(rows)
    loaded = sum(item.quantity * item.sku.price for item in expected.skus.values())
    assert loaded == sum(order.goods_amount for order in orders) == expected.figures.goods_amount
    assert sum(one.balance for one in expected.households.values()) == sum(order.balance for order in orders)
    assert sum(one.points for one in expected.households.values()) == sum(order.points for order in orders)
    assert expected.kept_lines + expected.dropped.lines == len(rows)


@given(a_year())
def test_units_are_what_was_bought(rows: list[Line]) -> None:
    """Units of a product are its rows' quantities, however they were packed."""
    expected = expect(rows, RULE)
    for product, units in expected.units.items():
        kept = [line for line in rows if line.product == product and line.goods_amount > 0]
        assert units == sum(line.quantity for line in kept)


@given(a_year(), st.integers(1, 6))
def test_a_limit_is_the_beginning(rows: list[Line], limit: int) -> None:
    """The first N orders are expected as if the data set ended with the N-th."""
    some = expect(rows, RULE, limit)
    orders = orders_of(rows)[:limit]
    assert some.figures.orders == len(orders)
    assert some.figures.goods_amount == sum(order.goods_amount for order in orders)


def test_dropped_rows_are_told_apart() -> None:
    """No quantity, no amount, a basket with nothing left, and the coupons that go with them."""
    rows = [
        row(1, quantity=0, sales=0, coupon=5),
        row(2, sales=0, coupon=7, at=1),
        row(2, product=8, sales=50, at=1),
        row(3, quantity=0, sales=90, at=2),
    ]
    dropped = expect(rows, RULE).dropped
    assert (dropped.no_quantity, dropped.no_amount, dropped.baskets, dropped.coupons) == (2, 1, 2, 12)
    assert dropped.lines == 3


def test_a_household_spends_what_it_is_given() -> None:
    """A household's balance, points and orders are those of its own baskets."""
    rows = [row(1, sales=1_001), row(2, household=2, sales=2_000, at=1), row(3, sales=999, at=2)]
    expected = expect(rows, RULE)
    first = expected.households[1]
    assert (first.goods_amount, first.balance) == (2_000, 200 + 199)
    assert first.points == (1_001 - 200 + 600) // 100 + (999 - 199 + 600) // 100
    assert [order.basket for order in first.orders] == [1, 3]
    assert expected.figures.households == 2


def test_coupons_above_the_goods_stop_the_books() -> None:
    """A basket that cannot be an order is refused, not skipped."""
    with pytest.raises(DataSetError, match="basket 1 has coupons"):
        expect([row(sales=10, coupon=11)], RULE)
