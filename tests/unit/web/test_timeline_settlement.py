"""The moments of kind "settlement" in an order's timeline: breaks, compared bills, and lines of theirs that differ."""

from typing import Any

import httpx

from makegood.engine.errors import Overloaded
from makegood.shop.payments.bill_contracts import BillsFound, BillsOfOrder, Reconciliation
from makegood.shop.payments.contracts import Break
from makegood.web.moments import in_order, moment, of_break, of_difference, of_reconciliation
from tests.unit.web.peer import PeerShop
from tests.unit.web.people import Buyer
from tests.unit.web.test_bills import AT, YESTERDAY, difference

BEGAN, ENDED = 1_700_000_000_000, 1_700_000_001_000


def compared(**changed: Any) -> Reconciliation:
    """A bill that fits, but for what is changed."""
    done: dict[str, Any] = {
        "account": "alipay:shop",
        "channel": "alipay",
        "day": YESTERDAY,
        "state": "DONE",
        "run": 2,
        "began_at": BEGAN,
        "ended_at": ENDED,
        "lines": 7,
        "captured": 100,
        "refunded": 0,
        "differences": 0,
        "error": "",
    }
    return Reconciliation(**done | changed)


def difference_of(number: str) -> Break:
    """A break about this number."""
    return Break(5, "amount_mismatch", "alipay", number, "t1", 99, BEGAN, "the payment is of 100 fen")


async def timeline_of(operator: httpx.AsyncClient, order_id: str) -> Any:
    """What an operator sees of an order."""
    answer = await operator.get(f"/api/ops/orders/{order_id}/timeline")
    assert answer.status_code == 200, answer.text
    return answer.json()


def settlement(timeline: Any) -> list[str]:
    """What of it is settlement."""
    return [one["what"] for one in timeline["moments"] if one["kind"] == "settlement"]


def test_of_break() -> None:
    """A break is told when we saw it, with the amount the platform said and why a person has to look."""
    at, one = of_break(difference_of("77"))
    assert (at, one.at, one.source, one.kind, one.what) == (
        BEGAN, AT, "payments", "settlement", "break amount_mismatch",
    )  # fmt: skip
    assert one.detail == {
        "payment_id": "77",
        "channel": "alipay",
        "trade_no": "t1",
        "amount": 99,
        "why": "the payment is of 100 fen",
    }


def test_of_reconciliation() -> None:
    """A comparison is told when it ended, or while it runs when it began, with what came of it."""
    at, done = of_reconciliation(compared(differences=3))
    assert (at, done.at, done.source, done.kind, done.what) == (
        ENDED, "2023-11-14T22:13:21.000Z", "payments", "settlement", "bill done",
    )  # fmt: skip
    assert done.detail == {"account": "alipay:shop", "date": YESTERDAY, "run": 2, "differences": 3, "why": ""}
    at, running = of_reconciliation(compared(state="RUNNING", ended_at=None, error="not ready before ten"))
    assert (at, running.what, running.detail["why"]) == (BEGAN, "bill running", "not ready before ten")
    assert of_reconciliation(compared(state="FAILED", error="NO_RIGHTS"))[1].what == "bill failed"


def test_of_difference() -> None:
    """A line that differs is told when its money moved, with both amounts; only a refund's has a refund's number.

    A bill's whole second may have begun before the payment was opened: the line is not told before that.
    """
    at, payment = of_difference(difference(1, "77", kind="amount_differs", ours=98, at=BEGAN), 0)
    assert (at, payment.kind, payment.what) == (BEGAN, "settlement", "bill amount_differs")
    assert payment.detail == {
        "account": "alipay:shop",
        "date": YESTERDAY,
        "payment_id": "77",
        "refund_id": None,
        "trade_no": "t1",
        "ours": 98,
        "theirs": 100,
        "why": "no payment of ours has this number",
    }
    at, refund = of_difference(difference(1, "77", refund_number="r1", at=BEGAN - 1), BEGAN)
    assert (at, refund.at, refund.detail["refund_id"]) == (BEGAN, AT, "r1")


def test_the_order_of_one_millisecond() -> None:
    """What is to be settled comes behind what caused it, and before what the journal says of it."""
    callback, entry = moment(BEGAN, "payments", "callback", "x"), moment(BEGAN, "journal", "journal", "y")
    told = in_order([entry, of_break(difference_of("77")), callback])
    assert [one.kind for one in told] == ["callback", "settlement", "journal"]


async def test_in_the_timeline(alice: Buyer, operator: httpx.AsyncClient, shop: PeerShop) -> None:
    """An order's timeline has its break, its line that differs and the bill that was compared, in order of time."""
    order = await alice.order()
    shop.world.advance(500)
    number = (await alice.pay(order))["payment_id"]
    shop.book.breaks = [difference_of(number)]
    shop.book.bills.of_order = BillsFound((compared(differences=1),), (difference(1, number, at=BEGAN),))
    timeline = await timeline_of(operator, order["order_id"])
    assert settlement(timeline) == ["break amount_mismatch", "bill theirs_only", "bill done"]
    told = [(one["at"][17:23], one["what"]) for one in timeline["moments"]]
    assert told.index(("20.500", "opened")) < told.index(("20.500", "bill theirs_only"))
    assert told[-1] == ("21.000", "bill done")
    assert shop.book.bills.asked == [BillsOfOrder(int(order["order_id"]))]
    assert (timeline["missing"], timeline["complete"]) == ([], True)


async def test_not_in_others(alice: Buyer, operator: httpx.AsyncClient, shop: PeerShop) -> None:
    """A break of one order does not stand in another's timeline."""
    first, second = await alice.order(), await alice.order()
    shop.book.breaks = [difference_of((await alice.pay(first))["payment_id"])]
    await alice.pay(second)
    assert settlement(await timeline_of(operator, first["order_id"])) == ["break amount_mismatch"]
    assert settlement(await timeline_of(operator, second["order_id"])) == []


async def test_without_bills(alice: Buyer, operator: httpx.AsyncClient, shop: PeerShop) -> None:
    """When nobody says what bills have of an order, the rest is shown, and payments is named as missing."""
    order = await alice.order()
    shop.book.breaks = [difference_of((await alice.pay(order))["payment_id"])]
    shop.failing["payments.BillsOfOrder"] = Overloaded("busy")
    timeline = await timeline_of(operator, order["order_id"])
    assert (timeline["missing"], settlement(timeline)) == (["payments"], ["break amount_mismatch"])
