"""What payments owns. Amounts are fen, times ms UTC."""

from typing import Annotated, Literal

import msgspec

from makegood.engine.database.table import Schema, Table
from makegood.shop.payments.bill_contracts import DifferenceKind, ReconciliationState
from makegood.shop.payments.contracts import (
    BreakKind,
    Effect,
    PaymentState,
    RefundState,
    ToldBy,
)

Channel = Annotated[str, msgspec.Meta(max_length=32)]
Short = Annotated[str, msgspec.Meta(max_length=64)]
Number = Annotated[str, msgspec.Meta(max_length=128)]
LongKey = Annotated[str, msgspec.Meta(max_length=255)]

BillState = Literal["OPEN", "CLOSED"]


class Bill(msgspec.Struct):
    """Whether an order may still be paid; its row is what opening and closing exclude each other by.

    `due_at`: when to forget a closed order that never had a payment.
    """

    order_id: int
    state: BillState
    changed_at: int
    due_at: int | None


class PaymentRow(msgspec.Struct):
    """A payment; its id in decimal is the merchant's trade number (商户订单号).

    `open_key` names order and channel while OPEN, so that there is one at most. `due_at`: when to ask the platform,
    `asked` times so far. `trade_no` is the platform's own number: of what was opened, if the platform has to be asked
    by it, and of what was captured, once that is. `told_by` and `notify_id` say what proved the capture. `bill_day`: on
    the bill of which day it has to be found (`bill_days.py`), once it is captured; -1 when it was.
    """

    payment_id: int
    order_id: int
    user: Short
    channel: Channel
    amount: int
    state: PaymentState
    open_key: Short | None
    pay_url: str
    created_at: int
    expires_at: int
    changed_at: int
    due_at: int | None
    asked: int
    captured: int
    captured_at: int | None
    told_by: ToldBy | None
    notify_id: Number
    trade_no: Number
    bill_day: int | None = None


class RefundRow(msgspec.Struct):
    """A refund; its id in decimal is the merchant's refund number. `refund_key` makes asking again harmless.

    `bill_day`: as a payment's, once it succeeded.
    """

    refund_id: int
    payment_id: int
    refund_key: LongKey
    amount: int
    state: RefundState
    reason: Short
    created_at: int
    changed_at: int
    bill_day: int | None = None


class NotificationRow(msgspec.Struct):
    """A proven notification and what it did. `occurred_at` is the platform's time, `at` ours.

    `repeats`: how often it came again, at `repeated_at` last; that had no effect.
    """

    channel: Channel
    notify_id: Number
    number: Number
    trade_no: Number
    kind: Short
    amount: int
    occurred_at: int
    at: int
    effect: Effect
    repeats: int = 0
    repeated_at: int | None = None


class BreakRow(msgspec.Struct):
    """A difference that a person has to settle; `break_key` keeps it from being listed twice."""

    break_id: int
    break_key: LongKey
    kind: BreakKind
    channel: Channel
    number: Number
    trade_no: Number
    amount: int
    at: int
    detail: str


class RefusalRow(msgspec.Struct):
    """A callback that proved nothing; numbered without gaps, so that the oldest can be dropped by number."""

    refusal_id: int
    channel: Channel
    reason: Short
    detail: str
    at: int
    body: bytes


class ReconciliationRow(msgspec.Struct):
    """The comparison of a day's bill of one merchant; `run` numbers its runs. Amounts in fen, times in ms UTC.

    `stage`, `lines` and `behind` are how far it is: see `comparing.py`.
    """

    reconciliation_id: int
    bill: LongKey
    account: Short
    channel: Channel
    day: int
    state: ReconciliationState
    run: int
    began_at: int
    ended_at: int | None
    stage: int
    behind: int | None
    lines: int
    captured: int
    refunded: int
    differences: int
    error: str


class DifferenceRow(msgspec.Struct):
    """A line in which a bill and we differ; `bill` as in its reconciliation, `run` the last that found it.

    `listed_at` is when that was, ms UTC; `difference_key` tells it from every other line of any bill.
    """

    difference_id: int
    difference_key: LongKey
    bill: LongKey
    kind: DifferenceKind
    account: Short
    day: int
    number: Number
    refund_number: Number
    trade_no: Number
    ours: int
    theirs: int
    at: int
    run: int
    listed_at: int
    detail: str


SCHEMA = Schema("payments")
BILLS = Table[Bill, int](SCHEMA, "order_bills", Bill, key=("order_id",), indexes=(("due_at",),))
PAYMENTS = Table[PaymentRow, int](
    SCHEMA,
    "payments",
    PaymentRow,
    key=("payment_id",),
    unique=(("open_key",),),
    indexes=(("order_id",), ("due_at",), ("bill_day",)),
    changing=(
        "state",
        "open_key",
        "pay_url",
        "changed_at",
        "due_at",
        "asked",
        "captured",
        "captured_at",
        "told_by",
        "notify_id",
        "trade_no",
        "bill_day",
    ),
)
REFUNDS = Table[RefundRow, int](
    SCHEMA,
    "refunds",
    RefundRow,
    key=("refund_id",),
    unique=(("payment_id", "refund_key"),),
    indexes=(("bill_day",),),
)
NOTIFICATIONS = Table[NotificationRow, tuple[str, str]](
    SCHEMA,
    "notifications",
    NotificationRow,
    key=("channel", "notify_id"),
    indexes=(("at",), ("number",)),
    changing=("repeats", "repeated_at"),
)
BREAKS = Table[BreakRow, int](
    SCHEMA, "breaks", BreakRow, key=("break_id",), unique=(("break_key",),), indexes=(("number",),)
)
REFUSALS = Table[RefusalRow, int](SCHEMA, "refused_notifications", RefusalRow, key=("refusal_id",), indexes=(("at",),))
RECONCILIATIONS = Table[ReconciliationRow, int](
    SCHEMA,
    "reconciliations",
    ReconciliationRow,
    key=("reconciliation_id",),
    unique=(("bill",),),
    indexes=(("state", "began_at"), ("began_at",)),
)
DIFFERENCES = Table[DifferenceRow, int](
    SCHEMA,
    "differences",
    DifferenceRow,
    key=("difference_id",),
    unique=(("difference_key",),),
    indexes=(("bill",), ("number",), ("listed_at",)),
)
