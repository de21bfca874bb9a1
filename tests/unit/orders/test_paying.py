"""What payments says, in any order and any number of times."""

from itertools import permutations

import pytest

from makegood.shop.orders.contracts import CANCELLED, PAID, REFUND_REQUESTED, Cancelled, Order, Paid, RefundRequested
from makegood.shop.orders.paying import UnknownOrder
from makegood.shop.payments.contracts import Refunded
from tests.unit.orders.shop import BALANCE, Shop, succeeded, wanted, whys


def late(order: Order, payment_id: int, reason: str) -> list[RefundRequested]:
    """That the payment is to be refunded, and nobody gives anything back for it."""
    return [RefundRequested(order.order_id, order.user, payment_id, (), reason)]  # pyright: ignore[reportArgumentType]


async def test_the_payment_that_fits_makes_the_order_paid(shop: Shop) -> None:
    """The order keeps the payment's id, and says that it is paid."""
    order = await shop.confirmed()
    shop.succeed(order, 71)
    paid = shop.order(order.order_id)
    assert (paid.status, paid.payment_status, paid.payment_id) == ("CONFIRMED", "PAID", 71)
    assert shop.said(PAID) == [Paid(order.order_id, "alice", 71, 2_600)]


async def test_the_same_payment_again_is_a_repeat(shop: Shop) -> None:
    """Twice in one batch, and again when the order has gone on: nothing happens."""
    order = await shop.confirmed()
    twice = [succeeded(order, 71, 2_600)] * 2
    shop.rooms["orders"].transact(lambda tx: shop.orders.hear_succeeded(tx, twice))
    assert len(shop.events) == 1
    shop.change("refund", order.order_id)
    shop.refund(order, 71, 2_600, 2_600, 2_600)
    shop.deliver()
    shop.succeed(order, 71)
    assert not shop.events
    assert shop.order(order.order_id).payment_status == "REFUNDED"


async def test_a_second_payment_is_to_be_refunded(shop: Shop) -> None:
    """Two channels both paid, even in one batch: the first pays the order, the second goes back."""
    order = await shop.confirmed()
    both = [succeeded(order, 71, 2_600), succeeded(order, 72, 2_600)]
    shop.rooms["orders"].transact(lambda tx: shop.orders.hear_succeeded(tx, both))
    assert shop.order(order.order_id).payment_id == 71
    assert shop.said(REFUND_REQUESTED) == late(order, 72, "second")


async def test_the_payment_of_a_cancelled_order_is_to_be_refunded(shop: Shop) -> None:
    """It came too late; said again when the event comes again, for payments knows the payment."""
    order = await shop.confirmed()
    shop.world.advance(900_000)
    shop.sweep("orders")
    await shop.work()
    shop.deliver()
    for _ in range(2):
        shop.succeed(order, 71)
        assert shop.said(REFUND_REQUESTED) == late(order, 71, "late")
        assert shop.deliver(times=2) == ["orders: refund-requested"]
    assert shop.order(order.order_id).payment_status == "UNPAID"
    shop.refund(order, 71, 2_600, 2_600, 2_600)
    assert (shop.order(order.order_id).payment_status, shop.on_hand()) == ("UNPAID", 1_000)


async def test_an_order_with_nothing_due_keeps_no_payment(shop: Shop) -> None:
    """Its balance paid it, so cash is a second payment."""
    order = await shop.paid(wanted(balance=2_600))
    shop.succeed(order, 71, 1)
    assert shop.said(REFUND_REQUESTED) == late(order, 71, "second")


async def test_a_wrong_amount_does_not_pay(shop: Shop) -> None:
    """It is to be refunded, and the order can still be paid in full."""
    order = await shop.confirmed()
    shop.succeed(order, 71, 2_599)
    assert shop.said(REFUND_REQUESTED) == late(order, 71, "wrong_amount")
    assert shop.order(order.order_id).payment_status == "UNPAID"
    shop.refund(order, 71, 2_599, 2_599, 2_599)
    shop.succeed(order, 72)
    assert shop.order(order.order_id).payment_id == 72


async def test_money_for_an_order_that_is_not_here_is_no_silent_loss(shop: Shop) -> None:
    """The listener fails, so the event is set aside for a person; no refund is guessed."""
    order = await shop.confirmed()
    ghost = succeeded(order, 71, 2_600)
    unknown = type(ghost)(71, 12345, "alice", "alipay", 2_600, 0)
    with pytest.raises(UnknownOrder, match="replay this event"):
        shop.rooms["orders"].transact(lambda tx: shop.orders.hear_succeeded(tx, [ghost, unknown]))
    refunded = Refunded(71, 1, 12345, "alice", 2_600, 2_600, 2_600, 0)
    with pytest.raises(UnknownOrder, match="12345"):
        shop.rooms["orders"].transact(lambda tx: shop.orders.hear_refunded(tx, [refunded]))
    assert shop.order(order.order_id).payment_status == "UNPAID"
    assert not shop.events


async def test_partial_refunds_leave_the_order_paid(shop: Shop) -> None:
    """Only the last fen ends it; then everybody gives back, for nobody asked the order."""
    order = await shop.paid(wanted(balance=1_000, coupon_id="alice-300", discount=300))
    shop.refund(order, 71, 1_000, 1_000, 1_300)
    assert shop.order(order.order_id) == order
    shop.refund(order, 71, 300, 1_300, 1_300)
    ended = shop.order(order.order_id)
    assert (ended.status, ended.payment_status) == ("CANCELLED", "REFUNDED")
    holders = ("stock", "coupons", "accounts")
    assert shop.said(CANCELLED) == [Cancelled(order.order_id, "alice", "refunded", holders)]
    shop.deliver()
    assert (shop.on_hand(), shop.balance(), len(shop.usable_coupons())) == (1_000, BALANCE, 2)


async def test_operators_may_refund_what_was_shipped_or_received(shop: Shop) -> None:
    """The order ends; of what it took only the balance comes back, and without balance nothing is said."""
    plain, mixed = await shop.paid(wanted("plain")), await shop.confirmed(wanted("mixed", balance=1_000))
    shop.succeed(mixed, 72)
    for order in (plain, mixed):
        shop.change("ship", order.order_id)
    shop.change("receive", plain.order_id)
    shop.deliver()
    shop.refund(plain, 71, 2_600, 2_600, 2_600)
    shop.refund(mixed, 72, 1_600, 1_600, 1_600)
    assert {shop.order(one.order_id).status for one in (plain, mixed)} == {"CANCELLED"}
    assert shop.said(CANCELLED) == [Cancelled(mixed.order_id, "alice", "refunded", ("accounts",))]


async def test_the_refund_of_another_payment_does_not_end_the_order(shop: Shop) -> None:
    """A second payment went back; the order stays paid by its own."""
    order = await shop.paid()
    shop.succeed(order, 72)
    shop.refund(order, 72, 2_600, 2_600, 2_600)
    assert shop.order(order.order_id) == order


@pytest.mark.parametrize("arrival", list(permutations(range(3))))
async def test_events_of_one_payment_commute(shop: Shop, arrival: tuple[int, ...]) -> None:
    """Paid, refunded in part, refunded in full, in any order: the order ends refunded, and repeats change nothing."""
    order = await shop.confirmed(wanted(balance=100))
    due = order.amount_due
    events = [
        lambda: shop.succeed(order, 71),
        lambda: shop.refund(order, 71, 100, 100, due),
        lambda: shop.refund(order, 71, due - 100, due, due),
    ]
    for at in arrival:
        events[at]()
    ended = shop.order(order.order_id)
    for at in arrival:
        events[at]()
    assert shop.order(order.order_id) == ended
    assert (ended.status, ended.payment_status, ended.payment_id) == ("CANCELLED", "REFUNDED", 71)
    assert whys(ended)[-1] == "refunded"
    assert len(shop.said(CANCELLED)) == 1
    assert not shop.said(REFUND_REQUESTED)
    shop.deliver(times=2)
    assert (shop.on_hand(), shop.balance()) == (1_000, BALANCE)
    shop.world.advance(10_000_000)
    assert shop.sweep("orders") == 0
