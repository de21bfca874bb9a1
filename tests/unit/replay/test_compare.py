"""The comparison finds whatever differs."""

import msgspec
import pytest

from makegood.replay.compare import (
    KEPT_DIFFERENCES,
    Difference,
    Differences,
    HouseholdActual,
    Tally,
    compare_figures,
    compare_goods,
    compare_household,
    compare_sold,
)
from makegood.replay.dataset import Line
from makegood.replay.expected import Expected, expect
from makegood.replay.wire import Good, HeldCoupon

from .rows import RULE, orders_of, row, settled, sold_out

ROWS = [
    row(1, sales=1_000, coupon=100),
    row(1, product=8, quantity=3, sales=1_000),
    row(2, quantity=2, sales=400, at=1),
    row(3, sales=1_000, coupon=100, at=2),
]


def everything(expected: Expected, actual: HouseholdActual, goods: list[Good]) -> list[Difference]:
    """All that the four comparisons find, for one household."""
    tally = Tally()
    tally.add(actual)
    return [
        *compare_household(1, expected.households[1], actual),
        *compare_goods(expected.skus, goods),
        *compare_figures(expected.figures, tally.figures(expected.skus)),
        *compare_sold(expected, tally.sold),
    ]


def test_a_shop_that_did_everything_right_differs_in_nothing() -> None:
    """No difference is listed between the data set and a shop that holds exactly it."""
    orders = orders_of(ROWS)
    assert everything(expect(ROWS, RULE), settled(orders), sold_out(orders)) == []


@pytest.mark.parametrize("number", range(len(ROWS)))
@pytest.mark.parametrize("change", [{"quantity": 7}, {"sales_value": 977}, {"coupon_disc": 1}, {"product": 9}])
def test_one_altered_row_is_found(number: int, change: dict[str, int]) -> None:
    """A shop that sold one row otherwise than the data set has it differs in a listed fact."""
    altered: list[Line] = [*ROWS]
    altered[number] = msgspec.structs.replace(ROWS[number], **change)
    orders = orders_of(altered)
    assert everything(expect(ROWS, RULE), settled(orders), sold_out(orders))


def test_a_lost_row_is_found() -> None:
    """A line that is missing in the shop is listed under its basket, its SKU and its product."""
    orders = orders_of([ROWS[0], *ROWS[2:]])
    found = everything(expect(ROWS, RULE), settled(orders), sold_out(orders))
    assert {"household-1 basket 1", "cj-8x3-1000", "product 8"} <= {one.where for one in found}


def test_an_order_too_many_is_found() -> None:
    """An order placed twice is one too many, although each looks right by itself."""
    orders = orders_of(ROWS)
    found = compare_household(1, expect(ROWS, RULE).households[1], settled([*orders, orders[0]]))
    assert [one.what for one in found] == ["points", "order"]


def test_an_order_that_is_not_paid_is_found() -> None:
    """An order in any other state than confirmed and paid is listed with its state."""
    actual = settled(orders_of(ROWS))
    actual.orders[0] = msgspec.structs.replace(actual.orders[0], payment_status="UNPAID")
    (found,) = compare_household(1, expect(ROWS, RULE).households[1], actual)
    assert str(found) == ("household-1 order o1: state: expected CONFIRMED PAID, the shop has CONFIRMED UNPAID")


@pytest.mark.parametrize(
    ("me", "what"),
    [({"balance": 1}, "balance"), ({"points": 0}, "points"), ({"coupons": [HeldCoupon("cj-1")]}, "coupons left")],
)
def test_what_a_household_has_is_compared(me: dict[str, object], what: str) -> None:
    """Balance left, points missing and coupons left are each found."""
    actual = settled(orders_of(ROWS))
    other = HouseholdActual(msgspec.structs.replace(actual.me, **me), actual.orders)
    assert [one.what for one in compare_household(1, expect(ROWS, RULE).households[1], other)] == [what]


def test_goods_left_over_or_unknown_are_found() -> None:
    """Stock left, another price, a SKU that is not listed and one too many are each found; other goods are not."""
    expected = expect(ROWS, RULE)
    goods = [Good("cj-7-1000", 1_000, 1), Good("cj-7-200", 201, 0), Good("cj-9-1", 1, 0), Good("tea", 1, 5)]
    found = [(one.where, one.what, one.actual) for one in compare_goods(expected.skus, goods)]
    assert found == [
        ("cj-7-1000", "stock", 1),
        ("cj-7-200", "price", 201),
        ("cj-9-1", "SKU", "listed"),
        ("cj-8x3-1000", "SKU", "not listed"),
    ]


def test_differences_are_bounded_but_all_counted() -> None:
    """However much differs, only the first thousand are kept."""
    differences = Differences()
    differences.add(Difference("x", "y", 0, number) for number in range(KEPT_DIFFERENCES + 5))
    assert (differences.count, len(differences.listed)) == (KEPT_DIFFERENCES + 5, KEPT_DIFFERENCES)
