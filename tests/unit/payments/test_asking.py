"""Lost notifications."""

from makegood.shop.payments import contracts
from makegood.shop.payments.asking import pause
from tests.unit.payments.desk import UNPAID, Desk
from tests.unit.payments.platform import Account

DAY = 86_400_000


async def test_a_lost_notification_is_asked_for(desk: Desk) -> None:
    """Half a minute after it was opened the platform is asked, and its word is a capture."""
    id = await desk.opened()
    desk.platform.pay(str(id))
    desk.world.advance(29_999)
    assert desk.sweep() == 0
    desk.world.advance(1)
    assert desk.sweep() == 1
    await desk.work()
    assert desk.payment(id).state == "PAID"
    assert [said.payment_id for said in desk.said(contracts.Succeeded)] == [id]


async def test_nobody_asks_about_what_is_decided(desk: Desk) -> None:
    """A captured payment is never asked about, nor one that was closed well behind its expiry."""
    desk.add_order(2)
    await desk.paid(1)
    await desk.opened(2)
    desk.world.advance(UNPAID + last_look(desk))
    await desk.close(2)
    desk.world.advance(30 * DAY)
    assert desk.sweep() == 0


async def test_pauses_grow(desk: Desk) -> None:
    """30 s, 60 s, 120 s and so on, up to ten minutes."""
    assert [pause(desk.settings, asked) // 1000 for asked in range(7)] == [30, 60, 120, 240, 480, 600, 600]
    await desk.opened()
    asked: list[int] = []
    for second in range(0, 800, 10):
        if desk.sweep():
            asked.append(second)
        await desk.work()
        desk.world.advance(10_000)
    assert asked == [30, 90, 210, 450]
    assert desk.platform.calls.count("query") == 4


async def test_a_platform_that_is_away_is_asked_again(desk: Desk) -> None:
    """No answer is no decision: the next question comes after the next pause."""
    id = await desk.opened()
    desk.platform.pay(str(id))
    desk.platform.faults.append("before")
    desk.world.advance(30_000)
    desk.sweep()
    await desk.work()
    assert desk.payment(id).state == "OPEN"
    desk.world.advance(60_000)
    desk.sweep()
    await desk.work()
    assert desk.payment(id).state == "PAID"


async def test_expired_payments_are_closed(desk: Desk) -> None:
    """Past its expiry a payment is not only asked about but closed, so that it is decided."""
    id = await desk.opened()
    desk.world.advance(UNPAID)
    desk.sweep()
    await desk.work()
    assert desk.payment(id).state == "CLOSED"
    assert desk.platform.calls[-1] == "close"


async def test_the_other_channels_payment_is_closed(desk: Desk) -> None:
    """Once one channel has captured, the payment that is open on another is closed before it can be paid too."""
    other = await desk.opened(channel="otherpay")
    await desk.paid()
    desk.world.advance(30_000)
    desk.sweep()
    await desk.work()
    assert desk.payment(other).state == "CLOSED"
    assert desk.other.pay(str(other)) is None


async def test_closing_that_was_unknown_goes_on(desk: Desk) -> None:
    """When orders has given up asking, the sweep still ends the payments of a closed order."""
    id = await desk.opened()
    desk.platform.faults.append("before")
    assert await desk.close() == "unknown"
    desk.world.advance(30_000)
    desk.sweep()
    await desk.work()
    assert desk.payment(id).state == "CLOSED"


async def test_given_up_in_the_end(desk: Desk) -> None:
    """A platform that never answers ends on the list of breaks; a capture that comes after all still wins."""
    id = await desk.opened()
    body = desk.platform.pay(str(id))
    assert body is not None
    desk.world.advance(UNPAID + 7 * DAY)
    assert desk.sweep() == 1
    assert desk.breaks() == ["unresolved"]
    desk.world.advance(DAY)
    assert desk.sweep() == 0
    await desk.notify(body)
    assert desk.payment(id).state == "PAID"


async def test_paid_and_refunded_behind_our_back(desk: Desk) -> None:
    """A trade that was paid and wholly refunded by somebody else is closed, and listed for a person."""
    id = await desk.opened()
    desk.platform.pay(str(id))
    desk.platform.trades[str(id)].state = "closed"
    desk.world.advance(30_000)
    desk.sweep()
    await desk.work()
    assert desk.payment(id).state == "CLOSED"
    assert desk.breaks() == ["refunded_elsewhere"]


async def test_a_channel_that_is_gone_fails_visibly(desk: Desk) -> None:
    """Without its gateway the question fails as a task, which ends among the dead letters."""
    await desk.opened()
    desk.service = type(desk.service)(desk.settings, {})
    desk.service.engine = desk
    desk.world.advance(30_000)
    desk.sweep()
    await desk.work()
    [state] = desk.tasks.values()
    assert state.attempt == 1


async def test_a_closed_payment_that_was_paid_after_all_is_found(desk: Desk) -> None:
    """Closed before anybody had scanned its code, then paid, the notification lost: the last look finds it."""
    id = await desk.opened()
    assert await desk.close() == "closed"
    _pay_behind_our_back(desk, id)
    await _until(desk, UNPAID + last_look(desk))
    assert desk.payment(id).state == "PAID"
    assert [said.payment_id for said in desk.said(contracts.Succeeded)] == [id]


async def test_a_platform_whose_clock_is_behind_is_looked_at_once_more(desk: Desk) -> None:
    """Closed when it had expired by our clock, and paid though: by the platform's clock it had not."""
    id = await desk.opened()
    desk.world.advance(UNPAID + 500)
    assert await desk.close() == "closed"
    _pay_behind_our_back(desk, id)
    await _until(desk, last_look(desk))
    assert desk.payment(id).state == "PAID"


async def test_the_last_look_is_the_last(desk: Desk) -> None:
    """A payment that stayed closed is looked at once behind its expiry; a platform that is away is asked again."""
    id = await desk.opened()
    await desk.close()
    desk.platform.calls.clear()
    desk.platform.faults.append("before")
    await _until(desk, UNPAID + DAY // 24)
    assert desk.platform.calls == ["close", "close"]
    assert (desk.payment(id).state, desk.breaks()) == ("CLOSED", [])


async def test_a_refund_of_a_closed_payment_tells_of_its_capture(desk: Desk) -> None:
    """The capture's notification is lost, that of a refund by hand is not: both come to light."""
    id = await desk.opened()
    await desk.close()
    trade = _pay_behind_our_back(desk, id)
    trade.refunds["by hand"] = 100
    await desk.notify(desk.platform.slip(trade, "refund", 100))
    desk.sweep()
    await desk.work()
    assert desk.payment(id).state == "PAID"
    assert desk.breaks() == ["refund_unknown"]


def last_look(desk: Desk) -> int:
    """Milliseconds from a payment's expiry to the last look at it."""
    return int(desk.settings.last_look * 1000)


def _pay_behind_our_back(desk: Desk, payment_id: int) -> Account:
    """The buyer pays a code that the platform knew nothing of when it was closed; no notification comes."""
    trade = desk.platform.trades[str(payment_id)]
    trade.state, trade.paid_at = "paid", desk.now()
    return trade


async def _until(desk: Desk, milliseconds: int) -> None:
    """Time passes, minute by minute, and what is due is done."""
    for _ in range(milliseconds // 60_000 + 1):
        desk.sweep()
        await desk.work()
        desk.world.advance(60_000)
