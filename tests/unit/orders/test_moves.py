"""Shipping, receiving and refunding: each a compare-and-set, repeats harmless."""

import pytest

from makegood.shop.orders.contracts import CANCELLED, REFUND_REQUESTED, ChangeOrder, RefundRequested
from tests.unit.orders.shop import BALANCE, Shop, wanted, whys

FREE = wanted("free", balance=2_600)
MIXED = wanted("mixed", coupon_id="alice-700", discount=700, balance=1_000)


async def test_a_paid_order_is_shipped_and_received(shop: Shop) -> None:
    """It ends COMPLETED and RECEIVED, with every change written down."""
    order = await shop.paid()
    assert shop.change("ship", order.order_id).refusal == ""
    received = shop.change("receive", order.order_id, "alice").order
    assert received is not None
    assert (received.status, received.payment_status, received.shipping_status) == ("COMPLETED", "PAID", "RECEIVED")
    assert whys(received) == ["placed", "confirmed", "paid", "shipped", "received"]
    assert received == shop.order(order.order_id)


async def test_shipping_and_receiving_again_change_nothing(shop: Shop) -> None:
    """A repeat is answered with the order as it is."""
    order = await shop.paid()
    first = shop.change("ship", order.order_id)
    assert shop.change("ship", order.order_id) == first
    received = shop.change("receive", order.order_id)
    assert shop.change("receive", order.order_id) == received
    assert shop.change("ship", order.order_id) == received


async def test_only_paid_orders_are_shipped_and_only_shipped_ones_received(shop: Shop) -> None:
    """An unpaid, a refunding, a cancelled order stays where it is."""
    unpaid, refunding = await shop.confirmed(wanted("unpaid")), await shop.paid(wanted("refunding"))
    shop.change("refund", refunding.order_id)
    [opened] = shop.open(wanted("open"))
    assert opened.order is not None
    for order_id in (unpaid.order_id, refunding.order_id, opened.order.order_id):
        before = shop.order(order_id)
        assert shop.change("ship", order_id).refusal == "not_shippable"
        assert shop.change("receive", order_id).refusal == "not_receivable"
        assert shop.order(order_id) == before


async def test_an_order_of_another_user_is_not_found(shop: Shop) -> None:
    """With a user only their own order is changed, and nobody is told that it exists."""
    order = await shop.paid()
    for what in ("ship", "receive", "refund"):
        changed = shop.change(what, order.order_id, "bob")
        assert (changed.refusal, changed.order) == ("not_found", None)
        assert shop.change(what, 999).refusal == "not_found"
    assert shop.order(order.order_id) == order


async def test_a_refund_is_requested_of_the_payment(shop: Shop) -> None:
    """REFUNDING until payments has refunded; who holds something gives it back at once."""
    order = await shop.paid(MIXED)
    changed = shop.change("refund", order.order_id, "alice")
    assert changed.order is not None
    assert (changed.order.status, changed.order.payment_status) == ("CONFIRMED", "REFUNDING")
    holders = ("stock", "coupons", "accounts")
    assert shop.said(REFUND_REQUESTED) == [RefundRequested(order.order_id, "alice", 71, holders, "asked")]
    shop.deliver(times=2)
    assert (shop.on_hand(), shop.balance(), len(shop.usable_coupons())) == (1_000, BALANCE, 2)
    shop.refund(order, 71, order.amount_due, order.amount_due, order.amount_due)
    refunded = shop.order(order.order_id)
    assert (refunded.status, refunded.payment_status) == ("CANCELLED", "REFUNDED")
    assert whys(refunded) == ["placed", "confirmed", "paid", "refund_requested", "refunded"]
    assert not shop.said(CANCELLED)


async def test_after_shipping_only_the_balance_comes_back(shop: Shop) -> None:
    """Goods on their way stay sold, the coupon stays used."""
    order = await shop.paid(MIXED)
    shop.change("ship", order.order_id)
    shop.change("refund", order.order_id)
    assert shop.said(REFUND_REQUESTED)[0].participants == ("accounts",)
    shop.deliver(times=2)
    assert (shop.on_hand(), shop.balance(), shop.usable_coupons()) == (998, BALANCE, ["alice-300"])


async def test_without_captured_cash_the_refund_is_done_at_once(shop: Shop) -> None:
    """Nothing to ask of a platform: REFUNDED and CANCELLED in one commit, and the balance comes back."""
    order = await shop.paid(FREE)
    changed = shop.change("refund", order.order_id)
    assert changed.order is not None
    assert (changed.order.status, changed.order.payment_status) == ("CANCELLED", "REFUNDED")
    assert shop.said(REFUND_REQUESTED) == [
        RefundRequested(order.order_id, "alice", None, ("stock", "accounts"), "asked")
    ]
    shop.deliver(times=2)
    assert (shop.on_hand(), shop.balance()) == (1_000, BALANCE)


@pytest.mark.parametrize("request_", [MIXED, FREE], ids=["cash", "balance"])
async def test_asking_for_a_refund_again_says_nothing_again(shop: Shop, request_: object) -> None:
    """The second request, in the same batch or later, shows the order and publishes nothing."""
    order = await shop.paid(request_)  # pyright: ignore[reportArgumentType]
    ask = ChangeOrder(order.order_id, "alice")
    answers = shop.rooms["orders"].transact(lambda tx: shop.orders.refund(tx, [ask, ask]))
    assert answers[0] == answers[1] == shop.change("refund", order.order_id)
    assert len(shop.events) == 1


async def test_what_is_not_paid_or_completed_is_not_refunded(shop: Shop) -> None:
    """An unpaid order is cancelled instead; a received one is the operators' to refund."""
    unpaid, done = await shop.confirmed(wanted("unpaid")), await shop.paid(wanted("done"))
    shop.change("ship", done.order_id)
    shop.change("receive", done.order_id)
    for order in (unpaid, done):
        changed = shop.change("refund", order.order_id)
        assert changed.refusal == "not_refundable"
        assert changed.order == shop.order(order.order_id)
    assert not shop.events


async def test_an_order_is_shipped_or_restocked_never_both(shop: Shop) -> None:
    """Whichever of ship and refund comes first, goods that left are not put back, goods put back do not leave."""
    for number, (first, second) in enumerate((("ship", "refund"), ("refund", "ship"))):
        order = await shop.paid(wanted(f"k{number}"))
        before = shop.on_hand()
        shop.change(first, order.order_id)  # pyright: ignore[reportArgumentType]
        shop.change(second, order.order_id)  # pyright: ignore[reportArgumentType]
        shop.deliver()
        shipped = shop.order(order.order_id).shipping_status == "SHIPPED"
        assert shipped == (first == "ship")
        assert shop.on_hand() == (before if shipped else before + 2)
