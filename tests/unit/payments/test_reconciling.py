"""Bills: a platform's lines against our payments and refunds."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makegood.engine.deadline import Deadline
from makegood.shop.payments import bill_contracts
from makegood.shop.payments.bill_days import DAY, begin_of, date_of, day_number, day_of
from makegood.shop.payments.gateways.port import GatewayRefused, GatewayUnavailable
from tests.unit.payments.desk import Desk

HOUR = 3_600_000


async def reconciled(desk: Desk, day: int, channel: str = "testpay") -> bill_contracts.Reconciliation:
    """A comparison, begun the day after, and followed to where it stands."""
    date = date_of(day).isoformat()
    desk.world.advance(max(0, begin_of(day + 1) + 10 * HOUR - desk.now()))
    begun = await desk.service.reconcile(bill_contracts.ReconcileBill(channel, date), Deadline.after(5))
    assert begun.refusal == ""
    await desk.work()
    return await looked(desk, day, channel)


async def looked(desk: Desk, day: int, channel: str = "testpay") -> bill_contracts.Reconciliation:
    """How far a comparison is."""
    wanted = bill_contracts.FindReconciliation(channel, date_of(day).isoformat())
    [found] = await desk.read(desk.service.find_reconciliation, [wanted])
    assert found.reconciliation is not None
    return found.reconciliation


def differences(desk: Desk) -> list[tuple[str, str, int, int]]:
    """What is listed: its kind, number, our fen and theirs."""
    [page] = desk.database.read(
        lambda reader: desk.service.list_differences(reader, [bill_contracts.ListDifferences(limit=1000)])
    )
    return [(one.kind, one.number, one.ours, one.theirs) for one in page.differences]


def noon(desk: Desk) -> int:
    """Moves on to the next noon by the platforms' clock; its day."""
    day = day_of(desk.now()) + 1
    desk.world.advance(begin_of(day) + 12 * HOUR - desk.now())
    desk.add_order()
    return day


async def test_a_bill_that_fits(desk: Desk) -> None:
    """A payment and a part refunded are found, the sums are the bill's, and nothing is listed; nor by a second run."""
    day = noon(desk)
    id = await desk.paid()
    desk.refund_part(id, 1_000)
    await desk.work()
    done = await reconciled(desk, day)
    assert (done.state, done.lines, done.captured, done.refunded) == ("DONE", 2, 10_000, 1_000)
    again = await reconciled(desk, day)
    assert (again.run, again.lines, again.differences, differences(desk)) == (2, 2, 0, [])
    assert (await reconciled(desk, day + 1)).lines == 0
    assert differences(desk) == []


async def test_what_only_the_platform_has(desk: Desk) -> None:
    """A trade and a refund that are not ours are listed; when the platform takes them back they are gone."""
    day = noon(desk)
    id = await desk.paid()
    trade = desk.platform.trades[str(id)]
    desk.platform.enter("payment", desk.platform.stranger("77", 500), 500)
    desk.platform.enter("refund", trade, 300, "by-hand")
    done = await reconciled(desk, day)
    assert (done.state, done.differences) == ("DONE", 2)
    assert differences(desk) == [("theirs_only", "77", 0, 500), ("theirs_only", str(id), 0, 300)]
    del desk.platform.ledger[1:]
    assert (await reconciled(desk, day)).differences == 0
    assert differences(desk) == []


async def test_a_capture_that_nobody_told(desk: Desk) -> None:
    """It is listed, the platform is asked at once, and the next run finds the payment captured."""
    day = noon(desk)
    id = await desk.opened()
    desk.platform.pay(str(id))
    desk.world.advance(1)
    begun = bill_contracts.ReconcileBill("testpay", date_of(day).isoformat())
    desk.world.advance(begin_of(day + 1) + HOUR - desk.now())
    await desk.service.reconcile(begun, Deadline.after(5))
    await desk.work()
    assert differences(desk) == [("theirs_only", str(id), 0, 10_000)]
    assert desk.sweep() == 1
    await desk.work()
    assert desk.payment(id).state == "PAID"
    assert (await reconciled(desk, day)).differences == 0
    assert differences(desk) == []


async def test_other_amounts(desk: Desk) -> None:
    """A line of another amount is listed with both, and not called missing besides."""
    day = noon(desk)
    id = await desk.paid()
    desk.refund_part(id, 1_000)
    await desk.work()
    desk.platform.ledger = [msgspec.structs.replace(line, amount=line.amount + 1) for line in desk.platform.ledger]
    await reconciled(desk, day)
    assert differences(desk) == [
        ("amount_differs", str(id), 10_000, 10_001),
        ("amount_differs", str(id), 1_000, 1_001),
    ]


async def test_what_only_we_have(desk: Desk) -> None:
    """A payment and a refund that the bill does not know are listed once the day is compared, each once."""
    day = noon(desk)
    id = await desk.paid()
    desk.refund_part(id, 1_000)
    await desk.work()
    desk.platform.ledger.clear()
    for _ in range(2):
        done = await reconciled(desk, day)
        assert done.differences == 2
        assert differences(desk) == [("ours_only", str(id), 10_000, 0), ("ours_only", str(id), 1_000, 0)]
    assert (await reconciled(desk, day + 1)).differences == 0


@pytest.mark.parametrize("moved", [0, DAY])
async def test_around_midnight(desk: Desk, moved: int) -> None:
    """What happened shortly before midnight may stand on either day's bill, and is missed only when on neither."""
    day = noon(desk)
    desk.world.advance(12 * HOUR - 60_000)
    desk.add_order()
    id = await desk.paid()
    desk.platform.ledger[0] = msgspec.structs.replace(desk.platform.ledger[0], at=desk.now() + moved)
    await reconciled(desk, day)
    assert differences(desk) == []
    await reconciled(desk, day + 1)
    assert differences(desk) == []
    desk.platform.ledger.clear()
    desk.world.advance(begin_of(day + 3) - 60_000 - desk.now())
    desk.add_order(2)
    lost = await desk.paid(2)
    desk.platform.ledger.clear()
    await reconciled(desk, day + 2)
    assert differences(desk) == []
    await reconciled(desk, day + 3)
    assert differences(desk) == [("ours_only", str(lost), 10_000, 0)]
    assert lost != id


async def test_other_merchants_are_left_alone(desk: Desk) -> None:
    """A payment at another platform is no part of this bill, and one of its number there is not ours."""
    day = noon(desk)
    id = await desk.opened(channel="otherpay")
    slip = desk.other.pay(str(id))
    assert slip is not None
    await desk.notify(slip, "otherpay")
    desk.platform.enter("payment", desk.platform.stranger(str(id), 10_000), 10_000)
    await reconciled(desk, day)
    assert differences(desk) == [("theirs_only", str(id), 0, 10_000)]
    assert (await reconciled(desk, day, "otherpay")).differences == 0


async def test_a_bill_that_is_not_ready(desk: Desk) -> None:
    """It is asked for again every ten minutes, and says why it waits; a refusal ends it, and it may begin anew."""
    day = noon(desk)
    await desk.paid()
    desk.platform.bill_away = GatewayUnavailable("not ready before ten")
    done = await reconciled(desk, day)
    assert (done.state, done.error) == ("RUNNING", "not ready before ten")
    desk.platform.bill_away = None
    desk.world.advance(600_000)
    await desk.work()
    assert (await looked(desk, day)).state == "DONE"
    desk.platform.bill_away = GatewayRefused("NO_BILL", "no rights", "ask for them")
    refused = await reconciled(desk, day)
    assert (refused.state, refused.error, refused.run) == ("FAILED", "NO_BILL: no rights; ask for them", 2)
    desk.platform.bill_away = None
    assert (await reconciled(desk, day)).state == "DONE"


async def test_a_bill_that_never_comes(desk: Desk) -> None:
    """After two days nobody asks for it any more, and that is said."""
    day = noon(desk)
    desk.platform.bill_away = GatewayUnavailable("not ready")
    await reconciled(desk, day)
    desk.world.advance(2 * DAY)
    await desk.work()
    assert (await looked(desk, day)).state == "FAILED"
    assert await desk.work() == 0


@pytest.mark.parametrize(
    ("channel", "date", "refusal"),
    [("nopay", "2023-11-01", "unknown_channel"), ("testpay", "2023-02-30", "no_such_day"), ("testpay", "", "")],
)
async def test_bills_that_cannot_be(desk: Desk, channel: str, date: str, refusal: str) -> None:
    """An unknown channel, a day that is none, and one that is not over are refused, and nothing is begun."""
    asked = bill_contracts.ReconcileBill(channel, date or date_of(day_of(desk.now())).isoformat())
    answer = await desk.service.reconcile(asked, Deadline.after(5))
    assert answer.refusal == (refusal or "day_not_over")
    assert await desk.work() == 0


async def test_a_long_bill_in_several_runs(desk: Desk) -> None:
    """What one run of the task does not finish the next goes on with; every line is compared once."""
    desk.pace = 2_500
    day = noon(desk)
    for number in range(1_000):
        desk.platform.enter("payment", desk.platform.stranger(str(number + 1), 10), 10)
    await reconciled(desk, day)
    runs = 1
    while (await looked(desk, day)).state == "RUNNING":
        assert await desk.work() == 1
        runs += 1
    done = await looked(desk, day)
    assert (runs, done.lines, done.captured, done.differences) == (4, 1_000, 10_000, 1_000)
    assert len(differences(desk)) == 1_000


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from(["fits", "ours", "theirs", "amount"]), min_size=1, max_size=8), st.integers(1, 3))
async def test_every_difference_is_listed_and_nothing_else(kinds: list[str], runs: int) -> None:
    """Whatever payments are on the bill, on ours, or on both: after any number of runs the list is what differs."""
    desk = Desk()
    day = noon(desk)
    wanted: list[tuple[str, str, int, int]] = []
    for number, kind in enumerate(kinds, 1):
        desk.add_order(number)
        if kind == "theirs":
            desk.platform.enter("payment", desk.platform.stranger(str(number), 50), 50)
            wanted.append(("theirs_only", str(number), 0, 50))
            continue
        id = await desk.paid(number)
        if kind == "ours":
            desk.platform.ledger.pop()
            wanted.append(("ours_only", str(id), 10_000, 0))
        elif kind == "amount":
            desk.platform.ledger[-1] = msgspec.structs.replace(desk.platform.ledger[-1], amount=9_999)
            wanted.append(("amount_differs", str(id), 10_000, 9_999))
    for _ in range(runs):
        done = await reconciled(desk, day)
        assert done.differences == len(wanted)
    assert sorted(differences(desk)) == sorted(wanted)


@given(st.integers(0, 4_000_000_000_000))
def test_days(at: int) -> None:
    """Every moment is in exactly one day, whose name leads back to it."""
    day = day_of(at)
    assert begin_of(day) <= at < begin_of(day + 1)
    assert day_number(date_of(day).isoformat()) == day
