"""What is listed of a bill line by line: each line counts for itself, in every run, however the runs are cut."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makegood.engine.deadline import Deadline
from makegood.shop.payments import bill_contracts, contracts
from makegood.shop.payments.bill_days import DAY, begin_of, date_of
from makegood.shop.payments.gateways.port import BillLine
from makegood.shop.payments.reconciling import CHUNK, Numbered, numbered
from makegood.shop.payments.tables import PAYMENTS
from tests.unit.payments.desk import Desk
from tests.unit.payments.test_reconciling import HOUR, differences, looked, noon, reconciled

SECOND = "a second trade with this number: the buyer paid more than once"
NOT_HEARD = "captured, and we have not heard of it: the platform is asked now, compare again to see what came of it"


def listed(desk: Desk, bill: bill_contracts.BillOf | None = None) -> list[bill_contracts.Difference]:
    """What is listed, of one bill or of all."""
    wanted = bill_contracts.ListDifferences(limit=1_000, bill=bill)
    [page] = desk.database.read(lambda reader: desk.service.list_differences(reader, [wanted]))
    return list(page.differences)


def details(desk: Desk) -> list[tuple[str, str]]:
    """The platform's number of each listed line, and what is said of it."""
    return sorted((one.trade_no, one.detail) for one in listed(desk))


def line(desk: Desk, kind: Any, number: str, trade_no: str, amount: int = 100, **more: Any) -> BillLine:
    """A line of today's bill."""
    return BillLine(kind, number, more.pop("refund_number", ""), trade_no, amount, desk.now(), **more)


async def ended(desk: Desk, day: int) -> bill_contracts.Reconciliation:
    """A comparison, followed over all the runs of its task."""
    done = await reconciled(desk, day)
    while done.state == "RUNNING":
        assert await desk.work() == 1
        done = await looked(desk, day)
    return done


async def test_lines_without_numbers(desk: Desk) -> None:
    """Refunds that say no number of ours are listed one by one, with their amounts, and stay so in a second run."""
    day = noon(desk)
    desk.platform.ledger = [line(desk, "refund", "", f"t{count}", count) for count in range(1, 6)]
    wanted = [("theirs_only", "", 0, count) for count in range(1, 6)]
    done = await reconciled(desk, day)
    assert (done.differences, done.refunded, differences(desk)) == (5, 15, wanted)
    first = listed(desk)
    assert (await reconciled(desk, day)).differences == 5
    assert listed(desk) == first


async def test_equal_lines_over_parts_of_a_bill(desk: Desk) -> None:
    """Lines that are the same letter by letter are all listed, wherever parts and runs end, and again by the next."""
    day = noon(desk)
    desk.pace = 9_000
    desk.platform.ledger = [line(desk, "refund", "", "t") for _ in range(2 * CHUNK + 10)]
    for _ in range(2):
        done = await ended(desk, day)
        assert (done.lines, done.differences, done.refunded) == (2 * CHUNK + 10, 2 * CHUNK + 10, 52_200)
        assert len({one.difference_id for one in listed(desk)}) == 2 * CHUNK + 10
    del desk.platform.ledger[CHUNK + 1 :]
    assert (await ended(desk, day)).differences == CHUNK + 1 == len(listed(desk))


async def test_long_numbers(desk: Desk) -> None:
    """Lines whose numbers differ only behind hundreds of equal characters are two."""
    day = noon(desk)
    numbers = ["r" * 127 + end for end in "ab"]
    desk.platform.ledger = [line(desk, "refund", "9" * 128, "t" * 128, refund_number=one) for one in numbers]
    assert (await reconciled(desk, day)).differences == 2
    assert [one.refund_number for one in listed(desk)] == numbers


async def test_a_line_that_changed(desk: Desk) -> None:
    """A second run lists a line as the bill has it now."""
    day = noon(desk)
    desk.platform.ledger = [line(desk, "payment", "77", "t", 500)]
    await reconciled(desk, day)
    desk.platform.ledger = [msgspec.structs.replace(one, amount=700) for one in desk.platform.ledger]
    assert (await reconciled(desk, day)).differences == 1
    assert differences(desk) == [("theirs_only", "77", 0, 700)]


UNKNOWN_LINES = st.lists(
    st.builds(
        BillLine,
        st.sampled_from(["payment", "refund"]),
        st.sampled_from(["", "7", "7:", ":7"]),
        st.sampled_from(["", "8", ":8"]),
        st.sampled_from(["", "t", "0"]),
        st.integers(1, 3),
        st.just(begin_of(19_700) + HOUR),
    ),
    max_size=12,
)


@settings(max_examples=40, deadline=None)
@given(UNKNOWN_LINES, UNKNOWN_LINES)
async def test_no_line_hides_another(before: list[BillLine], now: list[BillLine]) -> None:
    """Whatever lines a bill has that are not ours: as many are listed, with their amounts, whatever was before."""
    desk = Desk()
    for lines in (before, now):
        desk.platform.ledger = lines
        assert (await reconciled(desk, 19_700)).differences == len(lines)
        assert sorted(one.theirs for one in listed(desk)) == sorted(one.amount for one in lines)


@given(UNKNOWN_LINES)
def test_places_are_unique(lines: list[BillLine]) -> None:
    """No two lines of a bill have the same numbers and the same place among their like."""
    whole = [msgspec.structs.replace(one, line=_without_amount(one.line)) for one in numbered(lines)]
    assert len({msgspec.json.encode((one.line, one.same)) for one in whole}) == len(lines)


def _without_amount(one: BillLine) -> BillLine:
    return msgspec.structs.replace(one, amount=1)


@pytest.mark.parametrize("first", [True, False])
async def test_a_buyer_who_paid_twice(desk: Desk, first: bool) -> None:
    """Of two trades with our number, the one that we did not capture is listed, whichever comes first."""
    day = noon(desk)
    id = await desk.paid()
    desk.platform.ledger.insert(0 if first else 1, line(desk, "payment", str(id), "other", 10_000))
    assert (await reconciled(desk, day)).differences == 1
    assert (differences(desk), details(desk)) == ([("theirs_only", str(id), 0, 10_000)], [("other", SECOND)])


async def test_a_second_trade_the_day_after(desk: Desk) -> None:
    """A trade with the number of a payment that was captured by another is listed on whatever day it comes."""
    day = noon(desk)
    id = await desk.paid()
    assert (await reconciled(desk, day)).differences == 0
    desk.platform.ledger.append(line(desk, "payment", str(id), "other", 10_000))
    assert (await reconciled(desk, day + 1)).differences == 1
    assert details(desk) == [("other", SECOND)]


async def test_another_trade_in_place_of_ours(desk: Desk) -> None:
    """When only another trade stands on the bill, ours is missed, and the other is listed."""
    day = noon(desk)
    id = await desk.paid()
    desk.platform.ledger = [line(desk, "payment", str(id), "other", 10_000)]
    assert (await reconciled(desk, day)).differences == 2
    assert sorted(differences(desk)) == [("ours_only", str(id), 10_000, 0), ("theirs_only", str(id), 0, 10_000)]


async def test_a_trade_that_stands_twice(desk: Desk) -> None:
    """A bill that has our own trade two times has it once too often."""
    day = noon(desk)
    await desk.paid()
    desk.platform.ledger *= 2
    done = await reconciled(desk, day)
    assert (done.differences, done.captured) == (1, 20_000)
    assert [one.detail for one in listed(desk)] == ["the bill has this trade more than once"]


async def test_two_trades_nobody_told_of(desk: Desk) -> None:
    """Both are listed; when the platform has said which it captured, only the other is left."""
    day = noon(desk)
    id = await desk.opened()
    desk.platform.pay(str(id))
    desk.platform.ledger.append(line(desk, "payment", str(id), "other", 10_000))
    assert (await reconciled(desk, day)).differences == 2
    assert details(desk) == [("other", SECOND), (f"testpay-{id}", NOT_HEARD)]
    await desk.work()
    assert (await reconciled(desk, day)).differences == 1
    assert details(desk) == [("other", SECOND)]


async def test_the_number_of_a_page_is_no_trade(desk: Desk) -> None:
    """An open payment may have the number of the page on which it is paid: the line is not another trade for that."""
    day = noon(desk)
    id = await desk.opened()
    desk.platform.pay(str(id))
    rows = {"trade_no": "page-1"}
    desk.commit(lambda tx: tx.update(PAYMENTS, [msgspec.structs.replace(tx.lock(PAYMENTS, [id])[id], **rows)]))
    await reconciled(desk, day)
    assert details(desk) == [(f"testpay-{id}", NOT_HEARD)]


async def test_a_refund_made_twice(desk: Desk) -> None:
    """A bill that has our refund two times has one that we never asked for."""
    day = noon(desk)
    id = await desk.paid()
    desk.refund_part(id, 1_000)
    await desk.work()
    desk.platform.ledger.append(msgspec.structs.replace(desk.platform.ledger[-1], trade_no="other"))
    assert (await reconciled(desk, day)).differences == 1
    assert details(desk) == [("other", "refunded a second time under this number")]


async def test_a_capture_that_only_a_bill_tells_of(desk: Desk) -> None:
    """Of a payment that was given up long ago the platform is asked at once, and the capture takes effect."""
    day = noon(desk)
    id = await desk.opened()
    desk.platform.pay(str(id))
    desk.world.advance(8 * DAY)
    desk.sweep()
    assert (await desk.work(), desk.breaks()) == (0, ["unresolved"])
    assert (await reconciled(desk, day)).differences == 1
    assert desk.sweep() == 0
    assert await desk.work() == 1
    assert (desk.payment(id).state, desk.breaks()) == ("PAID", ["unresolved"])
    assert [one.payment_id for one in desk.said(contracts.Succeeded)] == [id]
    assert (await reconciled(desk, day)).differences == 0


async def test_a_platform_that_does_not_answer(desk: Desk) -> None:
    """A payment of these days is asked about again when the first question brings nothing, even one that was closed."""
    day = noon(desk)
    id = await desk.opened()
    desk.platform.pay(str(id))
    desk.commit(lambda tx: tx.update(PAYMENTS, [_closed(tx.lock(PAYMENTS, [id])[id])]))
    await reconciled(desk, day)
    desk.platform.faults.append("before")
    assert await desk.work() == 1
    assert desk.payment(id).state == "CLOSED"
    assert desk.sweep() == 1
    await desk.work()
    assert desk.payment(id).state == "PAID"


def _closed(row: Any) -> Any:
    return msgspec.structs.replace(row, state="CLOSED", open_key=None, due_at=None)


@pytest.mark.parametrize("succeeded", [True, False])
async def test_refunds_on_their_way(desk: Desk, succeeded: bool) -> None:
    """A line that is not final counts nowhere, ours or not; it is known to be on the bill, so nobody misses it."""
    day = noon(desk)
    id = await desk.paid()
    if not succeeded:
        desk.platform.refund_status = "processing"
    desk.refund_part(id, 1_000)
    await desk.work()
    [refund] = desk.payment(id).refunds
    own = line(desk, "refund", str(id), "t", 1_000, refund_number=str(refund.refund_id), final=False)
    strange = line(desk, "refund", str(id), "t", 300, refund_number="by-hand", final=False)
    desk.platform.ledger = [desk.platform.ledger[0], own, strange, line(desk, "payment", "77", "t", 50, final=False)]
    done = await reconciled(desk, day)
    assert (done.lines, done.captured, done.refunded, done.differences) == (4, 10_000, 0, 0)
    assert differences(desk) == []
    desk.platform.refund_status = "succeeded"
    desk.world.advance(HOUR)
    await desk.work()
    desk.platform.ledger = [one for one in desk.platform.ledger if not one.final]
    assert (await reconciled(desk, day + 1)).differences == 0


async def test_unfinished_lines_are_nobodys_like(desk: Desk) -> None:
    """A refund that stands on a bill on its way, and then done, is found once and is no second one."""
    day = noon(desk)
    id = await desk.paid()
    desk.refund_part(id, 1_000)
    await desk.work()
    desk.platform.ledger.insert(1, msgspec.structs.replace(desk.platform.ledger[-1], final=False))
    done = await reconciled(desk, day)
    assert (done.differences, done.refunded) == (0, 1_000)
    assert numbered(desk.platform.ledger)[-1] == Numbered(desk.platform.ledger[-1])


@pytest.mark.parametrize("there", [True, False])
async def test_a_moment_that_nobody_knows(desk: Desk, there: bool) -> None:
    """A capture whose moment the platform does not say is found on any bill, and missed by when we heard of it."""
    day = noon(desk)
    id = await desk.opened()
    desk.platform.pay(str(id))
    desk.platform.trades[str(id)].paid_at = None
    desk.world.advance(60_000)
    desk.sweep()
    await desk.work()
    assert (desk.payment(id).state, desk.payment(id).captured_at) == ("PAID", 0)
    if not there:
        desk.platform.ledger.clear()
    await reconciled(desk, day)
    assert differences(desk) == ([] if there else [("ours_only", str(id), 10_000, 0)])
    assert (await reconciled(desk, day + 1)).differences == 0


async def test_what_was_listed_and_is_no_more(desk: Desk) -> None:
    """However many lines an earlier run listed, they go some at a time, and those of other bills stay."""
    day = noon(desk)
    desk.pace = 6_000
    desk.platform.ledger = [line(desk, "payment", "", f"t{count}") for count in range(3 * CHUNK)]
    desk.world.advance(DAY)
    desk.platform.ledger.append(line(desk, "payment", "77", "t"))
    assert [(await ended(desk, one)).differences for one in (day, day + 1)] == [3 * CHUNK, 1]
    del desk.platform.ledger[:-1]
    most = 0
    done = await reconciled(desk, day)
    while done.state == "RUNNING":
        before = len(listed(desk))
        await desk.work()
        most = max(most, before - len(listed(desk)))
        done = await looked(desk, day)
    assert (done.differences, differences(desk)) == (0, [("theirs_only", "77", 0, 100)])
    assert 0 < most <= 2 * CHUNK


async def test_the_list_of_one_bill(desk: Desk) -> None:
    """It has what differs in this merchant's bill of this day, page by page, and nothing else."""
    day = noon(desk)
    stranger = desk.other.stranger("5", 5)
    desk.other.enter("payment", stranger, 5)
    desk.platform.ledger = [line(desk, "payment", str(number), "t", number) for number in (1, 2)]
    desk.world.advance(DAY)
    desk.platform.ledger.append(line(desk, "payment", "3", "t", 3))
    for one, channel in ((day, "testpay"), (day + 1, "testpay"), (day, "otherpay")):
        await reconciled(desk, one, channel)
    named = {day: ["1", "2"], day + 1: ["3"], day + 2: []}
    for one, numbers in named.items():
        bill = bill_contracts.BillOf("testpay:shop", date_of(one).isoformat())
        assert [each.number for each in listed(desk, bill)] == numbers
    wanted = bill_contracts.ListDifferences(limit=1, bill=bill_contracts.BillOf("testpay:shop", str(date_of(day))))
    [page] = desk.database.read(lambda reader: desk.service.list_differences(reader, [wanted]))
    assert page.next is not None
    rest = msgspec.structs.replace(wanted, after=page.next)
    [last] = desk.database.read(lambda reader: desk.service.list_differences(reader, [rest]))
    assert ([one.number for one in last.differences], last.next) == (["2"], None)
    assert listed(desk, bill_contracts.BillOf("testpay:shop", "2023-02-30")) == []


async def test_what_is_old_is_forgotten(desk: Desk) -> None:
    """Comparisons and differences are kept for 400 days since they were last made, and then go."""
    day = noon(desk)
    desk.platform.ledger = [line(desk, "payment", str(number), "t") for number in range(1, 4)]
    await reconciled(desk, day)
    desk.world.advance(399 * DAY)
    assert desk.commit(lambda tx: desk.service.forget_reconciliations(tx, 2)) == 0
    desk.platform.ledger.pop()
    await reconciled(desk, day)
    desk.world.advance(2 * DAY)
    assert desk.commit(lambda tx: desk.service.forget_reconciliations(tx, 2)) == 0
    assert len(listed(desk)) == 2
    desk.world.advance(399 * DAY)
    assert [desk.commit(lambda tx: desk.service.forget_reconciliations(tx, 2)) for _ in range(2)] == [2, 0]
    assert listed(desk) == []
    found = await desk.service.reconcile(
        bill_contracts.ReconcileBill("testpay", date_of(day).isoformat()), Deadline.after(5)
    )
    assert found.reconciliation is not None
    assert found.reconciliation.run == 1


async def test_very_many_lines_about_one_order(desk: Desk) -> None:
    """However often a bill names an order's payment, the order is told of the first lines, and not of all."""
    day = noon(desk)
    id = await desk.paid()
    desk.platform.ledger = [line(desk, "refund", str(id), f"t{count}") for count in range(50)]
    await reconciled(desk, day)
    [found] = desk.database.read(lambda reader: desk.service.bills_of_order(reader, [bill_contracts.BillsOfOrder(1)]))
    assert [one.trade_no for one in found.differences] == [f"t{count}" for count in range(20)]
