"""Refunds: made, looked at."""

from typing import Any, Final

import msgspec

from makegood.sandbox import trades
from makegood.sandbox.faults import Kind, Trouble
from makegood.sandbox.store import Transaction
from makegood.sandbox.trades import NewRefund, Refund, Trade

from . import forms, objects
from .errors import Refused, missing
from .objects import JsonObject
from .payments import MAX_AMOUNT, Asked, intent_of

FAILS_AFTER_MILLISECONDS: Final = 1000


def create(tx: Transaction, asked: Asked, trouble: Trouble) -> JsonObject:
    """POST /v1/refunds: gives back all that is left, or a part."""
    trade = _paid(tx, asked)
    left = trade.amount - trade.refunded
    if left == 0:
        raise Refused(f"Charge ch_{trade.code} has already been refunded.", code="charge_already_refunded")
    amount = forms.whole(asked.fields, "amount", 1, MAX_AMOUNT, left)
    if amount > left:
        raise Refused(f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left})", param="amount")
    details: dict[str, Any] = {
        "metadata": forms.metadata(asked.fields),
        "reason": forms.text(asked.fields, "reason")[:100],
    }
    made = trades.give_back(tx, trade, _new(tx, trouble, trade, amount, details))
    now_refunded = trades.by_id(tx, trade.id) or trade
    shown = objects.refund(now_refunded, made, tx.now, details)
    asked.teller.refunded(tx, now_refunded, made, shown)
    return shown


def retrieve(tx: Transaction, asked: Asked) -> JsonObject:
    """GET /v1/refunds/{id}."""
    number = asked.identity.removeprefix("re_")
    found = trades.refund_numbered(tx, number, trades.STRIPE) if number != asked.identity else None
    if found is None:
        raise missing("refund", asked.identity)
    return described(*found, tx.now)


def described(trade: Trade, made: Refund, now: int) -> JsonObject:
    """A refund with what the merchant said of it."""
    return objects.refund(trade, made, now, msgspec.json.decode(made.details or "{}", type=dict[str, Any]))


def _paid(tx: Transaction, asked: Asked) -> Trade:
    intent, charge = forms.text(asked.fields, "payment_intent"), forms.text(asked.fields, "charge")
    if not (intent or charge):
        raise Refused("Send payment_intent or charge.", code="parameter_missing", param="payment_intent")
    trade = intent_of(tx, intent) if intent else intent_of(tx, charge, "ch_")
    if not trade.paid_at:
        raise Refused("This PaymentIntent does not have a successful charge to refund.", param="payment_intent")
    return trade


def _new(tx: Transaction, trouble: Trouble, trade: Trade, amount: int, details: JsonObject) -> NewRefund:
    subject = f"refund of {trade.amount} by {amount} after {trade.refunded}"
    fails = any(trouble.happens(kind, trades.STRIPE, subject) for kind in (Kind.REFUND_ABNORMAL, Kind.REFUND_CLOSED))
    return NewRefund(
        tx.new_token(),
        amount,
        trades.CLOSED if fails else trades.SUCCESS,
        FAILS_AFTER_MILLISECONDS if fails else 0,
        msgspec.json.encode(details).decode(),
    )
