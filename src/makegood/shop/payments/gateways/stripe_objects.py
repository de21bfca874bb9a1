"""Stripe's objects, as far as they are read, and what they say.

Source: Stripe API reference: Checkout Session, PaymentIntent, Charge, Refund, Balance transaction, Event. Our numbers
stand in their metadata; an object without them is of another business of the same merchant.
"""

from collections.abc import Iterator
from typing import Annotated, Literal

import msgspec

from makegood.shop.payments.gateways.port import (
    LAST_MOMENT,
    MAX_AMOUNT,
    BillLine,
    GatewayUnavailable,
    Notice,
    NoticeKind,
    RefundState,
    RefundStatus,
    Trade,
)

CURRENCY = "cny"
PAYMENT, REFUND = "payment_id", "refund_id"
"""Under which names our numbers stand in metadata."""
MAX_NUMBER = 64
"""Most characters of a number that can be ours."""
Id = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
Seconds = Annotated[int, msgspec.Meta(ge=0, le=LAST_MOMENT // 1000)]
_Metadata = dict[str, str]
_REFUND_STATES: dict[str, RefundStatus] = {
    "succeeded": "succeeded",
    "pending": "processing",
    "requires_action": "processing",
    "failed": "failed",
    "canceled": "failed",
}
_LINES: dict[str, Literal["payment", "refund"]] = {
    "charge": "payment",
    "payment": "payment",
    "refund": "refund",
    "payment_refund": "refund",
}
_SESSIONS: dict[str, NoticeKind] = {
    "checkout.session.completed": "captured",
    "checkout.session.async_payment_succeeded": "captured",
    "checkout.session.async_payment_failed": "closed",
    "checkout.session.expired": "closed",
}
_REFUNDS = frozenset({"refund.created", "refund.updated", "refund.failed", "charge.refund.updated"})


class Charge(msgspec.Struct, frozen=True):
    """What was taken from the buyer."""

    id: Id
    created: Seconds
    amount: int
    amount_refunded: int
    currency: str
    payment_intent: Id | None = None
    metadata: _Metadata | None = None


class Intent(msgspec.Struct, frozen=True):
    """A payment, with its last attempt if that was asked for."""

    id: Id
    amount_received: int
    currency: str
    metadata: _Metadata | None = None
    latest_charge: Charge | str | None = None


class Session(msgspec.Struct, frozen=True):
    """A page to pay on; its payment has a number of its own from the moment the buyer confirmed it."""

    id: Id
    status: str | None
    payment_status: str
    amount_total: int | None = None
    currency: str | None = None
    client_reference_id: str | None = None
    url: Annotated[str, msgspec.Meta(pattern="^https?://", max_length=4096)] | None = None
    payment_intent: Id | None = None
    metadata: _Metadata | None = None


class Refund(msgspec.Struct, frozen=True):
    """Money given back, or on its way."""

    id: Id
    amount: int
    currency: str
    status: str | None
    payment_intent: Id | None = None
    failure_reason: str | None = None
    metadata: _Metadata | None = None


class Refunds(msgspec.Struct, frozen=True):
    """A page of refunds."""

    data: tuple[Refund, ...]
    has_more: bool = False


class Entry(msgspec.Struct, frozen=True):
    """A change of the merchant's balance, and what it is due to."""

    id: Id
    type: str
    created: Seconds
    source: msgspec.Raw


class Entries(msgspec.Struct, frozen=True):
    """A page of the balance, the newest first."""

    data: tuple[Entry, ...]
    has_more: bool = False


class Data(msgspec.Struct, frozen=True):
    """What an event is about, as it was then."""

    object: msgspec.Raw


class Event(msgspec.Struct, frozen=True):
    """A notification."""

    id: Id
    type: str
    created: Seconds
    data: Data


def trade_of(session: Session, intent: Intent | None) -> Trade:
    """What became of a session; its `intent` with the charge, if it is paid. Raises GatewayUnavailable."""
    if session.status == "expired":
        return Trade("closed")
    if session.status == "open" or session.payment_status != "paid":
        return Trade("unpaid")
    if intent is None or not isinstance(intent.latest_charge, Charge):
        raise GatewayUnavailable(f"session {session.id} is paid and has no charge: ask again")
    charge = intent.latest_charge
    state = "closed" if charge.amount_refunded >= charge.amount else "paid"
    return Trade(state, intent.id, _fen(intent.amount_received, intent.currency), charge.created * 1000)


def refund_state(refund: Refund) -> RefundState:
    """Where a refund stands. Raises GatewayUnavailable."""
    status = _REFUND_STATES.get(refund.status or "")
    if status is None:
        raise GatewayUnavailable(f"refund {refund.id}: status {refund.status!r} is not documented")
    return RefundState(
        status, "" if status == "succeeded" else f"{refund.status} {refund.failure_reason or ''}".strip()
    )


def bill_lines(entries: Entries) -> Iterator[BillLine]:
    """Payments and refunds among the changes of the balance, by what the buyer paid. Raises msgspec's errors."""
    for entry in entries.data:
        kind = _LINES.get(entry.type)
        if kind == "payment":
            charge = msgspec.json.decode(entry.source, type=Charge)
            yield _line(entry, kind, charge, charge.metadata)
        elif kind == "refund":
            refund = msgspec.json.decode(entry.source, type=Refund)
            yield _line(entry, kind, refund, refund.metadata)


def notice_of(event: Event) -> Notice:
    """What an event says; of kind "other" unless it is about a payment of ours. Raises msgspec's errors."""
    content = event.data.object
    if event.type in _SESSIONS:
        return _session_notice(event, msgspec.json.decode(content, type=Session))
    if event.type == "payment_intent.succeeded":
        intent = msgspec.json.decode(content, type=Intent)
        amount = _fen(intent.amount_received, intent.currency)
        return _notice(event, "captured", _number(intent.metadata, PAYMENT), intent.id, amount)
    if event.type == "charge.refunded":
        charge = msgspec.json.decode(content, type=Charge)
        amount = _fen(charge.amount_refunded, charge.currency)
        return _notice(event, "refund", _number(charge.metadata, PAYMENT), charge.payment_intent or charge.id, amount)
    if event.type in _REFUNDS:
        return _refund_notice(event, msgspec.json.decode(content, type=Refund))
    return _notice(event, "other", "", "", 0)


def _session_notice(event: Event, session: Session) -> Notice:
    kind: NoticeKind = _SESSIONS[event.type]
    if kind == "captured" and session.payment_status != "paid":
        kind = "other"  # the buyer's bank has not decided yet
    amount = _fen(session.amount_total or 0, session.currency or "")
    trade_no = session.payment_intent or session.id
    return _notice(event, kind, _number(session.metadata, PAYMENT), trade_no, amount)


def _refund_notice(event: Event, refund: Refund) -> Notice:
    """About one refund of ours; what somebody else gave back stands in the charge's own event."""
    number = _number(refund.metadata, REFUND)
    payment = _number(refund.metadata, PAYMENT) if number else ""
    amount = _fen(refund.amount, refund.currency) if refund.status == "succeeded" else 0
    return _notice(event, "refund", payment, refund.payment_intent or refund.id, amount, number)


def _notice(event: Event, kind: NoticeKind, number: str, trade_no: str, amount: int, refund_number: str = "") -> Notice:
    return Notice(
        notify_id=event.id,
        payment_id=number,
        trade_no=trade_no,
        kind=kind if number else "other",
        amount=amount,
        occurred_at=event.created * 1000,
        raw={"type": event.type, "object": bytes(event.data.object).decode()},
        refund_id=refund_number,
    )


def _line(
    entry: Entry, kind: Literal["payment", "refund"], source: Charge | Refund, metadata: _Metadata | None
) -> BillLine:
    return BillLine(
        kind=kind,
        number=_number(metadata, PAYMENT),
        refund_number=_number(metadata, REFUND) if kind == "refund" else "",
        trade_no=source.payment_intent or source.id,
        amount=_fen(source.amount, source.currency),
        at=entry.created * 1000,
    )


def _number(metadata: _Metadata | None, name: str) -> str:
    number = (metadata or {}).get(name, "")
    return number if len(number) <= MAX_NUMBER else ""


def _fen(amount: int, currency: str) -> int:
    """0 for what is no amount in yuan: it is then found to differ from every payment of ours."""
    return amount if currency == CURRENCY and 0 <= amount <= MAX_AMOUNT else 0
