"""What the payments service relies on, of every channel: the adapter and the sandbox, two readings of one protocol."""

import asyncio

import pytest

from makegood.shop.payments.gateways.port import Notice, RefundPayment, Rejected, Trade

from .shop import Shop

UNHEARD = 0.5
"""Seconds in which a second payment would be told."""


async def test_payment_from_open_to_refund(shop: Shop) -> None:
    """A payment is opened, paid, told, known for paid, and given back in two parts, each part once."""
    payment = shop.payment()
    told, kept = await shop.pay(payment)
    assert (told.payment_id, told.amount) == (payment.payment_id, 8880)
    trade = await shop.query(payment, kept)
    assert (trade.state, trade.amount, trade.trade_no) == ("paid", 8880, told.trade_no)
    assert trade.paid_at is not None
    assert abs(trade.paid_at - told.occurred_at) < 5_000
    for number, amount in (("881", 880), ("882", 8000)):
        part = refund_of(shop, payment.payment_id, payment.payment_id + number, amount, told.trade_no)
        assert (await shop.settled(part)).status == "succeeded"
        assert (await shop.gateway.refund(part)).status == "succeeded"
    after = await shop.query(payment, kept)
    assert (after.state, after.paid_at) == ("closed", trade.paid_at)


async def test_refund_is_told(shop: Shop) -> None:
    """A refund notice names the payment, and either the one refund with its amount, or what is refunded in all."""
    payment = shop.payment()
    told, _ = await shop.pay(payment)
    for number, amount, so_far in (("881", 880, 880), ("882", 8000, 8880)):
        part = refund_of(shop, payment.payment_id, payment.payment_id + number, amount, told.trade_no)
        await shop.settled(part)
        expected = {("", so_far), (part.refund_id, amount)}
        while (said := await refund_told(shop, payment.payment_id)) not in expected:
            assert said[1] == 0 or said[1] < so_far, "only what stood earlier, or gave nothing back, may come before"


async def refund_told(shop: Shop, payment_id: str) -> tuple[str, int]:
    """The next notice of a refund of this payment: the refund it names, and the amount."""
    notice = await shop.told("refund")
    assert notice.payment_id == payment_id
    return notice.refund_id, notice.amount


async def test_opened_again(shop: Shop) -> None:
    """Opening the same payment again gives one that is paid only once."""
    payment = shop.payment()
    first, again = await shop.gateway.open(payment), await shop.gateway.open(payment)
    assert first.trade_no == again.trade_no
    assert await shop.press(first.pay_url) == 200
    told = await shop.told("captured")
    page = await shop.http.get(again.pay_url, follow_redirects=True)
    await shop.http.post(page.url, data={"action": "pay"})
    assert not await captured_again(shop, told)
    assert (await shop.query(payment, again.trade_no)).trade_no == told.trade_no


async def captured_again(shop: Shop, told: Notice) -> bool:
    """Whether another trade of the payment is told of within a while."""
    try:
        async with asyncio.timeout(UNHEARD):
            return (await shop.told("captured")).trade_no != told.trade_no
    except TimeoutError:
        return False


async def test_close_of_an_unpaid_payment(shop: Shop) -> None:
    """It is closed, closed again, and can be paid no more."""
    payment = shop.payment()
    opened = await shop.gateway.open(payment)
    page = await shop.http.get(opened.pay_url, follow_redirects=True)
    assert (await shop.query(payment, opened.trade_no)).state == "unpaid"
    for _ in range(2):
        assert await shop.gateway.close(payment.payment_id, opened.trade_no) == "closed"
    assert (await shop.http.post(page.url, data={"action": "pay"})).status_code == 409
    closed = await shop.query(payment, opened.trade_no)
    assert (closed.state, closed.paid_at) == ("closed", None)


async def test_close_of_a_paid_payment(shop: Shop) -> None:
    """It is not closed, and is known for paid."""
    payment = shop.payment()
    _, kept = await shop.pay(payment)
    assert await shop.gateway.close(payment.payment_id, kept) == "paid"
    assert (await shop.query(payment, kept)).state == "paid"


async def test_payment_that_was_never_opened(shop: Shop) -> None:
    """It is not known, and counts as closed."""
    payment = shop.payment()
    assert await shop.query(payment, "") == Trade("unknown_trade")
    assert await shop.gateway.close(payment.payment_id) == "closed"


async def test_refund_that_cannot_be(shop: Shop) -> None:
    """A refund of more than is left, or under a number used for another amount, has failed, and moves nothing."""
    payment = shop.payment(1000)
    told, _ = await shop.pay(payment)
    number = payment.payment_id
    first = refund_of(shop, number, number + "1", 600, told.trade_no, 1000)
    assert (await shop.settled(first)).status == "succeeded"
    for refund_id, amount in ((number + "2", 500), (number + "1", 400)):
        refused = await shop.gateway.refund(refund_of(shop, number, refund_id, amount, told.trade_no, 1000))
        assert refused.status == "failed"
        assert refused.detail
    rest = refund_of(shop, number, number + "3", 400, told.trade_no, 1000)
    assert (await shop.settled(rest)).status == "succeeded"


async def test_notification_is_proven_to_the_last_byte(shop: Shop) -> None:
    """No byte of a notification can be changed; unchanged it is taken as often as it comes."""
    opened = await shop.gateway.open(shop.payment())
    await shop.press(opened.pay_url)
    arrived = await shop.next()
    assert shop.read(arrived) == shop.read(arrived)
    for at in range(0, len(arrived.body), max(1, len(arrived.body) // 60)):
        changed = bytearray(arrived.body)
        changed[at] ^= 1
        with pytest.raises(Rejected):
            shop.gateway.read_notification(bytes(changed), arrived.headers)


def refund_of(
    shop: Shop, payment_id: str, refund_id: str, amount: int, trade_no: str, captured: int = 8880
) -> RefundPayment:
    """A refund, as the service asks for it."""
    return RefundPayment(payment_id, refund_id, amount, "broken", captured, trade_no, shop.inbox.url)
