"""Refunds begin here: written down before the platform is called, and never more than was captured."""

from collections.abc import Sequence

from makegood.engine.database.transaction import Transaction
from makegood.shop.orders.contracts import RefundRequested
from makegood.shop.payments import contracts
from makegood.shop.payments.breaks import Breaks
from makegood.shop.payments.recording import REFUND_TASK, promised, refund_job, refunded, refunds_of
from makegood.shop.payments.tables import PAYMENTS, REFUNDS, PaymentRow, RefundRow
from makegood.shop.payments.views import refund_view

WHOLE = "whole"
"""The refund key of the refund that an order asks for; an operator's begins with `PART`."""
PART = "part:"


def refund_whole(tx: Transaction, events: Sequence[RefundRequested]) -> None:
    """Refunds all that is not refunded yet of these payments, once for each payment."""
    wanted = {event.payment_id: event for event in reversed(events) if event.payment_id is not None}
    payments = tx.lock(PAYMENTS, wanted)
    held = refunds_of(tx, wanted)
    new: list[RefundRow] = []
    breaks = Breaks(tx)
    for id, event in sorted(wanted.items()):
        payment = payments.get(id)
        if payment is None or payment.state != "PAID":
            detail = f"order {event.order_id} wants a refund of it, and we hold no capture"
            breaks.add("refund_without_capture", payment.channel if payment else "", str(id), amount=0, detail=detail)
        elif not any(row.refund_key == WHOLE for row in held.get(id, [])):
            new.extend(_refund_rest(tx, payment, held.get(id, []), event.reason))
    tx.insert(REFUNDS, new)
    breaks.store()


def refund_parts(tx: Transaction, requests: Sequence[contracts.RefundPart]) -> list[contracts.PartRefunded]:
    """Begins what operators ask for, as long as all refunds together stay within what was captured."""
    ids = [request.payment_id for request in requests]
    payments = tx.lock(PAYMENTS, ids)
    held = refunds_of(tx, payments)
    new: list[RefundRow] = []
    answers: list[contracts.PartRefunded] = []
    for request in requests:
        payment = payments.get(request.payment_id)
        refunds = held.setdefault(request.payment_id, [])
        verdict = _verdict(request, payment, refunds)
        if payment is not None and verdict is None:
            verdict = _begin(tx, payment, PART + request.refund_key, request.amount, "part")
            new.append(verdict)
            refunds.append(verdict)
        refund = refund_view(verdict) if isinstance(verdict, RefundRow) else None
        answers.append(contracts.PartRefunded("" if refund else str(verdict), refund))
    tx.insert(REFUNDS, new)
    return answers


def publish_refunded(tx: Transaction, payment: PaymentRow, refund: RefundRow, cumulative: int) -> None:
    """Says that a refund succeeded; with it `cumulative` fen of the payment are given back."""
    said = contracts.Refunded(
        payment_id=payment.payment_id,
        refund_id=refund.refund_id,
        order_id=payment.order_id,
        user=payment.user,
        amount=refund.amount,
        cumulative=cumulative,
        captured=payment.captured,
        at=tx.now,
    )
    tx.publish(contracts.REFUNDED, said, key=str(payment.order_id))


def _verdict(
    request: contracts.RefundPart, payment: PaymentRow | None, refunds: Sequence[RefundRow]
) -> RefundRow | str | None:
    """The refund that has this key, why there will be none, or None for a refund to begin."""
    known = next((row for row in refunds if row.refund_key == PART + request.refund_key), None)
    if known is not None:
        return known if known.amount == request.amount else "key_reused"
    if payment is None:
        return "not_found"
    if payment.state != "PAID":
        return "not_refundable"
    return "amount_exceeds_captured" if promised(refunds) + request.amount > payment.captured else None


def _refund_rest(tx: Transaction, payment: PaymentRow, refunds: Sequence[RefundRow], reason: str) -> list[RefundRow]:
    """Nothing left to give back is said too, for the order waits to hear that all of it was."""
    if rest := payment.captured - promised(refunds):
        return [_begin(tx, payment, WHOLE, rest, reason)]
    if refunded(refunds) < payment.captured:
        return []  # the parts still on their way will say it
    row = RefundRow(tx.new_id(), payment.payment_id, WHOLE, 0, "SUCCEEDED", reason, tx.now, tx.now)
    publish_refunded(tx, payment, row, payment.captured)
    return [row]


def _begin(tx: Transaction, payment: PaymentRow, key: str, amount: int, reason: str) -> RefundRow:
    row = RefundRow(tx.new_id(), payment.payment_id, key, amount, "REQUESTED", reason, tx.now, tx.now)
    tx.enqueue(REFUND_TASK, str(row.refund_id), refund_job(payment, row))
    return row
