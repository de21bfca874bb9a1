"""The events around an order, and which consumer groups have heard them, as far as what they stored says so."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from makegood.shop.journal.contracts import Entry
from makegood.shop.orders import contracts as orders
from makegood.shop.orders.contracts import Order
from makegood.shop.payments import contracts as payments
from makegood.shop.payments.bill_contracts import BillsFound
from makegood.shop.payments.contracts import Break, Payment, PaymentTrail, RefusedNotice
from makegood.shop.points.contracts import Entry as PointsEntry
from makegood.shop.reservation_contracts import ReservationFound
from makegood.times import rfc3339
from makegood.web.links import fields_of, id_in
from makegood.web.moments import Timed, captured_at, moment
from makegood.web.port import Traces

CANCELLED, PAID = str(orders.CANCELLED), str(orders.PAID)
CONFIRMED, REFUND_REQUESTED = str(orders.CONFIRMED), str(orders.REFUND_REQUESTED)
SUCCEEDED, REFUNDED = str(payments.SUCCEEDED), str(payments.REFUNDED)


@dataclass
class Known:
    """What the services have said of an order; not `complete`: the journal has more entries than it told."""

    order: Order | None = None
    payments: dict[int, Payment] = field(default_factory=dict[int, Payment])
    trails: dict[int, PaymentTrail] = field(default_factory=dict[int, PaymentTrail])
    refused: tuple[RefusedNotice, ...] = ()
    breaks: tuple[Break, ...] = ()
    bills: BillsFound = field(default_factory=BillsFound)
    entries: tuple[Entry, ...] = ()
    complete: bool = True
    points: tuple[PointsEntry, ...] = ()
    reservations: dict[str, ReservationFound] = field(default_factory=dict[str, ReservationFound])
    traces: Traces = field(default_factory=lambda: Traces((), (), {}))


class _Event(NamedTuple):
    """An event that somebody has stored: its name `topic: tag`, and the payment and refund it is about."""

    name: str
    payment_id: int | None
    refund_id: int | None


@dataclass
class _Stored:
    """What is stored of an event: its payload (JSON text), when the journal heard it (ms UTC), who set it aside."""

    payload: str
    journalled_at: int | None = None
    set_aside: list[str] = field(default_factory=list[str])


def of_events(known: Known) -> Iterator[Timed]:
    """Each event that the journal has written down or a consumer has set aside, with who heard it and when."""
    for event, stored in _events(known).items():
        groups = known.traces.listeners.get(event.name, ())
        aside = [group for group in groups if group in stored.set_aside]
        heard = {group: at for group in groups if (at := _heard_at(known, event, group, stored)) is not None}
        published = _published_at(known, event)
        first = min(heard.values(), default=None)
        at = published if published is not None else first
        if at is not None:
            source, _, tag = event.name.partition(": ")
            yield moment(
                at,
                source,
                "event",
                f"published {tag}",
                published_at=None if published is None else rfc3339(published),
                heard=[{"group": group, "at": rfc3339(heard[group])} for group in groups if group in heard],
                set_aside=aside,
                not_known=[group for group in groups if group not in heard and group not in aside],
                payload=stored.payload,
            )


def _events(known: Known) -> dict[_Event, _Stored]:
    """All of them, in the order in which somebody stored them."""
    found: dict[_Event, _Stored] = {}
    for one in known.entries:
        found.setdefault(_event(f"{one.topic}: {one.tag}", one.detail), _Stored(one.detail, one.at))
    for letter in known.traces.letters:
        event = _event(f"{letter.topic}: {letter.tag}", letter.body)
        found.setdefault(event, _Stored(letter.body)).set_aside.append(letter.group)
    return found


def _event(name: str, payload: str) -> _Event:
    fields = fields_of(payload)
    return _Event(name, id_in(fields, "payment_id"), id_in(fields, "refund_id"))


def _published_at(known: Known, event: _Event) -> int | None:
    """When its publisher committed it (ms UTC): an event leaves with the change that it tells."""
    payment = known.payments.get(event.payment_id or 0)
    if event.name == SUCCEEDED and payment is not None:
        return captured_at(payment, known.trails.get(payment.payment_id))
    if event.name == REFUNDED and payment is not None:
        return next((one.changed_at for one in payment.refunds if one.refund_id == event.refund_id), None)
    for change in known.order.changes if known.order else ():
        if event.name in _told_by(change):
            return change.at
    return None


def _told_by(change: orders.Change) -> tuple[str, ...]:
    """The events that leave with a change of an order."""
    if change.status == "CANCELLED":
        return (CANCELLED, REFUND_REQUESTED) if change.payment_status == "REFUNDED" else (CANCELLED,)
    names = {"confirmed": CONFIRMED, "paid": PAID, "refund_requested": REFUND_REQUESTED}
    return (names[change.why],) if change.why in names else ()


def _heard_at(known: Known, event: _Event, group: str, stored: _Stored) -> int | None:
    """When the group's effect of it was stored (ms UTC); None when that is not known."""
    match group:
        case "journal":
            return stored.journalled_at
        case "points":
            entries = [one for one in known.points if one.payment_id == event.payment_id]
            return next((one.at for one in entries if one.refund_id == (event.refund_id or 0)), None)
        case "orders":
            return _orders_heard(known, event)
        case "payments":
            return _payments_heard(known, event)
        case _:
            return _participant_heard(known.reservations, group, fields_of(stored.payload))


def _orders_heard(known: Known, event: _Event) -> int | None:
    if known.order is None or known.order.payment_id != event.payment_id:
        return None
    why = {SUCCEEDED: "paid", REFUNDED: "refunded"}.get(event.name)
    return next((change.at for change in known.order.changes if change.why == why), None)


def _payments_heard(known: Known, event: _Event) -> int | None:
    payment = known.payments.get(event.payment_id or 0)
    refunds = payment.refunds if payment and event.name == REFUND_REQUESTED else ()
    return next((one.at for one in refunds if one.reason != "part"), None)


def _participant_heard(found: Mapping[str, ReservationFound], group: str, payload: dict[str, Any]) -> int | None:
    reservation = found.get(group)
    participants = payload.get("participants")
    told = isinstance(participants, list) and group in participants
    if reservation is None or not told or reservation.state not in ("RETURNED", "CANCELLED"):
        return None
    return reservation.changed_at
