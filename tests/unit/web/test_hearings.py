"""Who has heard an event is told from what they stored, and from nothing else."""

import time
from typing import Any

import msgspec
import pytest

from makegood.engine.dead_letters import DeadLetter
from makegood.shop.journal.contracts import Entry
from makegood.shop.orders import contracts as orders
from makegood.shop.payments import contracts as payments
from makegood.shop.points import contracts as points
from makegood.shop.reservation_contracts import ReservationFound
from makegood.times import rfc3339
from makegood.web.hearings import Known, of_events
from makegood.web.links import fields_of, id_in
from makegood.web.port import Traces

LISTENERS = {
    "orders: cancelled": ("stock", "coupons", "journal"),
    "orders: refund-requested": ("stock", "payments", "journal"),
    "payments: succeeded": ("orders", "points", "journal"),
    "payments: refunded": ("orders", "points", "journal"),
}
CANCELLED = orders.Cancelled(1, "alice", "cancelled", ("stock",))
REQUESTED = orders.RefundRequested(1, "alice", 5, ("stock",), "asked")
SUCCEEDED = payments.Succeeded(5, 1, "alice", "alipay", 100, 20)
REFUNDED = payments.Refunded(5, 9, 1, "alice", 100, 100, 100, 60)


def journalled(event: Any, payload: msgspec.Struct, at: int) -> Entry:
    """What the journal wrote down at that time."""
    return Entry(at, at, event.topic, event.tag, 1, None, msgspec.json.encode(payload).decode())


def set_aside(event: Any, payload: msgspec.Struct, group: str) -> DeadLetter:
    """What a group could not handle."""
    body = msgspec.json.encode(payload).decode()
    return DeadLetter("x", group, group, event.topic, event.tag, "1", 1, 1, 1, None, "boom", body)


def order(*changes: orders.Change, payment_id: int | None = 5) -> orders.Order:
    """An order with these changes."""
    last = changes[-1]
    return orders.Order(
        1, "alice", last.status, last.payment_status, last.shipping_status, (), 100, None, 0, 0, 0, 100, 1, 2,
        payment_id, "confirmed", changes,
    )  # fmt: skip


def payment(*refunds: payments.Refund) -> payments.Payment:
    """A payment that was captured at 20 by the platform's time."""
    return payments.Payment(5, 1, "alice", "alipay", 100, "PAID", 100, 0, "t", "", 10, 20, refunds)


def told(known: Known) -> dict[str, Any]:
    """The details of the only event."""
    known.traces = msgspec.structs.replace(known.traces, listeners=LISTENERS)
    [(_, moment)] = of_events(known)
    return moment.detail


def heard(known: Known) -> dict[str, str]:
    """When each group heard the only event."""
    return {one["group"]: one["at"] for one in told(known)["heard"]}


def test_a_capture_is_heard_by_orders_points_and_journal() -> None:
    """The order's change, the entry of points and the journal's entry say so; it left when we stored the capture."""
    known = Known(
        order=order(
            orders.Change(1, "OPEN", "UNPAID", "UNSHIPPED", "placed"),
            orders.Change(30, "CONFIRMED", "PAID", "UNSHIPPED", "paid"),
        ),
        payments={5: payment()},
        trails={5: payments.PaymentTrail(5, "notice", 25, 99, 0, None, ())},
        entries=(journalled(payments.SUCCEEDED, SUCCEEDED, 40),),
        points=(points.Entry(5, 9, -1, 60), points.Entry(5, 0, 1, 50)),
    )
    assert heard(known) == {"orders": rfc3339(30), "points": rfc3339(50), "journal": rfc3339(40)}
    assert told(known)["published_at"] == rfc3339(25)


def test_another_payment_says_nothing() -> None:
    """That an order was paid by one payment does not say that orders heard of another."""
    known = Known(
        order=order(orders.Change(30, "CONFIRMED", "PAID", "UNSHIPPED", "paid"), payment_id=6),
        entries=(journalled(payments.SUCCEEDED, SUCCEEDED, 40),),
    )
    detail = told(known)
    assert (detail["published_at"], detail["not_known"]) == (None, ["orders", "points"])


def test_a_refund_is_told_by_its_own_number() -> None:
    """A refund's event left when that refund succeeded, and points heard of it by its own entry."""
    one = payments.Refund(9, 100, "SUCCEEDED", "asked", 45, 55)
    known = Known(
        order=order(orders.Change(70, "CANCELLED", "REFUNDED", "UNSHIPPED", "refunded")),
        payments={5: payment(payments.Refund(8, 1, "SUCCEEDED", "part", 1, 2), one)},
        entries=(journalled(payments.REFUNDED, REFUNDED, 65),),
        points=(points.Entry(5, 0, 1, 50), points.Entry(5, 9, -1, 60)),
    )
    assert heard(known) == {"orders": rfc3339(70), "points": rfc3339(60), "journal": rfc3339(65)}
    assert told(known)["published_at"] == rfc3339(55)


@pytest.mark.parametrize(("state", "at"), [("RETURNED", rfc3339(30)), ("CANCELLED", rfc3339(30)), ("TAKEN", None)])
def test_a_cancel_is_heard_by_who_gave_back(state: str, at: str | None) -> None:
    """A participant that the event names has heard it once it gave back, or remembers the cancel."""
    known = Known(
        order=order(orders.Change(20, "CANCELLED", "UNPAID", "UNSHIPPED", "expired")),
        entries=(journalled(orders.CANCELLED, CANCELLED, 25),),
        reservations={"stock": ReservationFound(state, "", "", 5, 30), "coupons": ReservationFound("RETURNED")},
    )
    assert heard(known).get("stock") == at
    assert "coupons" in told(known)["not_known"]


def test_a_refund_request_is_heard_by_payments() -> None:
    """The refund that it began says so; an operator's part says nothing."""
    known = Known(
        order=order(orders.Change(40, "CONFIRMED", "REFUNDING", "UNSHIPPED", "refund_requested")),
        payments={5: payment(payments.Refund(8, 1, "REQUESTED", "part", 1, 1))},
        entries=(journalled(orders.REFUND_REQUESTED, REQUESTED, 50),),
    )
    assert "payments" in told(known)["not_known"]
    known.payments = {5: payment(payments.Refund(9, 99, "REQUESTED", "asked", 45, 45))}
    assert heard(known)["payments"] == rfc3339(45)
    assert told(known)["published_at"] == rfc3339(40)


def test_an_event_nobody_could_handle() -> None:
    """An event that is only set aside is told all the same, with the group that failed; others are not known."""
    known = Known(
        payments={5: payment()},
        traces=Traces((set_aside(payments.SUCCEEDED, SUCCEEDED, "points"),), (), {}),
    )
    detail = told(known)
    assert (detail["heard"], detail["set_aside"], detail["not_known"]) == ([], ["points"], ["orders", "journal"])


def test_an_event_of_an_unknown_time_is_left_out() -> None:
    """Neither published nor heard at a time that is known: only the set-aside event itself is told."""
    known = Known(traces=Traces((set_aside(payments.SUCCEEDED, SUCCEEDED, "points"),), (), LISTENERS))
    assert list(of_events(known)) == []


def test_many_events_take_little_time() -> None:
    """A thousand events, each with its refund and its points, are told in well under a second of the event loop."""
    numbers = range(1, 1_001)
    events = [msgspec.structs.replace(REFUNDED, refund_id=number) for number in numbers]
    known = Known(
        payments={5: payment(*(payments.Refund(number, 1, "SUCCEEDED", "part", 45, 55) for number in numbers))},
        entries=tuple(journalled(payments.REFUNDED, event, 65) for event in events),
        points=tuple(points.Entry(5, number, -1, 60) for number in numbers),
        traces=Traces(tuple(set_aside(payments.REFUNDED, event, "orders") for event in events[:50]), (), LISTENERS),
    )
    began = time.process_time()
    told = list(of_events(known))
    assert time.process_time() - began < 0.5
    assert [len(moment.detail["set_aside"]) for _, moment in told] == [1] * 50 + [0] * 950
    assert {one["at"] for _, moment in told for one in moment.detail["heard"]} == {rfc3339(60), rfc3339(65)}


@pytest.mark.parametrize(
    "fields",
    [
        {"payment_id": [1]},
        {"payment_id": {}, "refund_id": [2]},
        {"payment_id": 10**19},
        {"payment_id": True},
        {"participants": None},
        {"participants": 7},
        {"participants": "stock"},
    ],
)
def test_a_malformed_body_is_told(fields: dict[str, Any]) -> None:
    """A set-aside event whose fields are of other types is told with its body, and says nothing of who heard it."""
    letter = msgspec.structs.replace(
        set_aside(orders.CANCELLED, CANCELLED, "coupons"), body=msgspec.json.encode(fields).decode()
    )
    known = Known(
        order=order(orders.Change(20, "CANCELLED", "UNPAID", "UNSHIPPED", "expired")),
        reservations={"stock": ReservationFound("RETURNED", "", "", 5, 30)},
        traces=Traces((letter,), (), {}),
    )
    detail = told(known)
    assert (detail["payload"], detail["set_aside"]) == (letter.body, ["coupons"])
    assert (detail["heard"], detail["not_known"]) == ([], ["stock", "journal"])


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ('{"id":1}', 1),
        (f'{{"id":{2**63 - 1}}}', 2**63 - 1),
        (f'{{"id":{2**63}}}', None),
        ('{"id":true}', None),
        ('{"id":0}', None),
        ('{"id":"1"}', None),
        ('{"id":1.0}', None),
        ("[1]", None),
        ('{"a":' + "[" * 100_000, None),
    ],
)
def test_ids_in_bodies(body: str, found: int | None) -> None:
    """An id is a whole number that an id can be; whatever else a body holds is none, and breaks nothing."""
    assert id_in(fields_of(body), "id") == found
