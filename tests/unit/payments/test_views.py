"""What others see of payments."""

import pytest

from makegood.shop.payments import contracts
from makegood.shop.payments.breaks import Breaks
from makegood.shop.payments.settings import PaymentsSettings
from tests.unit.payments.desk import NOW, Desk


async def test_of_orders(desk: Desk) -> None:
    """Each order's payments with their refunds, the oldest first; none for an order that has none."""
    desk.add_order(2)
    other = await desk.opened(1, "otherpay")
    paid = await desk.paid(1)
    desk.refund_part(paid, 300)
    desk.refund_part(paid, 200, "k2")
    await desk.work()
    requests = [contracts.PaymentsOfOrder(order_id) for order_id in (2, 1, 1)]
    none, first, again = desk.database.read(lambda reader: desk.service.of_order(reader, requests))
    assert none.payments == ()
    assert first == again
    assert [(one.payment_id, one.state, one.refunded) for one in first.payments] == [
        (other, "OPEN", 0),
        (paid, "PAID", 500),
    ]
    assert [one.amount for one in first.payments[1].refunds] == [300, 200]


async def test_pages_of_payments(desk: Desk) -> None:
    """Pages follow each other without gaps, and the last one says so."""
    for order_id in range(1, 6):
        desk.add_order(order_id)
        await desk.opened(order_id)
    seen: list[int] = []
    after: int | None = None
    for expected in (2, 2, 1):
        request = contracts.ListPayments(after, 2)
        [page] = desk.database.read(lambda reader, request=request: desk.service.list_payments(reader, [request]))
        assert len(page.payments) == expected
        seen.extend(one.order_id for one in page.payments)
        after = page.next
    assert seen == [1, 2, 3, 4, 5]
    assert after is None


async def test_payments_by_their_ids(desk: Desk) -> None:
    """Those that exist come in the order of their ids, for each who asks; unknown and repeated ids do no harm."""
    desk.add_order(2)
    one, two = await desk.paid(1), await desk.opened(2)
    requests = [contracts.FindPayments(ids) for ids in ((two, 7, one, two), (7,), (two,), ())]
    answers = desk.database.read(lambda reader: desk.service.find(reader, requests))
    found = [[payment.payment_id for payment in answer.payments] for answer in answers]
    assert found == [[one, two], [], [two], []]
    assert [payment.order_id for payment in answers[0].payments] == [1, 2]


async def test_the_trail_of_an_order(desk: Desk) -> None:
    """It has each proven callback with what it did, the oldest first, who told us, and when the platform is asked."""
    open_one = await desk.opened(1, "otherpay")
    paid = await desk.paid(1)
    desk.world.advance(1_000)
    again = desk.platform.slip(desk.platform.trades[str(paid)], "captured", 10_000)
    for _ in range(3):
        assert (await desk.notify(again)).status == 200
        desk.world.advance(1_000)
    requests = [contracts.TrailOfOrder(order_id) for order_id in (1, 2)]
    trail, none = desk.database.read(lambda reader: desk.service.trail(reader, requests))
    assert none == contracts.Trail((), ())
    waiting, captured = trail.payments
    assert (waiting.payment_id, waiting.told_by, waiting.notifications) == (open_one, None, ())
    assert waiting.ask_at is not None
    assert (captured.payment_id, captured.told_by, captured.ask_at, captured.changed_at) == (paid, "notice", None, NOW)
    told = [(one.kind, one.amount, one.effect, one.at) for one in captured.notifications]
    assert told == [("captured", 10_000, "captured", NOW), ("captured", 10_000, "repeat", NOW + 1_000)]
    assert [(one.repeats, one.repeated_at) for one in captured.notifications] == [(0, None), (2, NOW + 3_000)]


async def test_the_trail_has_refused_callbacks(desk: Desk) -> None:
    """A refused callback stands in the trail of the order whose payment it names, and of no other."""
    desk.add_order(2)
    mine, other = await desk.opened(1), await desk.opened(2)
    for id in (mine, other):
        body = desk.platform.slip(desk.platform.trades[str(id)], "captured", 10_000, signature="guess")
        await desk.notify(body)
    [trail] = desk.database.read(lambda reader: desk.service.trail(reader, [contracts.TrailOfOrder(1)]))
    assert [one.reason for one in trail.refused] == ["bad_signature"]
    assert str(mine).encode() in trail.refused[0].body


def test_a_full_last_page_has_no_next(desk: Desk) -> None:
    """Exactly as many breaks as asked for are one page."""

    def two(tx: object) -> None:
        breaks = Breaks(tx)  # type: ignore[arg-type]
        breaks.add("unresolved", "testpay", "1", amount=1, detail="")
        breaks.add("unresolved", "testpay", "2", amount=1, detail="")
        breaks.add("unresolved", "testpay", "2", amount=1, detail="again")
        breaks.store()

    desk.commit(two)
    desk.commit(two)
    [page] = desk.database.read(lambda reader: desk.service.list_breaks(reader, [contracts.ListBreaks(None, 2)]))
    assert [one.number for one in page.breaks] == ["1", "2"]
    assert page.next is None


def test_settings_refuse_an_address_that_cannot_be_called() -> None:
    """The address platforms call back is an http address."""
    with pytest.raises(ValueError, match="notify_base"):
        PaymentsSettings("shop.example")
