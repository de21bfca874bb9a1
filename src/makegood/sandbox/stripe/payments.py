"""Checkout Sessions and PaymentIntents: made, looked at, expired, confirmed, canceled."""

import re
from typing import Any, Final, NamedTuple

import msgspec

from makegood.sandbox import trades
from makegood.sandbox.store import Transaction
from makegood.sandbox.trades import NewTrade, State, Trade

from . import forms, objects
from .errors import Refused, missing
from .events import Teller
from .forms import Fields
from .merchant import Details, details_of, packed
from .objects import CHECKOUT, INTENT, JsonObject

MAX_AMOUNT: Final = 999_999_999_99
MAX_LINES: Final = 100
SESSION_MILLISECONDS: Final = 24 * 3600 * 1000
LEAST_SESSION_MILLISECONDS: Final = 30 * 60 * 1000
FOR_EVER_MILLISECONDS: Final = 10 * 365 * 24 * 3600 * 1000
_CURRENCY: Final = re.compile(r"[a-zA-Z]{3}")
_FULL: Final = "The sandbox holds as many payments as it can: give it a new --data folder."


class Asked(NamedTuple):
    """A request: what it is about (an id, or nothing), its fields, who tells of events, and the merchant's lag.

    `ahead` is by how many milliseconds the sandbox's clock is ahead of the merchant's.
    """

    identity: str
    fields: Fields
    teller: Teller
    ahead: int
    path: str = ""


def create_session(tx: Transaction, asked: Asked) -> JsonObject:
    """POST /v1/checkout/sessions."""
    fields = asked.fields
    if forms.text(fields, "mode", "payment") != "payment":
        raise Refused("The sandbox knows mode=payment only.", param="mode")
    amount, currency, title = _total(fields)
    intent = forms.inside(fields, "payment_intent_data")
    details = Details(
        metadata=forms.metadata(fields),
        intent_metadata=forms.metadata(intent),
        success_url=_url(fields, "success_url"),
        cancel_url=_url(fields, "cancel_url"),
        reference=forms.text(fields, "client_reference_id")[:200],
    )
    ends = _session_end(tx, asked)
    trade = _create(tx, amount, currency, title, CHECKOUT, details, ends)
    return asked.teller.session(tx, trade)


def session(tx: Transaction, asked: Asked) -> JsonObject:
    """GET /v1/checkout/sessions/{id}."""
    trade = session_of(tx, asked.identity)
    shown = asked.teller.session(tx, trade)
    if trade.paid_at and "payment_intent" in forms.several(asked.fields, "expand"):
        shown["payment_intent"] = objects.intent(trade, tx.now)
    return shown


def expire_session(tx: Transaction, asked: Asked) -> JsonObject:
    """POST /v1/checkout/sessions/{id}/expire."""
    trade = session_of(tx, asked.identity)
    if trade.state(tx.now) is not State.WAITING:
        raise Refused('Only Checkout Sessions with a status in ["open"] can be expired.')
    closed = trades.close(tx, trade)
    shown = asked.teller.session(tx, closed)
    asked.teller.tell(tx, closed, "checkout.session.expired", shown)
    return shown


def create_intent(tx: Transaction, asked: Asked) -> JsonObject:
    """POST /v1/payment_intents."""
    fields = asked.fields
    amount = forms.whole(fields, "amount", 1, MAX_AMOUNT)
    details = Details(intent_metadata=forms.metadata(fields), payment_method=forms.text(fields, "payment_method")[:200])
    currency, title = _currency(fields), forms.text(fields, "description")[:500]
    trade = _create(tx, amount, currency, title, INTENT, details, tx.now + FOR_EVER_MILLISECONDS)
    asked.teller.tell(tx, trade, "payment_intent.created", objects.intent(trade, tx.now))
    if forms.text(fields, "confirm") == "true":
        return _confirmed(tx, asked, trade, details.payment_method)
    return objects.intent(trade, tx.now)


def intent(tx: Transaction, asked: Asked) -> JsonObject:
    """GET /v1/payment_intents/{id}."""
    trade = intent_of(tx, asked.identity)
    shown = objects.intent(trade, tx.now)
    if trade.paid_at and "latest_charge" in forms.several(asked.fields, "expand"):
        shown["latest_charge"] = objects.charge(trade)
    return shown


def confirm_intent(tx: Transaction, asked: Asked) -> JsonObject:
    """POST /v1/payment_intents/{id}/confirm."""
    trade = intent_of(tx, asked.identity)
    if trade.state(tx.now) is not State.WAITING:
        raise _unexpected(trade, tx.now, "confirm")
    method = forms.text(asked.fields, "payment_method")[:200] or details_of(trade).payment_method
    return _confirmed(tx, asked, trade, method)


def cancel_intent(tx: Transaction, asked: Asked) -> JsonObject:
    """POST /v1/payment_intents/{id}/cancel."""
    trade = intent_of(tx, asked.identity)
    if trade.state(tx.now) is not State.WAITING:
        raise _unexpected(trade, tx.now, "cancel")
    details = msgspec.structs.replace(details_of(trade), canceled_by="merchant")
    canceled = trades.close(tx, trades.rewrite(tx, trade, packed(details)))
    shown = objects.intent(canceled, tx.now)
    asked.teller.tell(tx, canceled, "payment_intent.canceled", shown)
    return shown


def session_of(tx: Transaction, identity: str) -> Trade:
    """The session with that id. Raises Refused."""
    trade = _by(tx, identity, "cs_test_")
    if trade is None or trade.product != CHECKOUT:
        raise missing("checkout.session", identity)
    return trade


def intent_of(tx: Transaction, identity: str, prefix: str = "pi_") -> Trade:
    """The PaymentIntent with that id, or the one of a charge; a session has one when it is paid. Raises Refused."""
    trade = _by(tx, identity, prefix)
    if trade is None or (trade.product == CHECKOUT and not trade.paid_at):
        raise missing("payment_intent" if prefix == "pi_" else "charge", identity)
    return trade


def _confirmed(tx: Transaction, asked: Asked, trade: Trade, method: str) -> JsonObject:
    if not method:
        raise Refused("Send a payment_method, such as pm_card_visa.", code="parameter_missing", param="payment_method")
    details = details_of(trade)
    if "declined" in method.lower():
        kept = msgspec.structs.replace(details, payment_method="", declined=method)
        declined = trades.rewrite(tx, trade, packed(kept))
        shown = objects.intent(declined, tx.now)
        asked.teller.tell(tx, declined, "payment_intent.payment_failed", shown)
        return {"error": {**shown["last_payment_error"], "payment_intent": shown}}
    kept = msgspec.structs.replace(details, payment_method=method, declined="")
    paid = trades.pay(tx, trades.rewrite(tx, trade, packed(kept)))
    asked.teller.paid(tx, paid)
    return objects.intent(paid, tx.now)


def _unexpected(trade: Trade, now: int, what: str) -> Refused:
    status = objects.intent(trade, now)["status"]
    return Refused(
        f"You cannot {what} this PaymentIntent because it has a status of {status}.",
        code="payment_intent_unexpected_state",
    )


def _by(tx: Transaction, identity: str, prefix: str) -> Trade | None:
    trade = trades.by_code(tx, identity.removeprefix(prefix)) if identity.startswith(prefix) else None
    return trade if trade and trade.platform == trades.STRIPE else None


def _create(
    tx: Transaction, amount: int, currency: str, title: str, product: str, details: Details, ends: int
) -> Trade:
    code = tx.new_token()
    made = trades.create(
        tx,
        NewTrade(code, f"pi_{code}", amount, title, currency, "", ends, trades.STRIPE, product, packed(details)),
        opened=True,
    )
    if made is None:
        raise Refused(_FULL, status=500, kind="api_error")
    return made


def _total(fields: Fields) -> tuple[int, str, str]:
    """Amount, currency and title of the line items."""
    lines = forms.several(fields, "line_items")
    if not 0 < len(lines) <= MAX_LINES:
        raise Refused(f"Send 1 to {MAX_LINES} line_items.", code="parameter_missing", param="line_items")
    totals = [_line(line) for line in lines]
    amount = sum(total for total, _, _ in totals)
    if len({currency for _, currency, _ in totals}) > 1 or not 0 < amount <= MAX_AMOUNT:
        raise Refused("Send line_items of one currency, and of an amount that can be paid.", param="line_items")
    return amount, totals[0][1], ", ".join(title for _, _, title in totals)[:500]


def _line(line: Any) -> tuple[int, str, str]:
    if not isinstance(line, dict):
        raise Refused("Send line_items with brackets: line_items[0][price_data][…]=….", param="line_items")
    fields = dict[str, Any](line)
    price = forms.inside(fields, "price_data")
    product = forms.inside(price, "product_data")
    quantity = forms.whole(fields, "quantity", 1, 1_000_000, 1)
    title = forms.text(product, "name")
    if not title:
        raise Refused("Missing required param: name.", code="parameter_missing", param="line_items")
    return forms.whole(price, "unit_amount", 0, MAX_AMOUNT) * quantity, _currency(price), title


def _currency(fields: Fields) -> str:
    currency = forms.text(fields, "currency")
    if not _CURRENCY.fullmatch(currency):
        raise Refused("Send a currency such as cny.", code="parameter_missing", param="currency")
    return currency.lower()


def _url(fields: Fields, name: str) -> str:
    url = forms.text(fields, name)
    if url and not url.startswith(("http://", "https://")):
        raise Refused("Not a valid URL", code="url_invalid", param=name)
    return url


def _session_end(tx: Transaction, asked: Asked) -> int:
    said = forms.whole(asked.fields, "expires_at", 0, 10**11, 0)
    if not said:
        return tx.now + SESSION_MILLISECONDS
    ends = said * 1000 + asked.ahead
    slack = 60_000
    if not LEAST_SESSION_MILLISECONDS - slack <= ends - tx.now <= SESSION_MILLISECONDS + slack:
        raise Refused("The `expires_at` timestamp must be 30 minutes to 24 hours from now.", param="expires_at")
    return ends
