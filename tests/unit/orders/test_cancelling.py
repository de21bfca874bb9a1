"""Cancelling what is not paid: by the buyer, and when its time to pay is over."""

import asyncio

import pytest

from makegood.engine.deadline import Deadline
from makegood.engine.tables import TaskRow
from makegood.shop.orders import audit, contracts
from makegood.shop.orders.cancelling import CLOSE_UNPAID, PATIENCE, NotClosed
from makegood.shop.orders.contracts import CANCELLED, PAID, REFUND_REQUESTED, Cancelled, Changed, ChangeOrder
from makegood.shop.orders.service import Orders
from makegood.shop.payments.contracts import CLOSE
from makegood.shop.types import Line
from tests.unit.orders.shop import BALANCE, Shop, wanted, whys


async def cancel(shop: Shop, order_id: int, user: str | None = "alice") -> Changed:
    """The buyer cancels, while the tasks run."""
    asked = asyncio.ensure_future(shop.call(contracts.CANCEL, ChangeOrder(order_id, user), Deadline.after(5.0)))
    await asyncio.sleep(0.01)
    await shop.work()
    return await asked


async def test_a_buyer_cancels_an_unpaid_order(shop: Shop) -> None:
    """Payments closed it, so it is cancelled, and everybody gives back."""
    order = await shop.confirmed(wanted(balance=100, coupon_id="alice-700", discount=700))
    changed = await cancel(shop, order.order_id)
    assert (changed.refusal, changed.undecided) == ("", False)
    assert changed.order is not None
    assert (changed.order.status, changed.order.payment_status) == ("CANCELLED", "UNPAID")
    assert (changed.order.decision, whys(changed.order)) == ("confirmed", ["placed", "confirmed", "cancelled"])
    holders = ("stock", "coupons", "accounts")
    assert shop.said(CANCELLED) == [Cancelled(order.order_id, "alice", "cancelled", holders)]
    shop.deliver(times=2)
    assert (shop.on_hand(), shop.balance(), len(shop.usable_coupons())) == (1_000, BALANCE, 2)


async def test_cancelling_again_shows_the_cancelled_order(shop: Shop) -> None:
    """A repeat is no refusal, and says nothing again."""
    order = await shop.confirmed()
    first = await cancel(shop, order.order_id)
    shop.deliver()
    again = await cancel(shop, order.order_id)
    assert again == first
    assert not shop.events
    assert not shop.tasks


async def test_an_undecided_order_is_cancelled_at_once(shop: Shop) -> None:
    """Nobody can pay an OPEN order, so nobody is asked; its driver then hears that it is cancelled."""
    [opened] = shop.open(wanted(balance=100))
    assert opened.order is not None
    changed = await cancel(shop, opened.order.order_id)
    assert changed.order is not None
    assert (changed.order.status, changed.order.decision) == ("CANCELLED", "cancelled")
    assert [event.participants for event in shop.said(CANCELLED)] == [("stock", "accounts")]
    assert str(CLOSE) not in shop.wires.called
    assert (await shop.place(wanted(balance=100))).refusal == "cancelled"


async def test_a_paid_order_is_not_cancelled(shop: Shop) -> None:
    """Nor a refused, a refunded, a completed one; nor that of another user, which is not even found."""
    paid = await shop.paid(wanted("paid"))
    refused = await shop.place(wanted("refused", lines=(Line("tea", 2_000, 1_000),)))
    refunded = await shop.paid(wanted("free", balance=2_600))
    shop.change("refund", refunded.order_id)
    done = await shop.paid(wanted("done", balance=2_600))
    shop.change("ship", done.order_id)
    shop.change("receive", done.order_id)
    assert refused.order is not None
    for order in (paid, refused.order, refunded, done):
        changed = await cancel(shop, order.order_id)
        assert changed.refusal == "not_cancellable"
        assert changed.order == shop.order(order.order_id)
    assert (await cancel(shop, paid.order_id, "bob")).refusal == "not_found"
    assert (await cancel(shop, 12345)).refusal == "not_found"
    assert not shop.tasks


async def test_a_payment_under_way_wins_over_the_cancel(shop: Shop) -> None:
    """Payments says paid: the order is not cancelled, and its event is a repeat."""
    order = await shop.confirmed()
    shop.bill(order.order_id, "PAID")
    asked = asyncio.ensure_future(
        shop.call(contracts.CANCEL, ChangeOrder(order.order_id, "alice"), Deadline.after(5.0))
    )
    await asyncio.sleep(0.01)
    await shop.work()
    shop.succeed(order, 71)
    changed = await asked
    assert changed.refusal == "not_cancellable"
    assert changed.order is not None
    assert changed.order.payment_status == "PAID"
    assert not shop.tasks
    assert not shop.said(CANCELLED)


async def test_a_cancel_that_is_not_settled_is_undecided(hasty: Shop) -> None:
    """The platform does not answer: the buyer is told so, and the task goes on until it does."""
    order = await hasty.confirmed()
    hasty.bill(order.order_id, "SILENT")
    changed = await cancel(hasty, order.order_id)
    assert changed.undecided
    assert changed.order is not None
    assert changed.order.status == "CONFIRMED"
    assert len(hasty.tasks) == 1
    hasty.bill(order.order_id, None)
    assert await hasty.work() == []
    assert hasty.order(order.order_id).status == "CANCELLED"


async def test_payments_is_asked_again_with_growing_pauses(shop: Shop) -> None:
    """Half the time gone by, at least half a second, at most a minute; away counts as unknown."""
    order = await shop.confirmed()
    shop.bill(order.order_id, "SILENT")
    shop.world.advance(900_000)
    shop.sweep("orders")
    pauses: list[float] = []
    for elapsed in (0, 4_000, 16_000, 200_000):
        shop.world.advance(elapsed)
        pauses += await shop.work()
    assert pauses == [0.5, 2.0, 10.0, 60.0]
    shop.wires.break_next(CLOSE, "lost", "overload")
    assert await shop.work() + await shop.work() == [60.0, 60.0]


async def test_who_cannot_be_closed_for_a_day_fails_visibly(shop: Shop) -> None:
    """The task raises, so that it ends among the dead letters; when payments knows it works again."""
    order = await shop.confirmed()
    shop.bill(order.order_id, "SILENT")
    shop.world.advance(900_000)
    shop.sweep("orders")
    shop.world.advance(PATIENCE + 1)
    with pytest.raises(NotClosed, match="replay this task"):
        await shop.work()
    shop.bill(order.order_id, None)
    await shop.work()
    assert shop.order(order.order_id).status == "CANCELLED"


async def test_an_order_whose_time_to_pay_is_over_expires(shop: Shop) -> None:
    """The sweep hands it to the task once; payments closes it; everybody gives back."""
    order = await shop.confirmed(wanted(balance=100))
    shop.world.advance(899_999)
    assert shop.sweep("orders") == 0
    shop.world.advance(1)
    assert shop.sweep("orders") == 1
    assert shop.sweep("orders") == 0
    assert shop.order(order.order_id).status == "CONFIRMED"
    await shop.work()
    assert [event.code for event in shop.said(CANCELLED)] == ["expired"]
    shop.deliver()
    assert whys(shop.order(order.order_id)) == ["placed", "confirmed", "expired"]
    assert (shop.on_hand(), shop.balance()) == (1_000, BALANCE)
    assert (await cancel(shop, order.order_id)).refusal == ""


async def test_an_order_that_becomes_paid_meanwhile_does_not_expire(shop: Shop) -> None:
    """The payment's event comes between the answer `closed` and its recording: the order stays paid."""
    order = await shop.confirmed()
    shop.world.advance(900_000)
    shop.sweep("orders")
    shop.succeed(order, 71)
    await shop.work()
    assert shop.order(order.order_id).payment_status == "PAID"
    assert not shop.said(CANCELLED)
    assert not shop.tasks


async def test_an_order_that_payments_says_is_paid_is_paid(shop: Shop) -> None:
    """The event of its payment is lost for good: what payments says makes it paid, and a late event is a repeat."""
    order = await shop.confirmed()
    shop.bill(order.order_id, "PAID")
    shop.world.advance(900_000)
    shop.sweep("orders")
    await shop.work()
    paid = shop.order(order.order_id)
    assert (paid.status, paid.payment_status, paid.payment_id) == ("CONFIRMED", "PAID", 71)
    assert [(said.payment_id, said.amount) for said in shop.said(PAID)] == [(71, order.amount_due)]
    shop.succeed(order, 71)
    assert shop.order(order.order_id) == paid
    assert not shop.tasks
    assert not shop.said(REFUND_REQUESTED)


async def test_a_paid_order_does_not_expire(shop: Shop) -> None:
    """Once paid, no sweep looks at it."""
    await shop.paid()
    shop.world.advance(10_000_000)
    assert shop.sweep("orders") == 0
    assert not shop.tasks


async def test_the_audit_finds_an_order_that_nothing_will_end(shop: Shop) -> None:
    """An unpaid order is closed by a sweep or a task; having lost both it would wait for ever."""
    order = await shop.confirmed()
    key = (CLOSE_UNPAID.name, str(order.order_id))
    tasks = Orders.tables.tasks

    def unattended() -> list[str]:
        checked = shop.rooms["orders"].database.read(lambda reader: audit.unattended(Orders.tables, reader))
        return [finding.subject for finding in checked.findings]

    assert unattended() == []
    shop.world.advance(900_000)
    shop.sweep("orders")  # this house keeps its tasks elsewhere
    assert unattended() == [str(order.order_id)]
    task = TaskRow(*key, "GIVEN_UP", b"{}", 16, 0, None, None, "a person sees to it")
    shop.rooms["orders"].transact(lambda tx: tx.insert(tasks, [task]))
    assert unattended() == []
    await shop.work()
    shop.rooms["orders"].transact(lambda tx: tx.delete(tasks, tx.lock(tasks, [key])))
    assert unattended() == []
