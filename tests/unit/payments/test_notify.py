"""Callbacks of platforms."""

import pytest

from makegood.shop.payments import contracts
from makegood.shop.payments.recording import Fact, payment_id
from tests.unit.payments.desk import NOW, Desk


async def test_a_capture_is_recorded_and_told(desk: Desk) -> None:
    """The payment is PAID, and one event says so, in the commit before the platform is answered."""
    id = await desk.paid()
    payment = desk.payment(id)
    assert (payment.state, payment.captured, payment.captured_at) == ("PAID", 10_000, NOW)
    assert payment.trade_no == f"testpay-{id}"
    assert desk.published == [contracts.Succeeded(id, 1, "alice", "testpay", 10_000, NOW)]


async def test_repeats_change_nothing(desk: Desk) -> None:
    """The same notification, and another one about the same capture, are answered with success and told no more."""
    id = await desk.paid()
    trade = desk.platform.trades[str(id)]
    for body in (*desk.platform.notices, desk.platform.slip(trade, "captured", 10_000)):
        assert (await desk.notify(body)).status == 200
    assert len(desk.published) == 1
    assert desk.breaks() == []


async def test_unknown_channel(desk: Desk) -> None:
    """A channel that is not configured is 404."""
    assert (await desk.notify(b"", "cowries")).status == 404


async def test_a_false_callback_is_refused_and_written_down(desk: Desk) -> None:
    """A wrong signature changes nothing, is not answered with success, and can be seen."""
    id = await desk.opened()
    body = desk.platform.slip(desk.platform.trades[str(id)], "captured", 10_000, signature="guess")
    assert (await desk.notify(body)).body == b"again"
    assert desk.payment(id).state == "OPEN"
    [page] = desk.database.read(lambda reader: desk.service.list_refusals(reader, [contracts.ListRefusedNotices()]))
    assert [(one.channel, one.reason, one.body) for one in page.notices] == [("testpay", "bad_signature", body)]


async def test_no_success_without_a_commit(desk: Desk) -> None:
    """While the database is away the platform is told to come again, and then it takes effect."""
    id = await desk.opened()
    body = desk.platform.pay(str(id))
    assert body is not None
    desk.database_away = True
    assert (await desk.notify(body)).body == b"again"
    assert (await desk.notify(b"nonsense")).body == b"again"
    desk.database_away = False
    assert (await desk.notify(body)).body == b"thanks"
    assert desk.payment(id).state == "PAID"


async def test_a_wrong_amount_is_never_a_success(desk: Desk) -> None:
    """It is on the list of breaks, once; the payment is over, so that the order need not wait for it."""
    id = await desk.opened()
    for body in (
        desk.platform.pay(str(id), amount=1),
        desk.platform.slip(desk.platform.trades[str(id)], "captured", 1),
    ):
        assert body is not None
        assert (await desk.notify(body)).body == b"thanks"
    assert desk.payment(id).state == "CLOSED"
    assert desk.published == []
    assert desk.breaks() == ["amount_mismatch"]


@pytest.mark.parametrize("number", ["7", "0", "", "01", "order-1", "９", "9223372036854775808", "1" * 40])
async def test_an_unknown_payment_is_listed(desk: Desk, number: str) -> None:
    """Money for a number that is none of ours is on the list of breaks, whatever the number looks like."""
    body = desk.platform.slip(desk.platform.stranger(number, 10_000), "captured", 10_000)
    assert (await desk.notify(body)).body == b"thanks"
    assert desk.breaks() == ["unknown_payment"]


async def test_another_platforms_word_is_not_taken(desk: Desk) -> None:
    """A platform can prove nothing about a payment that was opened at another one."""
    id = await desk.opened()
    body = desk.other.slip(desk.platform.trades[str(id)], "captured", 10_000)
    assert (await desk.notify(body, "otherpay")).body == b"thanks"
    assert desk.payment(id).state == "OPEN"
    assert desk.breaks() == ["unknown_payment"]


async def test_a_second_trade_of_the_same_number_is_listed(desk: Desk) -> None:
    """Should a platform capture one number twice, the second capture is for a person to settle."""
    id = await desk.paid()
    stranger = desk.platform.stranger(str(id), 10_000)
    stranger.trade_no = "another"
    await desk.notify(desk.platform.slip(stranger, "captured", 10_000))
    assert desk.breaks() == ["other_trade"]
    assert len(desk.published) == 1


async def test_captured_wins_over_closed(desk: Desk) -> None:
    """A capture that comes after the payment was closed is a capture; orders will ask for its refund."""
    id = await desk.opened()
    trade = desk.platform.trades[str(id)]
    await desk.notify(desk.platform.slip(trade, "closed", 10_000))
    assert desk.payment(id).state == "CLOSED"
    await desk.notify(desk.platform.slip(trade, "captured", 10_000))
    assert desk.payment(id).state == "PAID"
    await desk.notify(desk.platform.slip(trade, "closed", 10_000))
    assert desk.payment(id).state == "PAID"
    assert len(desk.said(contracts.Succeeded)) == 1


async def test_a_refund_notice_is_never_a_capture(desk: Desk) -> None:
    """A notice about a refund leaves an open payment open, and has the platform asked about it at once."""
    id = await desk.opened()
    await desk.notify(desk.platform.slip(desk.platform.trades[str(id)], "refund", 10_000))
    assert desk.payment(id).state == "OPEN"
    assert desk.published == []
    assert desk.sweep() == 1


async def test_other_notices_are_only_recorded(desk: Desk) -> None:
    """A notice that means nothing to us is taken, and changes nothing."""
    id = await desk.opened()
    before = desk.payment(id)
    assert (await desk.notify(desk.platform.slip(desk.platform.trades[str(id)], "other", 10_000))).status == 200
    assert desk.payment(id) == before


async def test_one_batch_with_everything(desk: Desk) -> None:
    """In one batch a notification that stands twice takes effect once, and its neighbours take theirs."""
    desk.add_order(2)
    first, second = await desk.opened(1), await desk.opened(2)
    one = Fact("testpay", str(first), "captured", "notice", 10_000, "t1", NOW, "n1")
    two = Fact("testpay", str(first), "captured", "query", 10_000, "t1", NOW)
    bad = Fact("testpay", str(second), "captured", "notice", 3, "t2", NOW, "n2")
    lost = Fact("testpay", "12", "refund", "notice", 3, "t3", NOW, "n3")
    answers = desk.commit(lambda tx: desk.service.record(tx, [one, one, two, bad, lost, lost]))
    assert answers == ["PAID", "PAID", "PAID", "CLOSED", None, None]
    assert [said.payment_id for said in desk.said(contracts.Succeeded)] == [first]
    assert desk.breaks() == ["amount_mismatch", "unknown_payment"]
    assert desk.commit(lambda tx: desk.service.record(tx, [one, lost])) == ["PAID", None]
    assert len(desk.published) == 1


async def test_notifications_are_forgotten_after_their_time(desk: Desk) -> None:
    """After 90 days the row is gone, and a repeat still changes nothing."""
    id = await desk.paid()
    desk.world.advance(90 * 86_400_000 - 1)
    assert desk.commit(lambda tx: desk.service.forget_notifications(tx, 10)) == 0
    desk.world.advance(1)
    assert desk.commit(lambda tx: desk.service.forget_notifications(tx, 10)) == 1
    await desk.notify(desk.platform.notices[0])
    assert desk.payment(id).state == "PAID"
    assert len(desk.published) == 1


def test_numbers() -> None:
    """Only the decimal text of an id is one of ours."""
    assert payment_id("123") == 123
    assert {payment_id(text) for text in ("", "0", "0123", "-1", " 1", "1_000", "٣")} == {0}
