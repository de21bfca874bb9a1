"""Writes down what a platform says of payments, whether it called or was asked; each fact takes effect once.

A capture wins from every state, CLOSED included: the money has been taken. A fact whose amount is not the
payment's, or whose payment is not ours, is never a success: it goes to the list of breaks, and the payment, if it
was open, is closed, so that nothing waits for it any more.

A platform's word that a payment is closed is its word of that moment: some know a trade only once the buyer has
scanned its code. So a payment that was closed is looked at once more when it has expired by everybody's clock.
"""

from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from makegood.engine.contracts import Task
from makegood.engine.database.transaction import Reader, Transaction
from makegood.shop.payments import contracts
from makegood.shop.payments.bill_days import awaited
from makegood.shop.payments.breaks import Breaks
from makegood.shop.payments.settings import PaymentsSettings
from makegood.shop.payments.tables import (
    NOTIFICATIONS,
    PAYMENTS,
    REFUNDS,
    NotificationRow,
    PaymentRow,
    RefundRow,
)

MAX_ID = (1 << 63) - 1


class RefundJob(msgspec.Struct, frozen=True):
    """A refund to make: all the platform must know, `amount` and `captured` in fen, `since` in ms UTC.

    `trade_no` is the platform's number of the payment.
    """

    refund_id: int
    payment_id: int
    channel: str
    amount: int
    captured: int
    reason: str
    since: int
    trade_no: str = ""


REFUND_TASK = Task("refund", RefundJob)


class Fact(msgspec.Struct, frozen=True):
    """What a platform says of a payment, which it calls `number`.

    `undone`: it was paid, and refunded by somebody else. `amount` in fen, of a refund all refunds together unless
    `refund_number` names one; `occurred_at` in ms UTC; `notify_id` is empty when the platform was asked.
    """

    channel: str
    number: str
    kind: Literal["captured", "refund", "closed", "undone", "other"]
    source: contracts.ToldBy
    amount: int = 0
    trade_no: str = ""
    occurred_at: int = 0
    notify_id: str = ""
    refund_number: str = ""


def record(tx: Transaction, facts: Sequence[Fact], settings: PaymentsSettings) -> list[contracts.PaymentState | None]:
    """The state of each payment after its fact; None for a payment that is not ours."""
    recording = Recording(tx, facts, settings)
    states: list[contracts.PaymentState | None] = [recording.take(fact) for fact in facts]
    recording.store()
    return states


class Recording:
    """One batch of facts on its way into the tables."""

    def __init__(self, tx: Transaction, facts: Sequence[Fact], settings: PaymentsSettings) -> None:
        self._tx = tx
        self._last_look = int(settings.last_look * 1000)
        self._known = tx.lock(NOTIFICATIONS, [(one.channel, one.notify_id) for one in facts if one.notify_id])
        self._payments = tx.lock(PAYMENTS, [payment_id(one.number) for one in facts])
        self._refunds = refunds_of(tx, [payment_id(one.number) for one in facts if one.kind == "refund"])
        self._notifications: list[NotificationRow] = []
        self._repeated: dict[tuple[str, str], NotificationRow] = {}
        self._changed: dict[int, PaymentRow] = {}
        self._breaks = Breaks(tx)

    def take(self, fact: Fact) -> contracts.PaymentState | None:
        """Lets one fact take effect, unless it is a notification that has."""
        payment = self._payments.get(payment_id(fact.number))
        if payment is not None and payment.channel != fact.channel:
            payment = None
        key = (fact.channel, fact.notify_id)
        known = self._known.get(key)
        if known is not None:
            known.repeats, known.repeated_at = known.repeats + 1, self._tx.now
            self._repeated[key] = known
        else:
            effect = self._effect(fact, payment)
            if fact.notify_id:
                row = self._known[key] = _notification(fact, self._tx.now, effect)
                self._notifications.append(row)
        return payment.state if payment else None

    def store(self) -> None:
        """Writes what the facts changed."""
        self._tx.insert(NOTIFICATIONS, self._notifications)
        new = {(row.channel, row.notify_id) for row in self._notifications}
        self._tx.update(NOTIFICATIONS, [row for key, row in self._repeated.items() if key not in new])
        self._tx.update(PAYMENTS, self._changed.values())
        self._breaks.store()

    def _effect(self, fact: Fact, payment: PaymentRow | None) -> contracts.Effect:
        if fact.kind == "other":
            return "none"
        if payment is None:
            return self._break("unknown_payment", fact, f"{fact.kind}: no payment of ours on {fact.channel}")
        match fact.kind:
            case "captured":
                return self._capture(fact, payment)
            case "refund":
                return self._refund(fact, payment)
            case "closed" | "undone":
                return self._close(fact, payment)

    def _capture(self, fact: Fact, payment: PaymentRow) -> contracts.Effect:
        if fact.amount != payment.amount:
            self._end_open(payment)
            return self._break("amount_mismatch", fact, f"the payment is of {payment.amount} fen")
        if payment.state == "PAID":
            if fact.trade_no != payment.trade_no and fact.trade_no and payment.trade_no:
                return self._break("other_trade", fact, f"captured before by trade {payment.trade_no}")
            return "repeat"
        payment.captured, payment.captured_at = fact.amount, fact.occurred_at
        payment.told_by, payment.notify_id, payment.trade_no = fact.source, fact.notify_id, fact.trade_no
        payment.bill_day = awaited(payment.bill_day, fact.occurred_at)
        self._end(payment, "PAID")
        self._tx.publish(contracts.SUCCEEDED, _succeeded(payment, fact), key=str(payment.order_id))
        return "captured"

    def _refund(self, fact: Fact, payment: PaymentRow) -> contracts.Effect:
        """Which refund it was is the platform's to say when it is asked again, so that is done now."""
        refunds = self._refunds.get(payment.payment_id, [])
        for row in refunds:
            # What had succeeded may fail in the end: a bank that does not know the account sends the money back.
            if row.state == "REQUESTED" or (fact.refund_number == str(row.refund_id) and not fact.amount):
                self._tx.enqueue(REFUND_TASK, str(row.refund_id), refund_job(payment, row))
        if payment.state != "PAID":  # what was refunded was captured, and nobody has told us
            self._look_at(payment, self._tx.now)
        if why := _not_ours(fact, refunds):
            return self._break("refund_unknown", fact, why)
        return "refund"

    def _close(self, fact: Fact, payment: PaymentRow) -> contracts.Effect:
        if payment.state == "PAID":
            return "repeat"
        last_look = payment.expires_at + self._last_look
        effect: contracts.Effect = "closed" if payment.state == "OPEN" else "repeat"
        self._end_open(payment)
        if fact.kind == "undone":
            self._break("refunded_elsewhere", fact, "paid and refunded, and not by us")
        elif fact.source == "query" and self._tx.now < last_look:
            self._look_at(payment, last_look)
        return effect

    def _end_open(self, payment: PaymentRow) -> None:
        if payment.state == "OPEN":
            self._end(payment, "CLOSED")
        elif payment.state == "CLOSED":
            self._look_at(payment, None)

    def _look_at(self, payment: PaymentRow, at: int | None) -> None:
        payment.due_at = at
        self._changed[payment.payment_id] = payment

    def _end(self, payment: PaymentRow, state: contracts.PaymentState) -> None:
        payment.state, payment.open_key, payment.due_at = state, None, None
        payment.changed_at = self._tx.now
        self._changed[payment.payment_id] = payment

    def _break(self, kind: contracts.BreakKind, fact: Fact, detail: str) -> contracts.Effect:
        self._breaks.add(kind, fact.channel, fact.number, amount=fact.amount, trade_no=fact.trade_no, detail=detail)
        return "break"


def payment_id(number: str) -> int:
    """The payment that has this merchant's trade number; 0, which no payment has, when it cannot be one of ours."""
    if not number.isascii() or not number.isdecimal() or len(number) > 19 or number[0] == "0":
        return 0
    return min(int(number), MAX_ID)


def refunds_of(reader: Reader, payment_ids: Iterable[int]) -> dict[int, list[RefundRow]]:
    """The refunds of these payments, the oldest first."""
    found: dict[int, list[RefundRow]] = {}
    for row in reader.select_by(REFUNDS, "payment_id", payment_ids):
        found.setdefault(row.payment_id, []).append(row)
    return found


def promised(refunds: Iterable[RefundRow]) -> int:
    """Fen that are refunded, or will be."""
    return sum(row.amount for row in refunds if row.state != "FAILED")


def refunded(refunds: Iterable[RefundRow]) -> int:
    """Fen that the platform has given back."""
    return sum(row.amount for row in refunds if row.state == "SUCCEEDED")


def _not_ours(fact: Fact, refunds: Iterable[RefundRow]) -> str:
    """What of this refund was not asked for by us, "" when all of it was."""
    if not fact.refund_number:
        ours = promised(refunds)
        return f"refunded {fact.amount} fen in all, {ours} of them by us" if fact.amount > ours else ""
    asked = next((row.amount for row in refunds if str(row.refund_id) == fact.refund_number), 0)
    if fact.amount in (0, asked):  # nothing was given back, or what we asked for
        return ""
    return f"refunded {fact.amount} fen as {fact.refund_number[:64]}, of which {asked} were asked for by us"


def refund_job(payment: PaymentRow, refund: RefundRow) -> RefundJob:
    """What the platform must know to make this refund."""
    return RefundJob(
        refund_id=refund.refund_id,
        payment_id=payment.payment_id,
        channel=payment.channel,
        amount=refund.amount,
        captured=payment.captured,
        reason=refund.reason,
        since=refund.created_at,
        trade_no=payment.trade_no,
    )


def _notification(fact: Fact, now: int, effect: contracts.Effect) -> NotificationRow:
    return NotificationRow(
        channel=fact.channel,
        notify_id=fact.notify_id,
        number=fact.number,
        trade_no=fact.trade_no,
        kind=fact.kind,
        amount=fact.amount,
        occurred_at=fact.occurred_at,
        at=now,
        effect=effect,
    )


def _succeeded(payment: PaymentRow, fact: Fact) -> contracts.Succeeded:
    return contracts.Succeeded(
        payment_id=payment.payment_id,
        order_id=payment.order_id,
        user=payment.user,
        channel=payment.channel,
        amount=fact.amount,
        at=fact.occurred_at,
    )
