"""Settling an order: decided once, by a compare-and-set from OPEN."""

import pytest

from makegood.shop.accounts.contracts import BalanceDeducted
from makegood.shop.coupons.contracts import CouponUsed
from makegood.shop.orders.contracts import CANCELLED, CONFIRMED, PAID, Cancelled, Confirmed, Paid
from makegood.shop.orders.place import verdict
from makegood.shop.orders.steps import Settle
from makegood.shop.stock.contracts import StockDeducted
from tests.unit.orders.shop import OVERDUE, Shop, wanted, whys

AGREED = StockDeducted()


def opened(shop: Shop, **changes: object) -> int:
    """The id of an order that was just opened."""
    [one] = shop.open(wanted(**changes))  # pyright: ignore[reportArgumentType]
    assert one.order is not None
    assert one.drive
    return one.order.order_id


def test_an_order_all_agreed_to_is_confirmed(shop: Shop) -> None:
    """It waits for its payment, and says that it is confirmed."""
    order_id = opened(shop)
    [order] = shop.settle(Settle(order_id, "", 0, ("stock",)))
    assert (order.status, order.payment_status, order.decision) == ("CONFIRMED", "UNPAID", "confirmed")
    assert whys(order) == ["placed", "confirmed"]
    assert shop.said(CONFIRMED) == [Confirmed(order_id, "alice", 2_600)]
    assert [one.key for one in shop.events] == [str(order_id)]


def test_an_order_with_nothing_due_is_paid_when_it_is_confirmed(shop: Shop) -> None:
    """Balance covers all: it is CONFIRMED and PAID in one commit, and no sweep looks at it again."""
    order_id = opened(shop, balance=2_600)
    [order] = shop.settle(Settle(order_id, "", 0, ("stock", "accounts")))
    assert (order.status, order.payment_status, order.payment_id) == ("CONFIRMED", "PAID", None)
    assert shop.said(PAID) == [Paid(order_id, "alice", None, 0)]
    assert len(shop.said(CONFIRMED)) == 1
    shop.world.advance(10_000_000)
    assert shop.sweep("orders") == 0


def test_a_refusal_cancels_and_names_who_may_hold_something(shop: Shop) -> None:
    """The event of a refused order names those who took, or may have taken."""
    order_id = opened(shop, coupon_id="alice-300", discount=300, balance=100)
    [order] = shop.settle(Settle(order_id, "insufficient_balance", 300, ("stock", "coupons")))
    assert (order.status, order.decision) == ("CANCELLED", "insufficient_balance")
    assert shop.said(CANCELLED) == [Cancelled(order_id, "alice", "insufficient_balance", ("stock", "coupons"))]


def test_a_refusal_nobody_holds_anything_for_says_nothing(shop: Shop) -> None:
    """A sold-out order in a flash sale costs no event."""
    order_id = opened(shop)
    [order] = shop.settle(Settle(order_id, "out_of_stock", 0, ()))
    assert order.decision == "out_of_stock"
    assert not shop.events


def test_a_coupon_worth_something_else_is_a_mismatch(shop: Shop) -> None:
    """The discount the buyer saw must be the coupon's, else everybody gives back."""
    order_id = opened(shop, coupon_id="alice-300", discount=200)
    [order] = shop.settle(Settle(order_id, "", 300, ("stock", "coupons")))
    assert (order.status, order.decision) == ("CANCELLED", "amount_mismatch")
    assert shop.said(CANCELLED) == [Cancelled(order_id, "alice", "amount_mismatch", ("stock", "coupons"))]


def test_the_first_settling_stays(shop: Shop) -> None:
    """Whoever settles later, in the same batch or another, is told the decision and changes nothing."""
    order_id = opened(shop)
    yes, no = Settle(order_id, "", 0, ("stock",)), Settle(order_id, "out_of_stock", 0, ())
    orders = shop.settle(yes, no, yes) + shop.settle(no)
    assert {order.decision for order in orders} == {"confirmed"}
    assert len(shop.events) == 1


def test_an_answer_after_the_sweep_cannot_confirm(shop: Shop) -> None:
    """An order the sweep cancelled stays cancelled when its driver comes back."""
    order_id = opened(shop, balance=100)
    shop.world.advance(OVERDUE)
    assert shop.sweep("orders") == 1
    [order] = shop.settle(Settle(order_id, "", 0, ("stock", "accounts")))
    assert (order.status, order.decision) == ("CANCELLED", "cancelled")
    assert shop.said(CANCELLED) == [Cancelled(order_id, "alice", "cancelled", ("stock", "accounts"))]
    assert not shop.said(CONFIRMED)


def test_settling_an_order_that_is_not_there_is_a_bug(shop: Shop) -> None:
    """Only an opened order can be settled."""
    with pytest.raises(KeyError):
        shop.settle(Settle(1, "", 0, ()))


def test_a_sweep_leaves_orders_their_time(shop: Shop) -> None:
    """An OPEN order is not touched before its deadline."""
    order_id = opened(shop)
    shop.world.advance(OVERDUE - 2)
    assert shop.sweep("orders") == 0
    shop.world.advance(1)
    assert shop.sweep("orders") == 1
    assert shop.order(order_id).decision == "cancelled"


def test_a_sweep_is_bounded(shop: Shop) -> None:
    """It takes the oldest first, and says how many it found, so that it runs again at once."""
    ids = [opened(shop, key=f"k{number}") for number in range(5)]
    shop.world.advance(OVERDUE)
    assert [shop.sweep("orders", limit=2) for _ in range(4)] == [2, 2, 1, 0]
    assert {shop.order(order_id).status for order_id in ids} == {"CANCELLED"}


def test_all_agreed_is_confirmed_with_the_coupons_discount() -> None:
    """The verdict carries what the coupon is worth."""
    said = verdict(1, {"stock": AGREED, "coupons": CouponUsed(discount=300), "accounts": BalanceDeducted()})
    assert said == Settle(1, "", 300, ("stock", "coupons", "accounts"))


def test_of_two_refusals_the_first_in_order_names_the_code() -> None:
    """Coupons come before accounts, whichever answered first."""
    answers = {
        "stock": AGREED,
        "coupons": CouponUsed(refusal="coupon_unusable"),
        "accounts": BalanceDeducted(refusal="insufficient_balance"),
    }
    assert verdict(1, answers) == Settle(1, "coupon_unusable", 0, ("stock",))  # pyright: ignore[reportArgumentType]


def test_who_did_not_answer_may_have_taken() -> None:
    """Beside a refusal an unknown answer counts as taken; without one it leaves the order undecided."""
    refused = verdict(
        1, {"stock": AGREED, "coupons": None, "accounts": BalanceDeducted(refusal="insufficient_balance")}
    )
    assert refused == Settle(1, "insufficient_balance", 0, ("stock", "coupons"))
    assert verdict(1, {"stock": AGREED, "coupons": None, "accounts": BalanceDeducted()}) is None
    assert verdict(1, {"stock": None}) is None
