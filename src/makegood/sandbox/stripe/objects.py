"""Stripe's objects as JSON has them. Amounts are in the currency's smallest unit, times in seconds UTC."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from makegood.sandbox import trades
from makegood.sandbox.trades import Refund, State, Trade

from .merchant import Details, Endpoint, details_of

API_VERSION: Final = "2026-10-28.endive"
CHECKOUT, INTENT = "checkout", "intent"
JsonObject = dict[str, Any]


class Movement(NamedTuple):
    """A change of the balance."""

    id: int
    trade_id: int
    request_no: str | None
    amount: int
    moved_at: int


def session(trade: Trade, now: int, cashier: str) -> JsonObject:
    """A Checkout Session."""
    details, state = details_of(trade), trade.state(now)
    status = {State.WAITING: "open", State.PAID: "complete"}.get(state, "expired")
    return {
        "id": f"cs_test_{trade.code}",
        "object": "checkout.session",
        "amount_subtotal": trade.amount,
        "amount_total": trade.amount,
        "cancel_url": details.cancel_url or None,
        "client_reference_id": details.reference or None,
        "created": trade.created_at // 1000,
        "currency": trade.currency,
        "expires_at": trade.expires_at // 1000,
        "livemode": False,
        "metadata": details.metadata,
        "mode": "payment",
        "payment_intent": f"pi_{trade.code}" if trade.paid_at else None,
        "payment_method_types": ["card"],
        "payment_status": "paid" if trade.paid_at else "unpaid",
        "status": status,
        "success_url": details.success_url or None,
        "ui_mode": "hosted",
        "url": cashier + trade.code if status == "open" else None,
    }


def intent(trade: Trade, now: int) -> JsonObject:
    """A PaymentIntent."""
    details = details_of(trade)
    return {
        "id": f"pi_{trade.code}",
        "object": "payment_intent",
        "amount": trade.amount,
        "amount_capturable": 0,
        "amount_received": trade.amount if trade.paid_at else 0,
        "automatic_payment_methods": {"enabled": True, "allow_redirects": "always"},
        "canceled_at": trade.closed_at // 1000 if trade.closed_at else None,
        "cancellation_reason": "requested_by_customer" if details.canceled_by else None,
        "capture_method": "automatic",
        "client_secret": f"pi_{trade.code}_secret_{trade.code[::-1]}",
        "confirmation_method": "automatic",
        "created": trade.created_at // 1000,
        "currency": trade.currency,
        "description": trade.subject or None,
        "last_payment_error": _declined(details),
        "latest_charge": f"ch_{trade.code}" if trade.paid_at else None,
        "livemode": False,
        "metadata": details.intent_metadata,
        "payment_method": details.payment_method or None,
        "payment_method_types": ["card"],
        "status": _intent_status(trade, details, now),
    }


def charge(trade: Trade) -> JsonObject:
    """The charge of a payment that was made."""
    return {
        "id": f"ch_{trade.code}",
        "object": "charge",
        "amount": trade.amount,
        "amount_captured": trade.amount,
        "amount_refunded": trade.refunded,
        "captured": True,
        "created": (trade.paid_at or 0) // 1000,
        "currency": trade.currency,
        "description": trade.subject or None,
        "livemode": False,
        "metadata": details_of(trade).intent_metadata,
        "paid": True,
        "payment_intent": f"pi_{trade.code}",
        "refunded": trade.refunded == trade.amount,
        "status": "succeeded",
    }


def refund(trade: Trade, made: Refund, now: int, details: JsonObject) -> JsonObject:
    """A refund; `details` has its metadata and its reason."""
    known = {trades.SUCCESS: "succeeded", trades.PROCESSING: "pending"}
    status = known.get(made.status(now), "failed")
    return {
        "id": f"re_{made.request_no}",
        "object": "refund",
        "amount": made.amount,
        "charge": f"ch_{trade.code}",
        "created": made.refunded_at // 1000,
        "currency": trade.currency,
        "failure_reason": "lost_or_stolen_card" if status == "failed" else None,
        "metadata": details.get("metadata", {}),
        "payment_intent": f"pi_{trade.code}",
        "reason": details.get("reason") or None,
        "status": status,
    }


def balance_transaction(series: str, trade: Trade, movement: Movement) -> JsonObject:
    """A change of the balance: by a charge, or by a refund."""
    kind = "refund" if movement.request_no else "charge"
    return {
        "id": f"txn_{series}{movement.id:010d}",
        "object": "balance_transaction",
        "amount": movement.amount,
        "available_on": movement.moved_at // 1000,
        "created": movement.moved_at // 1000,
        "currency": trade.currency,
        "description": trade.subject or None,
        "fee": 0,
        "fee_details": [],
        "net": movement.amount,
        "reporting_category": kind,
        "source": f"re_{movement.request_no}" if movement.request_no else f"ch_{trade.code}",
        "status": "available",
        "type": kind,
    }


def endpoint(each: Endpoint, secret: str = "") -> JsonObject:
    """A webhook endpoint; its secret is shown only when it is made."""
    shown = {
        "id": each.id,
        "object": "webhook_endpoint",
        "api_version": API_VERSION,
        "created": each.created // 1000,
        "enabled_events": list(each.events),
        "livemode": False,
        "metadata": {},
        "status": "enabled",
        "url": each.url,
    }
    return shown | {"secret": secret} if secret else shown


def listed(path: str, found: Sequence[JsonObject], *, more: bool) -> JsonObject:
    """A list."""
    return {"object": "list", "url": path, "has_more": more, "data": list(found)}


def _intent_status(trade: Trade, details: Details, now: int) -> str:
    if trade.paid_at:
        return "succeeded"
    if trade.state(now) is not State.WAITING:
        return "canceled"
    return "requires_confirmation" if details.payment_method else "requires_payment_method"


def _declined(details: Details) -> JsonObject | None:
    if not details.declined:
        return None
    return {
        "type": "card_error",
        "code": "card_declined",
        "decline_code": "generic_decline",
        "message": "Your card was declined.",
        "payment_method": {"id": details.declined, "object": "payment_method"},
    }
