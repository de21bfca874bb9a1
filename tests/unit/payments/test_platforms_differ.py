"""What some platforms do and others do not: numbers of their own, notices of single refunds, probes, stuck refunds."""

import logging

import msgspec
import pytest

from makegood.engine.deadline import Deadline
from makegood.shop.payments import contracts
from makegood.shop.payments.gateways.port import (
    Closing,
    Notice,
    NoticeKind,
    Opened,
    OpenPayment,
    Reason,
    RefundPayment,
    RefundState,
    Rejected,
    Trade,
)

from .desk import Desk
from .platform import Platform, Slip


class Numbering(Platform):
    """A platform that knows a payment by its own number only, and another one once it is captured."""

    async def open(self, payment: OpenPayment) -> Opened:
        """Gives it its number."""
        return Opened((await super().open(payment)).pay_url, f"session of {payment.payment_id}")

    async def query(self, payment_id: str, trade_no: str = "") -> Trade:
        """Asked by its number."""
        assert trade_no == f"session of {payment_id}"
        return await super().query(payment_id)

    async def close(self, payment_id: str, trade_no: str = "") -> Closing:
        """Closed by its number."""
        assert trade_no == f"session of {payment_id}"
        return await super().close(payment_id)

    async def refund(self, refund: RefundPayment) -> RefundState:
        """Refunded by the number of what was captured."""
        assert refund.trade_no == f"testpay-{refund.payment_id}"
        assert refund.notify_url.endswith("/api/payments/notify/testpay")
        return await super().refund(refund)


@pytest.fixture
def numbering(desk: Desk) -> Desk:
    """The desk, with such a platform."""
    desk.platform = Numbering(desk.world)
    desk.gateways["testpay"] = desk.platform
    return desk


def slip(number: str, kind: NoticeKind, amount: int, refund_id: str = "") -> bytes:
    """A callback about a payment, or about one refund of it."""
    notice = Notice(f"n {kind} {amount} {refund_id}", number, "t1", kind, amount, 0, {}, refund_id)
    return msgspec.json.encode(Slip(notice, "sesame"))


async def test_the_platforms_own_number(numbering: Desk) -> None:
    """It is kept from the opening on, and given back with every question; that of the capture takes its place."""
    id = await numbering.opened()
    assert numbering.payment(id).trade_no == f"session of {id}"
    numbering.world.advance(31_000)
    assert numbering.sweep() == 1
    assert await numbering.work() == 1
    numbering.platform.pay(str(id))
    numbering.world.advance(120_000)
    numbering.sweep()
    await numbering.work()
    assert (numbering.payment(id).state, numbering.payment(id).trade_no) == ("PAID", f"testpay-{id}")
    numbering.refund_whole(id)
    await numbering.work()
    assert numbering.payment(id).refunded == 10_000
    assert numbering.breaks() == []


async def test_closing_by_the_platforms_own_number(numbering: Desk) -> None:
    """An order is closed by it too."""
    await numbering.opened()
    assert await numbering.close() == "closed"


async def test_the_buyers_address(desk: Desk) -> None:
    """What the web knows of it reaches the platform."""
    desk.add_order(7)
    wanted = contracts.OpenPayment("alice", 7, "testpay", "192.0.2.7")
    assert (await desk.service.open_payment(wanted, Deadline.after(5))).refusal == ""
    assert desk.platform.opened[-1].client_ip == "192.0.2.7"


async def test_a_notice_of_one_refund(desk: Desk) -> None:
    """A platform may tell of each refund alone: those we asked for are no break, in whatever order they are told."""
    id = await desk.paid()
    first = desk.refund_part(id, 6_000, "k1").refund
    second = desk.refund_part(id, 4_000, "k2").refund
    assert first is not None
    assert second is not None
    for refund in (second, first):
        await desk.notify(slip(str(id), "refund", refund.amount, str(refund.refund_id)))
        await desk.notify(slip(str(id), "refund", 0, str(refund.refund_id)))
    await desk.work()
    assert desk.breaks() == []
    assert desk.payment(id).refunded == 10_000


@pytest.mark.parametrize(("refund_id", "amount"), [("77", 1), ("77", 10_000), ("", 10_001)])
async def test_a_notice_of_a_refund_that_is_not_ours(desk: Desk, refund_id: str, amount: int) -> None:
    """What somebody else gave back is for a person, also beside refunds of ours."""
    id = await desk.paid()
    desk.refund_part(id, 10_000)
    await desk.notify(slip(str(id), "refund", amount, refund_id))
    assert desk.breaks() == ["refund_unknown"]


async def test_a_notice_of_another_amount_of_our_refund(desk: Desk) -> None:
    """More or less than we asked for is for a person."""
    id = await desk.paid()
    refund = desk.refund_part(id, 5_000).refund
    assert refund is not None
    await desk.notify(slip(str(id), "refund", 4_000, str(refund.refund_id)))
    assert desk.breaks() == ["refund_unknown"]


async def test_a_refund_of_somebody_else_that_came_to_nothing(desk: Desk) -> None:
    """Nothing was given back, so nothing is to be settled."""
    id = await desk.paid()
    await desk.notify(slip(str(id), "refund", 0, "77"))
    assert desk.breaks() == []


async def test_an_abnormal_refund(desk: Desk) -> None:
    """It is listed for a person at once and only once, is asked for further, and succeeds when it was seen to."""
    id = await desk.paid()
    desk.refund_whole(id)
    desk.platform.refund_status = "abnormal"
    for _ in range(3):
        await desk.work()
        desk.world.advance(3_600_000)
    assert desk.breaks() == ["refund_abnormal"]
    assert [one.state for one in desk.payment(id).refunds] == ["REQUESTED"]
    desk.platform.refund_status = "succeeded"
    await desk.work()
    assert desk.payment(id).refunded == 10_000


class Refusing(Platform):
    """A platform whose every callback is refused for one reason."""

    reason: Reason = "probe"

    def read_notification(self, body: bytes, headers: object) -> Notice:
        """Refuses it."""
        del body, headers
        raise Rejected(self.reason, "because")


@pytest.mark.parametrize(("reason", "kept"), [("probe", 0), ("stale", 1), ("unknown_serial", 1)])
async def test_a_probe_raises_no_alarm(desk: Desk, caplog: pytest.LogCaptureFixture, reason: Reason, kept: int) -> None:
    """It is refused like any false callback, but is neither written down nor said above debug."""
    platform = Refusing(desk.world)
    platform.reason = reason
    desk.gateways["testpay"] = platform
    with caplog.at_level(logging.INFO):
        assert (await desk.notify(b"x")).status == platform.rejected.status
    page = desk.database.read(lambda reader: desk.service.list_refusals(reader, [contracts.ListRefusedNotices()]))[0]
    assert len(page.notices) == kept
    assert len(caplog.records) == kept


async def test_a_notice_about_no_payment(desk: Desk) -> None:
    """It is taken, so that the platform does not repeat it, and changes nothing, even while the database is away."""
    desk.database_away = True
    assert (await desk.notify(slip("", "other", 0))).body == b"thanks"
    desk.database_away = False
    assert (await desk.notify(slip("77", "other", 0))).body == b"thanks"
    assert desk.breaks() == []
