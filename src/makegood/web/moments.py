"""What happened around an order, told from what the services have stored; nothing is told that is not stored."""

from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from makegood.engine.dead_letters import TASK, DeadLetter
from makegood.shop.journal.contracts import Entry
from makegood.shop.orders.contracts import Order
from makegood.shop.payments import bill_contracts as bills
from makegood.shop.payments import contracts as payments
from makegood.shop.payments.contracts import Payment, PaymentTrail
from makegood.shop.points import contracts as points
from makegood.shop.reservation_contracts import ReservationFound
from makegood.times import rfc3339
from makegood.web.port import WorkSeen

Source = Literal["orders", "payments", "journal", "stock", "coupons", "accounts", "points"]
Kind = Literal["operation", "change", "event", "callback", "task", "set-aside", "journal", "settlement"]
"""A call that was answered; a state that a service wrote down; an event and who heard it; a platform's callback; work
that is not done; an event that a consumer could not handle; an entry of the journal; a difference to the platform, or a
comparison with its bill."""
RANKS: tuple[Kind, ...] = ("operation", "callback", "change", "event", "set-aside", "task", "settlement", "journal")
"""What comes first of the same millisecond."""


class Moment(msgspec.Struct, frozen=True):
    """Something that happened around the order: when, in which service, of what kind, what; `detail` differs with it.

    In `detail`, `payload`, `taken`, `answer` and `body` are text as the service stored it, amounts are fen.
    """

    at: str
    source: str
    kind: Kind
    what: str
    detail: dict[str, Any]


Timed = tuple[int, Moment]


def moment(at: int, source: str, kind: Kind, what: str, **detail: Any) -> Timed:
    """A moment with its time (ms UTC) to sort by."""
    return at, Moment(rfc3339(at), source, kind, what, detail)


def in_order(timed: list[Timed]) -> list[Moment]:
    """The oldest first; of the same millisecond, what causes before what is caused."""
    return [one for _, one in sorted(timed, key=lambda each: (each[0], RANKS.index(each[1].kind)))]


def of_order(order: Order) -> Iterator[Timed]:
    """Each change of the order's status."""
    for number, change in enumerate(order.changes):
        yield moment(
            change.at,
            "orders",
            "change" if number else "operation",
            change.why,
            status=change.status,
            payment_status=change.payment_status,
            shipping_status=change.shipping_status,
        )


def of_reservation(source: Source, found: ReservationFound) -> Iterator[Timed]:
    """What a participant answered, and whether it has given back; a cancel that came first is no answer."""
    detail = {"taken": found.taken, "answer": found.answer}
    first = "TAKEN" if found.state == "RETURNED" else found.state
    kind: Kind = "change" if first == "CANCELLED" else "operation"
    yield moment(found.at, source, kind, first.lower(), **detail)
    if first != found.state:
        yield moment(found.changed_at, source, "change", found.state.lower(), **detail)


def of_payment(payment: Payment, trail: PaymentTrail | None) -> Iterator[Timed]:
    """Its opening, its callbacks, its capture, its refunds."""
    detail: dict[str, Any] = {
        "payment_id": str(payment.payment_id),
        "channel": payment.channel,
        "amount": payment.amount,
        "state": payment.state,
        "captured": payment.captured,
        "refunded": payment.refunded,
        "trade_no": payment.trade_no,
    }
    yield moment(payment.created_at, "payments", "operation", "opened", **detail)
    for notification in trail.notifications if trail else ():
        yield _of_notification(payment, notification)
    if payment.captured_at is not None:
        told_by = trail.told_by if trail else None
        at = captured_at(payment, trail)
        yield moment(at, "payments", "change", "captured", **detail, told_by=told_by)
    elif payment.state == "CLOSED" and trail is not None:
        yield moment(trail.changed_at, "payments", "change", "closed", **detail)
    for refund in payment.refunds:
        yield from _of_refund(payment, refund)


def captured_at(payment: Payment, trail: PaymentTrail | None) -> int:
    """When we wrote the capture down (ms UTC); when that is not known, the platform's time."""
    if trail is not None:
        return trail.changed_at
    # Platforms tell the time in whole seconds: nothing is captured before it was opened.
    return max(payment.captured_at or 0, payment.created_at)


def of_refused(notice: payments.RefusedNotice) -> Timed:
    """A callback that proved nothing, and names a payment of the order."""
    return moment(
        notice.at,
        "payments",
        "callback",
        "callback refused",
        verified=False,
        channel=notice.channel,
        reason=notice.reason,
        why=notice.detail,
        body=notice.body.decode("utf-8", "replace"),
    )


def of_break(one: payments.Break) -> Timed:
    """A difference to the platform that a person has to settle."""
    return moment(
        one.at,
        "payments",
        "settlement",
        f"break {one.kind}",
        payment_id=one.number,
        channel=one.channel,
        trade_no=one.trade_no,
        amount=one.amount,
        why=one.detail,
    )


def of_reconciliation(one: bills.Reconciliation) -> Timed:
    """The bill of a day on which money of the order moved, compared."""
    return moment(
        one.began_at if one.ended_at is None else one.ended_at,
        "payments",
        "settlement",
        f"bill {one.state.lower()}",
        account=one.account,
        date=one.day,
        run=one.run,
        differences=one.differences,
        why=one.error,
    )


def of_difference(one: bills.Difference, opened_at: int) -> Timed:
    """A line of a bill that differs, about a payment opened at `opened_at` (ms UTC); told when its money moved."""
    return moment(
        max(one.at, opened_at),  # platforms tell the time in whole seconds
        "payments",
        "settlement",
        f"bill {one.kind}",
        account=one.account,
        date=one.day,
        payment_id=one.number,
        refund_id=one.refund_number or None,
        trade_no=one.trade_no,
        ours=one.ours,
        theirs=one.theirs,
        why=one.detail,
    )


def of_entry(entry: Entry) -> Timed:
    """What the journal wrote down."""
    return moment(
        entry.at,
        "journal",
        "journal",
        f"{entry.topic}: {entry.tag}",
        entry_id=str(entry.entry_id),
        payment_id=None if entry.payment_id is None else str(entry.payment_id),
        payload=entry.detail,
    )


def of_points(entry: points.Entry) -> Timed:
    """Points that came or went."""
    return moment(
        entry.at,
        "points",
        "change",
        "added" if entry.refund_id == 0 else "taken back",
        points=entry.points,
        payment_id=str(entry.payment_id),
        refund_id=str(entry.refund_id) if entry.refund_id else None,
    )


def of_work(work: WorkSeen) -> Timed:
    """A task that is not done."""
    return moment(
        work.created_at,
        work.service,
        "task",
        f"task {work.kind}",
        key=work.key,
        attempt=work.attempt,
        running=work.running,
        next_at=None if work.next_at is None else rfc3339(work.next_at),
        error=work.error,
        payload=work.payload,
    )


def of_letter(letter: DeadLetter) -> Timed:
    """An event that a consumer could not handle."""
    assert letter.tag != TASK, f"{letter.id} is a task: it is told with the other work"
    return moment(
        letter.last_at,
        letter.service,
        "set-aside",
        f"set aside {letter.topic}: {letter.tag}",
        letter_id=letter.id,
        group=letter.group,
        tries=letter.tries,
        first_at=rfc3339(letter.first_at),
        next_at=None if letter.next_at is None else rfc3339(letter.next_at),
        error=letter.error,
        payload=letter.body,
    )


def _of_notification(payment: Payment, one: payments.Notification) -> Timed:
    return moment(
        one.at,
        "payments",
        "callback",
        f"callback {one.kind}",
        verified=True,
        said=one.kind,
        payment_id=str(payment.payment_id),
        channel=one.channel,
        amount=one.amount,
        trade_no=one.trade_no,
        notify_id=one.notify_id,
        occurred_at=rfc3339(one.occurred_at),
        effect=one.effect,
        repeats=one.repeats or None,
        repeated_at=None if one.repeated_at is None else rfc3339(one.repeated_at),
    )


def _of_refund(payment: Payment, refund: payments.Refund) -> Iterator[Timed]:
    detail: dict[str, Any] = {
        "payment_id": str(payment.payment_id),
        "refund_id": str(refund.refund_id),
        "amount": refund.amount,
        "reason": refund.reason,
    }
    yield moment(refund.at, "payments", "operation", "refund requested", **detail)
    if refund.state != "REQUESTED":
        yield moment(refund.changed_at, "payments", "change", f"refund {refund.state.lower()}", **detail)
