"""Closing an order to payments, as orders asks before it cancels."""

import pytest

from makegood.engine.deadline import Deadline
from makegood.shop.payments import contracts
from makegood.shop.payments.opening import REMEMBER, begin_closing
from tests.unit.payments.desk import Desk


async def test_nothing_to_close(desk: Desk) -> None:
    """An order without payments is closed at once, and stays so when asked again."""
    assert [await desk.close(), await desk.close()] == ["closed", "closed"]
    assert desk.platform.calls == []


async def test_closes_at_every_platform(desk: Desk) -> None:
    """Each open payment is closed at its platform, and can be paid no more."""
    first, second = await desk.opened(), await desk.opened(channel="otherpay")
    assert await desk.close() == "closed"
    assert [desk.payment(id).state for id in (first, second)] == ["CLOSED", "CLOSED"]
    assert desk.platform.pay(str(first)) is None
    assert desk.other.pay(str(second)) is None


async def test_paid_before(desk: Desk) -> None:
    """A captured payment answers paid, and no platform is asked."""
    await desk.paid()
    desk.platform.calls.clear()
    assert await desk.close() == "paid"
    assert desk.platform.calls == []


async def test_paid_and_not_heard_of(desk: Desk) -> None:
    """A capture whose notification was lost is found by closing, and told like any other."""
    id = await desk.opened()
    desk.platform.pay(str(id))
    assert await desk.close() == "paid"
    assert [said.payment_id for said in desk.said(contracts.Succeeded)] == [id]
    await desk.notify(desk.platform.notices[0])
    assert len(desk.published) == 1


async def test_one_channel_paid_and_one_closed(desk: Desk) -> None:
    """One capture among the payments is enough for paid; the other payment is closed all the same."""
    first, second = await desk.opened(), await desk.opened(channel="otherpay")
    desk.platform.pay(str(first))
    assert await desk.close() == "paid"
    assert desk.payment(second).state == "CLOSED"


@pytest.mark.parametrize("fault", ["before", "after", "unknown"])
async def test_unknown_is_never_closed(desk: Desk, fault: str) -> None:
    """A platform that does not answer leaves it unknown, and no payment can be opened; asked again it is settled."""
    id = await desk.opened()
    if fault == "unknown":
        desk.platform.closing_unknown = True
    else:
        desk.platform.faults.append("before" if fault == "before" else "after")
    assert await desk.close() == "unknown"
    assert desk.payment(id).state == "OPEN"
    assert (await desk.open(channel="otherpay")).refusal == "not_payable"
    desk.platform.closing_unknown = False
    assert await desk.close() == "closed"


async def test_late_is_unknown(desk: Desk) -> None:
    """Past its deadline nobody is asked any more."""
    await desk.opened()
    desk.platform.calls.clear()
    answer = await desk.service.close_order(contracts.CloseOrder(1), Deadline.after(0))
    assert answer.outcome == "unknown"
    assert desk.platform.calls == []


async def test_a_wrong_amount_does_not_hold_the_order(desk: Desk) -> None:
    """A payment of another amount counts as none: it is on the list of breaks, and the order is closed."""
    id = await desk.opened()
    desk.platform.pay(str(id), amount=1)
    assert await desk.close() == "closed"
    assert desk.breaks() == ["amount_mismatch"]


async def test_closed_orders_without_a_payment_are_forgotten(desk: Desk) -> None:
    """A week later the row is gone; that of an order that had a payment stays."""
    desk.add_order(2)
    await desk.opened(2)
    await desk.close(1)
    await desk.close(2)
    desk.world.advance(REMEMBER)
    assert desk.commit(lambda tx: desk.service.forget_bills(tx, 10)) == 1
    assert (await desk.open(2)).refusal == "not_payable"


async def test_one_batch(desk: Desk) -> None:
    """The same order twice in a batch, beside a paid one and one with an open payment."""
    desk.add_order(2)
    await desk.paid(1)
    id = await desk.opened(2)
    requests = [contracts.CloseOrder(order_id) for order_id in (3, 1, 2, 3)]
    none, paid, open_one, again = desk.commit(lambda tx: begin_closing(tx, requests))
    assert (none, again) == (none, none)
    assert not none.open
    assert paid.paid
    assert [trade.payment_id for trade in open_one.open] == [id]
