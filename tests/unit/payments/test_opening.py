"""Opening a payment."""

import asyncio
from typing import Any

import pytest

from makegood.shop.payments import contracts
from makegood.shop.payments.gateways.port import MAX_AMOUNT
from makegood.shop.payments.opening import Begin, StorePayUrl, begin_payments, store_pay_urls
from tests.unit.payments.desk import NOW, UNPAID, Desk


async def test_opens_at_the_platform(desk: Desk) -> None:
    """The platform learns number, amount, expiry and where to call back; the buyer learns where to pay."""
    answer = await desk.open()
    [payment] = desk.platform.opened
    assert answer == contracts.PaymentOpened("", answer.payment_id, f"http://cashier/{answer.payment_id}")
    assert payment.payment_id == str(answer.payment_id)
    assert payment.amount == 10_000
    assert payment.expires_at == NOW + UNPAID
    assert payment.notify_url == "https://shop.example/api/payments/notify/testpay"


async def test_asking_again_returns_the_same(desk: Desk) -> None:
    """There is one open payment for each order and channel, and the platform is not troubled twice."""
    first, second = await desk.open(), await desk.open()
    assert first == second
    assert desk.platform.calls == ["open"]


async def test_each_channel_has_its_own(desk: Desk) -> None:
    """Another channel opens another payment of the same order."""
    assert await desk.opened() != await desk.opened(channel="otherpay")


@pytest.mark.parametrize("fault", ["before", "after"])
async def test_opens_again_when_the_answer_was_lost(desk: Desk, fault: str) -> None:
    """A call that was lost is made again with the same number."""
    desk.platform.faults.append("before" if fault == "before" else "after")
    assert (await desk.open()).refusal == "platform_unavailable"
    payment_id = await desk.opened()
    assert [one.payment_id for one in desk.platform.opened] == [str(payment_id)]


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "OPEN"},
        {"status": "CANCELLED"},
        {"status": "COMPLETED"},
        {"payment_status": "PAID"},
        {"payment_status": "REFUNDING"},
        {"amount_due": 0},
        {"amount_due": MAX_AMOUNT + 1},
        {"pay_by": NOW},
    ],
)
async def test_refuses_what_cannot_be_paid(desk: Desk, changes: dict[str, Any]) -> None:
    """Only a confirmed, unpaid order with something due, and in time, can be paid."""
    desk.add_order(2, **changes)
    assert (await desk.open(2)).refusal == "not_payable"
    assert desk.platform.calls == []


async def test_refuses_strangers_orders_and_channels(desk: Desk) -> None:
    """Another user's order, no order at all, and a channel that is not configured."""
    desk.add_order(2, user="bob")
    assert (await desk.open(2)).refusal == "not_found"
    assert (await desk.open(3)).refusal == "not_found"
    assert (await desk.open(1, "cowries")).refusal == "unknown_channel"


async def test_a_closed_order_opens_no_more(desk: Desk) -> None:
    """Closing is remembered, though orders may still say that the order can be paid."""
    assert await desk.close() == "closed"
    assert (await desk.open()).refusal == "not_payable"


async def test_a_paid_order_opens_no_more(desk: Desk) -> None:
    """A capture that orders has not heard of yet is enough to refuse another payment, on any channel."""
    await desk.paid()
    assert (await desk.open()).refusal == "not_payable"
    assert (await desk.open(channel="otherpay")).refusal == "not_payable"


async def test_closed_while_it_was_being_opened(desk: Desk) -> None:
    """The address of a payment that was closed in the meantime is told to nobody."""
    desk.platform.faults.append("after")
    await desk.open()
    [number] = desk.platform.trades
    assert await desk.close() == "closed"
    [answer] = desk.commit(lambda tx: store_pay_urls(tx, [StorePayUrl(int(number), "http://cashier/late")]))
    assert answer == contracts.PaymentOpened("not_payable")


async def test_at_the_same_time(desk: Desk) -> None:
    """Buyers who click twice at once get the same payment."""
    first, second = await asyncio.gather(desk.open(), desk.open())
    assert first == second


def test_one_batch(desk: Desk) -> None:
    """In one batch equal requests share a payment, and other channels and orders get their own."""
    begin = Begin(1, "alice", "testpay", 500, NOW + 9, NOW + 3)
    others = [Begin(1, "alice", "otherpay", 500, NOW + 9, NOW + 3), Begin(2, "bob", "testpay", 70, NOW + 9, NOW + 3)]
    first, again, *rest = desk.commit(lambda tx: begin_payments(tx, [begin, begin, *others]))
    assert first == again
    assert len({first.payment_id, *(one.payment_id for one in rest)}) == 3
    assert desk.commit(lambda tx: begin_payments(tx, [begin]))[0] == first
