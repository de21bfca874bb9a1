"""What payments tells of an order that a person has to settle: its breaks, and what bills say of it."""

from makegood.shop.payments import bill_contracts, contracts
from makegood.shop.payments.bill_days import DAY, date_of
from makegood.shop.payments.gateways.port import GatewayUnavailable
from makegood.shop.payments.trail import SHOWN
from tests.unit.payments.desk import Desk
from tests.unit.payments.test_reconciling import noon, reconciled


def trail(desk: Desk, order_id: int = 1) -> contracts.Trail:
    """How we learnt of an order's payments."""
    [found] = desk.database.read(lambda reader: desk.service.trail(reader, [contracts.TrailOfOrder(order_id)]))
    return found


def bills(desk: Desk, order_id: int = 1) -> bill_contracts.BillsFound:
    """What bills say of an order."""
    wanted = bill_contracts.BillsOfOrder(order_id)
    [found] = desk.database.read(lambda reader: desk.service.bills_of_order(reader, [wanted]))
    return found


def compared(desk: Desk, order_id: int = 1) -> list[tuple[str, str, str]]:
    """The merchant, day and state of each comparison that is told of an order."""
    return [(one.account, one.day, one.state) for one in bills(desk, order_id).reconciliations]


def differing(desk: Desk, order_id: int = 1) -> list[tuple[str, str, str]]:
    """The kind and the numbers of each differing line that is told of an order."""
    return [(one.kind, one.number, one.refund_number) for one in bills(desk, order_id).differences]


def named(day: int) -> str:
    """The day as it stands in answers."""
    return date_of(day).isoformat()


async def test_a_break(desk: Desk) -> None:
    """A capture of another amount is told of its order with all that the platform said, and of no other order."""
    desk.add_order(2)
    id, other = await desk.opened(), await desk.opened(2)
    body = desk.platform.pay(str(id), amount=9_999)
    assert body is not None
    await desk.notify(body)
    [found] = trail(desk).breaks
    assert (found.kind, found.number, found.amount, found.at) == ("amount_mismatch", str(id), 9_999, desk.now())
    assert (found.channel, found.trade_no) == ("testpay", f"testpay-{id}")
    assert "10000" in found.detail
    assert trail(desk, 2).breaks == ()
    assert [one.payment_id for one in trail(desk, 2).payments] == [other]


async def test_breaks_of_one_batch(desk: Desk) -> None:
    """Several orders that are asked about together each get their own."""
    desk.add_order(2)
    for order_id, amount in ((1, 9_998), (2, 9_999)):
        body = desk.platform.pay(str(await desk.opened(order_id)), amount=amount)
        assert body is not None
        await desk.notify(body)
    asked = [contracts.TrailOfOrder(order_id) for order_id in (2, 1, 3)]
    found = desk.database.read(lambda reader: desk.service.trail(reader, asked))
    assert [[one.amount for one in each.breaks] for each in found] == [[9_999], [9_998], []]


async def test_a_break_at_another_platform(desk: Desk) -> None:
    """What another platform says of a number that is ours elsewhere is a break, and not one of the order's."""
    id = await desk.paid()
    await desk.notify(desk.other.slip(desk.other.stranger(str(id), 500), "captured", 500), "otherpay")
    assert desk.breaks() == ["unknown_payment"]
    assert trail(desk).breaks == ()


async def test_many_breaks(desk: Desk) -> None:
    """Of very many breaks the first are told, in the order in which they came."""
    id = await desk.paid()
    for amount in range(SHOWN + 5):
        trade = desk.platform.stranger(str(id), 20_000 + amount)
        await desk.notify(desk.platform.slip(trade, "captured", trade.amount))
    assert [one.amount for one in trail(desk).breaks] == [20_000 + amount for amount in range(SHOWN)]


async def test_a_compared_bill(desk: Desk) -> None:
    """The bill of the day on which an order's money moved is told of it, with its latest run, and of no other order."""
    day = noon(desk)
    await desk.paid()
    assert bills(desk) == bill_contracts.BillsFound()
    await reconciled(desk, day)
    await reconciled(desk, day)
    assert compared(desk) == [("testpay:shop", named(day), "DONE")]
    assert [one.run for one in bills(desk).reconciliations] == [2]
    assert differing(desk) == []
    desk.add_order(2)
    await desk.paid(2)
    assert bills(desk, 2) == bill_contracts.BillsFound()
    assert bills(desk, 3) == bill_contracts.BillsFound()


async def test_bills_of_a_refund(desk: Desk) -> None:
    """A refund on a later day brings that day's bill too; the days between, compared as well, say nothing of it."""
    day = noon(desk)
    id = await desk.paid()
    desk.world.advance(2 * DAY)
    desk.refund_part(id, 1_000)
    await desk.work()
    for one in (day, day + 1, day + 2):
        await reconciled(desk, one)
    assert sorted(compared(desk)) == [
        ("testpay:shop", named(day), "DONE"),
        ("testpay:shop", named(day + 2), "DONE"),
    ]


async def test_a_bill_that_waits(desk: Desk) -> None:
    """A comparison that is tried again, or has failed, is told with why."""
    day = noon(desk)
    await desk.paid()
    desk.platform.bill_away = GatewayUnavailable("not ready before ten")
    await reconciled(desk, day)
    assert [(one.state, one.error) for one in bills(desk).reconciliations] == [("RUNNING", "not ready before ten")]
    desk.world.advance(2 * DAY)
    await desk.work()
    assert [(one.state, one.error) for one in bills(desk).reconciliations] == [("FAILED", "not ready before ten")]


async def test_a_line_that_differs(desk: Desk) -> None:
    """Lines of theirs and of ours are told of the order whose payment they name until they are settled."""
    day = noon(desk)
    desk.add_order(2)
    desk.add_order(3)
    first, second, _ = await desk.paid(), await desk.paid(2), await desk.paid(3)
    desk.platform.enter("refund", desk.platform.trades[str(first)], 300, "by-hand")
    desk.platform.enter("payment", desk.platform.stranger("77", 500), 500)
    kept = [line for line in desk.platform.ledger if line.number != str(second)]
    lost = [line for line in desk.platform.ledger if line.number == str(second)]
    desk.platform.ledger = kept
    await reconciled(desk, day)
    assert differing(desk) == [("theirs_only", str(first), "by-hand")]
    assert differing(desk, 2) == [("ours_only", str(second), "")]
    assert differing(desk, 3) == []
    [line] = bills(desk).differences
    assert (line.ours, line.theirs, line.day, line.account) == (0, 300, named(day), "testpay:shop")
    desk.platform.ledger = [line for line in (*kept, *lost) if line.refund_number != "by-hand"]
    await reconciled(desk, day)
    assert (differing(desk), differing(desk, 2)) == ([], [])
    assert compared(desk) == compared(desk, 2) == [("testpay:shop", named(day), "DONE")]


async def test_a_capture_nobody_told(desk: Desk) -> None:
    """A payment of which only the bill knows is told of its order, until the platform has been asked about it."""
    day = noon(desk)
    id = await desk.opened()
    desk.platform.pay(str(id))
    await reconciled(desk, day)
    assert differing(desk) == [("theirs_only", str(id), "")]
    assert desk.sweep() == 1
    await desk.work()
    await reconciled(desk, day)
    assert differing(desk) == []
    assert compared(desk) == [("testpay:shop", named(day), "DONE")]


async def test_other_merchants(desk: Desk) -> None:
    """What is on the bill of another merchant is not told, though it has the number of one of our payments."""
    day = noon(desk)
    id = await desk.paid()
    desk.other.enter("payment", desk.other.stranger(str(id), 10_000), 10_000)
    await reconciled(desk, day, "otherpay")
    assert (differing(desk), compared(desk)) == ([], [])
    desk.gateways.pop("otherpay")
    assert (differing(desk), compared(desk)) == ([], [])


async def test_channels_of_one_merchant(desk: Desk) -> None:
    """An order paid on one channel is told of its merchant's bill, whichever channel that was compared for."""
    day = noon(desk)
    desk.other.account = desk.platform.account
    id = await desk.opened(channel="otherpay")
    body = desk.other.pay(str(id))
    assert body is not None
    await desk.notify(body, "otherpay")
    await reconciled(desk, day)
    assert compared(desk) == [(desk.platform.account, named(day), "DONE")]
    assert differing(desk) == [("ours_only", str(id), "")]


async def test_a_channel_that_is_gone(desk: Desk) -> None:
    """An order paid on a channel that the shop no longer has is told of no bill, and of nothing else's."""
    day = noon(desk)
    await desk.paid()
    await reconciled(desk, day)
    desk.gateways.pop("testpay")
    assert bills(desk) == bill_contracts.BillsFound()


async def test_many_lines(desk: Desk) -> None:
    """Of very many lines about an order some are told."""
    day = noon(desk)
    id = await desk.paid()
    trade = desk.platform.trades[str(id)]
    for number in range(SHOWN + 5):
        desk.platform.enter("refund", trade, 1, f"by-hand-{number}")
    assert (await reconciled(desk, day)).differences == SHOWN + 5
    assert len(differing(desk)) == SHOWN
