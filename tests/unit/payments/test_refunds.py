"""Giving money back."""

import pytest

from makegood.engine.service import Later, TaskResult
from makegood.shop.orders.contracts import RefundRequested
from makegood.shop.payments import contracts
from makegood.shop.payments.gateways.port import RefundState
from makegood.shop.payments.recording import RefundJob
from tests.unit.payments.desk import NOW, Desk

DAY = 86_400_000


async def test_a_whole_refund(desk: Desk) -> None:
    """All that was captured goes back, once, and one event says so."""
    id = await desk.paid()
    desk.refund_whole(id)
    desk.refund_whole(id)
    assert await desk.work() == 1
    payment = desk.payment(id)
    [refund] = payment.refunds
    assert (payment.state, payment.refunded) == ("PAID", 10_000)
    assert (refund.state, refund.amount, refund.reason) == ("SUCCEEDED", 10_000, "asked")
    assert desk.platform.trades[str(id)].refunds == {str(refund.refund_id): 10_000}
    assert desk.said(contracts.Refunded) == [
        contracts.Refunded(id, refund.refund_id, 1, "alice", 10_000, 10_000, 10_000, NOW)
    ]


async def test_the_whole_is_what_parts_have_left(desk: Desk) -> None:
    """After a part, the refund of an order is of the rest, and the cumulative amounts tell them apart."""
    id = await desk.paid()
    desk.refund_part(id, 2_500)
    desk.refund_whole(id)
    await desk.work()
    assert [(one.amount, one.cumulative) for one in desk.said(contracts.Refunded)] == [(2_500, 2_500), (7_500, 10_000)]


async def test_nothing_left_is_said_too(desk: Desk) -> None:
    """An order whose payment went back in parts hears that all of it is refunded, and no platform is called."""
    id = await desk.paid()
    desk.refund_part(id, 10_000)
    await desk.work()
    desk.platform.calls.clear()
    desk.refund_whole(id)
    assert await desk.work() == 0
    assert [(one.amount, one.cumulative) for one in desk.said(contracts.Refunded)] == [(10_000, 10_000), (0, 10_000)]
    assert desk.platform.calls == []


async def test_parts_on_their_way_will_say_it(desk: Desk) -> None:
    """While the last part is on its way there is nothing to begin and nothing to say yet."""
    id = await desk.paid()
    desk.refund_part(id, 10_000)
    desk.refund_whole(id)
    assert desk.said(contracts.Refunded) == []
    await desk.work()
    assert [one.cumulative for one in desk.said(contracts.Refunded)] == [10_000]


async def test_nothing_captured_is_listed(desk: Desk) -> None:
    """A refund of a payment that we hold no capture of cannot be made: a person has to look."""
    id = await desk.opened()
    desk.refund_whole(id)
    desk.refund_whole(77)
    desk.refund_whole(None)
    assert await desk.work() == 0
    assert desk.breaks() == ["refund_without_capture", "refund_without_capture"]


async def test_one_batch_of_events(desk: Desk) -> None:
    """The same payment twice in a batch is refunded once, for the reason that came first."""
    desk.add_order(2)
    first, second = await desk.paid(1), await desk.paid(2)
    events = [
        RefundRequested(1, "alice", first, (), "late"),
        RefundRequested(2, "alice", second, (), "asked"),
        RefundRequested(1, "alice", first, (), "second"),
        RefundRequested(9, "alice", None, (), "asked"),
    ]
    desk.commit(lambda tx: desk.service.refund_whole(tx, events))
    assert [one.reason for id in (first, second) for one in desk.payment(id).refunds] == ["late", "asked"]


async def test_parts_never_exceed_the_capture(desk: Desk) -> None:
    """Parts add up to at most what was captured, those on their way included."""
    id = await desk.paid()
    assert desk.refund_part(id, 6_000, "a").refusal == ""
    assert desk.refund_part(id, 4_001, "b").refusal == "amount_exceeds_captured"
    assert desk.refund_part(id, 4_000, "c").refusal == ""
    assert desk.refund_part(id, 1, "d").refusal == "amount_exceeds_captured"


async def test_a_repeated_key_is_the_same_refund(desk: Desk) -> None:
    """The key makes a repeat harmless; with another amount it is refused."""
    id = await desk.paid()
    first = desk.refund_part(id, 100)
    assert desk.refund_part(id, 100) == first
    assert desk.refund_part(id, 200).refusal == "key_reused"
    assert len(desk.payment(id).refunds) == 1


async def test_what_cannot_be_refunded(desk: Desk) -> None:
    """No payment, and one that is not captured."""
    id = await desk.opened()
    assert desk.refund_part(77, 1).refusal == "not_found"
    assert desk.refund_part(id, 1).refusal == "not_refundable"


async def test_one_batch_of_parts(desk: Desk) -> None:
    """In one batch the parts of a payment are added up in their order, and a repeat is the same refund."""
    id = await desk.paid()
    requests = [contracts.RefundPart(id, amount, key) for amount, key in ((7_000, "a"), (4_000, "b"), (7_000, "a"))]
    first, second, third = desk.commit(lambda tx: desk.service.refund(tx, requests))
    assert first == third
    assert second.refusal == "amount_exceeds_captured"


@pytest.mark.parametrize("fault", ["before", "after"])
async def test_a_lost_call_is_made_again(desk: Desk, fault: str) -> None:
    """The same refund number goes to the platform until it says what came of it, so the money goes back once."""
    id = await desk.paid()
    desk.refund_whole(id)
    desk.platform.faults.append("before" if fault == "before" else "after")
    await desk.work()
    assert desk.said(contracts.Refunded) == []
    desk.world.advance(10_000)
    await desk.work()
    assert desk.payment(id).refunded == 10_000
    assert desk.platform.trades[str(id)].refunded == 10_000


async def test_a_slow_refund_is_asked_for_ever_more_rarely(desk: Desk) -> None:
    """A refund that the platform is processing is listed after a week, then asked for daily, and in the end no more."""
    id = await desk.paid()
    desk.refund_whole(id)
    desk.platform.refund_status = "processing"
    times = 0
    for _ in range(7 * 24):
        times += await desk.work()
        desk.world.advance(3_600_000)
    assert times == 7 * 24
    assert desk.breaks() == []
    await desk.work()
    assert desk.breaks() == ["refund_stuck"]
    for _ in range(90):
        desk.world.advance(DAY)
        assert await desk.work() == 1
    assert desk.breaks() == ["refund_stuck"]
    assert desk.tasks == {}


async def test_a_refund_that_cannot_be_made_for_now(desk: Desk) -> None:
    """After an hour of refusals a refund is on the list with the reason, and off it when it has succeeded."""
    id = await desk.paid()
    desk.refund_whole(id)
    desk.platform.refund_status = "waiting"
    await desk.work()
    assert desk.breaks() == []
    desk.world.advance(3_600_000)
    await desk.work()
    assert desk.breaks() == ["refund_waiting"]
    desk.world.advance(7 * DAY)
    await desk.work()
    assert desk.breaks() == ["refund_waiting", "refund_stuck"]
    desk.platform.refund_status = "succeeded"
    desk.world.advance(DAY)
    await desk.work()
    assert (desk.breaks(), desk.payment(id).refunded) == ([], 10_000)


async def test_a_refund_that_fails_in_the_end(desk: Desk) -> None:
    """A platform that tells of the failure of a refund that had succeeded is asked, and the failure is listed."""
    id = await desk.paid()
    desk.refund_whole(id)
    await desk.work()
    trade = desk.platform.trades[str(id)]
    [number] = trade.refunds
    await desk.notify(desk.platform.slip(trade, "refund", 0, refund_id=number))
    assert desk.breaks() == []
    trade.refunds.clear()
    desk.platform.refund_status = "failed"
    await desk.work()
    assert desk.breaks() == ["refund_failed"]


async def test_a_notice_revives_a_stuck_refund(desk: Desk) -> None:
    """When the platform speaks of a refund, those on their way are asked for at once."""
    id = await desk.paid()
    desk.refund_whole(id)
    desk.platform.refund_status = "processing"
    desk.world.advance(98 * DAY)
    await desk.work()
    assert desk.tasks == {}
    desk.platform.refund_status = "succeeded"
    await desk.notify(desk.platform.slip(desk.platform.trades[str(id)], "refund", 10_000))
    await desk.work()
    assert desk.payment(id).refunded == 10_000


async def test_a_failed_refund_is_listed_and_frees_its_amount(desk: Desk) -> None:
    """A refund that failed for good is for a person, who may ask for another."""
    id = await desk.paid()
    desk.refund_whole(id)
    desk.platform.refund_status = "failed"
    await desk.work()
    assert [one.state for one in desk.payment(id).refunds] == ["FAILED"]
    assert desk.breaks() == ["refund_failed"]
    desk.platform.refund_status = "succeeded"
    assert desk.refund_part(id, 10_000).refusal == ""
    await desk.work()
    assert [one.cumulative for one in desk.said(contracts.Refunded)] == [10_000]


async def test_money_that_went_back_is_believed(desk: Desk) -> None:
    """Should a platform take back its word that a refund failed, its success is recorded, once."""
    id = await desk.paid()
    desk.refund_whole(id)
    [state] = desk.tasks.values()
    assert isinstance(state.payload, RefundJob)
    words = [RefundState("failed"), RefundState("succeeded"), RefundState("succeeded"), RefundState("processing")]
    results = [TaskResult("k", state.payload, word, 1) for word in words]
    answers: list[Later | None] = desk.commit(lambda tx: desk.service.record_refunds(tx, results))
    assert answers == [None, None, None, None]
    assert desk.payment(id).refunded == 10_000
    assert len(desk.said(contracts.Refunded)) == 1


async def test_refunds_behind_our_back_are_listed(desk: Desk) -> None:
    """A notice of more than we refunded is on the list of breaks; notices of our own refunds are not."""
    id = await desk.paid()
    desk.refund_part(id, 1_000)
    await desk.work()
    trade = desk.platform.trades[str(id)]
    await desk.notify(desk.platform.slip(trade, "refund", 1_000))
    assert desk.breaks() == []
    await desk.notify(desk.platform.slip(trade, "refund", 1_500))
    assert desk.breaks() == ["refund_unknown"]
