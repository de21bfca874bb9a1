"""Lists: the newest first, in pages, by a cursor that is an id, and by when things were made."""

from collections.abc import Callable
from typing import Any, Final

from makegood.sandbox import trades
from makegood.sandbox.store import Transaction
from makegood.sandbox.trades import Refund, Trade

from . import forms, objects, refunds
from .errors import missing
from .forms import Fields
from .objects import CHECKOUT, JsonObject, Movement
from .payments import Asked, intent_of, session_of

MAX_PAGE: Final = 100
_COMPARISONS: Final = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}


def sessions(tx: Transaction, asked: Asked) -> JsonObject:
    """GET /v1/checkout/sessions."""
    after = forms.text(asked.fields, "starting_after")
    before = session_of(tx, after).id if after else None
    intent = forms.text(asked.fields, "payment_intent")
    if intent:
        only = intent_of(tx, intent)
        return objects.listed(asked.path, [asked.teller.session(tx, only)], more=False)
    return _trades(tx, asked, "product = 'checkout'", before, lambda trade: asked.teller.session(tx, trade))


def intents(tx: Transaction, asked: Asked) -> JsonObject:
    """GET /v1/payment_intents."""
    after = forms.text(asked.fields, "starting_after")
    before = intent_of(tx, after).id if after else None
    which = f"(product <> '{CHECKOUT}' OR paid_at IS NOT NULL)"
    return _trades(tx, asked, which, before, lambda trade: objects.intent(trade, tx.now))


def refunds_made(tx: Transaction, asked: Asked) -> JsonObject:
    """GET /v1/refunds, of a payment_intent or a charge, or all."""
    fields = asked.fields
    limit, created, values = _bounds(fields, "refunded_at")
    condition = "platform = 'stripe'" + created
    intent, charge = forms.text(fields, "payment_intent"), forms.text(fields, "charge")
    if intent or charge:
        condition += f" AND trades.id = {(intent_of(tx, intent) if intent else intent_of(tx, charge, 'ch_')).id}"
    rows = tx.rows(
        "SELECT trades.*, refunds.* FROM refunds JOIN trades ON trades.id = trade_id"  # noqa: S608 - texts of this module
        f" WHERE {condition} ORDER BY refunded_at DESC, request_no LIMIT 10000",
        *values,
    )
    width = len(Trade.__struct_fields__)
    found = [refunds.described(Trade(*row[:width]), Refund(*row[width:]), tx.now) for row in rows]
    after = forms.text(fields, "starting_after")
    ids = [each["id"] for each in found]
    if after and after not in ids:
        raise missing("refund", after)
    begin = ids.index(after) + 1 if after else 0
    return objects.listed(asked.path, found[begin : begin + limit], more=len(found) > begin + limit)


def movements(tx: Transaction, asked: Asked, series: str) -> JsonObject:
    """GET /v1/balance_transactions."""
    fields = asked.fields
    limit, created, values = _bounds(fields, "moved_at")
    condition = "1" + created
    kind = forms.text(fields, "type")
    if kind:
        said = {"charge": "request_no IS NULL", "payment": "0", "refund": "request_no IS NOT NULL"}
        condition += f" AND {said.get(kind, '0')}"
    after = forms.text(fields, "starting_after")
    if after:
        condition += f" AND id < {_movement_id(after, series)}"
    rows = tx.rows(
        f"SELECT * FROM movements WHERE {condition} ORDER BY id DESC LIMIT {limit + 1}",  # noqa: S608 - as above
        *values,
    )
    expands = "data.source" in forms.several(fields, "expand")
    found = [_movement(tx, series, Movement(*row), expands=expands) for row in rows[:limit]]
    return objects.listed(asked.path, found, more=len(rows) > limit)


def _movement(tx: Transaction, series: str, movement: Movement, *, expands: bool) -> JsonObject:
    [row] = tx.rows("SELECT * FROM trades WHERE id = ?", movement.trade_id)
    trade = Trade(*row)
    shown = objects.balance_transaction(series, trade, movement)
    if expands and movement.request_no:
        found = trades.find_refund(tx, trade, movement.request_no)
        shown["source"] = refunds.described(trade, found, tx.now) if found else shown["source"]
    elif expands:
        shown["source"] = objects.charge(trade)
    return shown


def _movement_id(identity: str, series: str) -> int:
    tail = identity.removeprefix(f"txn_{series}")
    if tail == identity or not tail.isascii() or not tail.isdigit() or len(tail) > 18:
        raise missing("balance_transaction", identity)
    return int(tail)


def _trades(
    tx: Transaction, asked: Asked, which: str, before: int | None, shown: Callable[[Trade], JsonObject]
) -> JsonObject:
    limit, created, values = _bounds(asked.fields, "created_at")
    cursor = f" AND id < {before}" if before is not None else ""
    rows = tx.rows(
        f"SELECT * FROM trades WHERE platform = 'stripe' AND {which}{created}{cursor}"  # noqa: S608 - as above
        f" ORDER BY id DESC LIMIT {limit + 1}",
        *values,
    )
    found = [shown(Trade(*row)) for row in rows[:limit]]
    return objects.listed(asked.path, found, more=len(rows) > limit)


def _bounds(fields: Fields, column: str) -> tuple[int, str, list[int]]:
    """How many, and the condition on when they were made with its values: `created[gte]` and its like, in seconds."""
    limit = forms.whole(fields, "limit", 1, MAX_PAGE, 10)
    created: Any = fields.get("created", {})
    if isinstance(created, str):
        created = {"gte": created, "lte": created} if created else {}
    condition, values = "", list[int]()
    for name, sign in _COMPARISONS.items():
        if name in created:
            condition += f" AND {column} / 1000 {sign} ?"
            values.append(forms.whole(dict[str, Any](created), name, 0, 10**11))
    return limit, condition, values
