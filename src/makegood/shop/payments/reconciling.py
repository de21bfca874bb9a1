"""Reconciliation (对账): a platform's daily bill against our payments and refunds, line by line.

A payment carries the day on whose bill it is to stand (`bill_day`), and is marked when it is found on one; so a run
looks up what the bill says, and then sees what of that day nobody has found. A run can be repeated: it lists what
differs now, and what an earlier run listed and this one did not find is gone from the list.

A platform writes a refund on the day on which it moved the money, we on the day on which we heard of it. So what is of
the last hour of a day is judged with the next day's bill, and found on whichever of both has it.
"""

from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from makegood.engine.contracts import Task
from makegood.engine.database.transaction import Transaction
from makegood.shop.payments.bill_contracts import DifferenceKind
from makegood.shop.payments.bill_days import FOUND, TOLERANCE, begin_of
from makegood.shop.payments.gateways.port import BillLine
from makegood.shop.payments.recording import payment_id
from makegood.shop.payments.tables import (
    DIFFERENCES,
    PAYMENTS,
    REFUNDS,
    DifferenceRow,
    PaymentRow,
    RefundRow,
)

CHUNK = 256
"""Lines of a bill, or rows of ours, in one transaction."""
Kind = Literal["payment", "refund"]


class Reconcile(msgspec.Struct, frozen=True):
    """A bill to fetch and compare. `account` names the merchant, `channels` are those whose payments are on its bill.

    `day` counts days since 1970-01-01 by the platforms' clock; `run` numbers the runs for this account and day.
    """

    account: str
    channel: str
    channels: tuple[str, ...]
    day: int
    run: int


RECONCILE_TASK = Task("reconcile", Reconcile)


class Compared(msgspec.Struct, frozen=True):
    """What one run of the task came to: whether the whole bill is compared, or why not, and whether it goes on."""

    finished: bool
    error: str = ""
    again: bool = False


class Part(msgspec.Struct, frozen=True):
    """A part of a bill, behind its first `offset` lines."""

    job: Reconcile
    offset: int
    lines: tuple[BillLine, ...]


class Rest(msgspec.Struct, frozen=True):
    """What to look at when the whole bill has been read: our rows of one kind and day behind `after`."""

    job: Reconcile
    kind: Kind
    day: int
    after: int | None = None


class Looked(msgspec.Struct, frozen=True):
    """What was looked at: differences found, and behind which row to go on (None at the end)."""

    differences: int
    after: int | None = None


def match_lines(tx: Transaction, part: Part) -> int:
    """Finds what the lines are about, and lists those that are not ours, or of another amount; says how many."""
    return _match(tx, part).differences


def look_for_rest(tx: Transaction, requests: Sequence[Rest]) -> list[Looked]:
    """Lists what of ours stands on no bill."""
    return [_look(tx, request) for request in requests]


def settle_earlier(tx: Transaction, job: Reconcile) -> int:
    """Takes what this run did not find again off the list; says how many are left."""
    rows = tx.select_by(DIFFERENCES, "bill", [bill_name(job.account, job.day)])
    gone = [row.difference_id for row in rows if row.run < job.run]
    tx.delete(DIFFERENCES, tx.lock(DIFFERENCES, gone))
    return len(rows) - len(gone)


def bill_name(account: str, day: int) -> str:
    """What a bill is known by."""
    return f"{account}/{day}"


def _match(tx: Transaction, part: Part) -> Looked:
    payments = tx.lock(PAYMENTS, [payment_id(line.number) for line in part.lines])
    refunds = tx.lock(REFUNDS, [payment_id(line.refund_number) for line in part.lines if line.kind == "refund"])
    found = _Differences(tx, part.job)
    changed: dict[int, PaymentRow] = {}
    given_back: dict[int, RefundRow] = {}
    for line in part.lines:
        payment = payments.get(payment_id(line.number))
        if payment is None or payment.channel not in part.job.channels:
            found.add("theirs_only", line, 0, "no payment of ours has this number")
        elif line.kind == "payment":
            changed[payment.payment_id] = payment
            _match_payment(tx, found, line, payment)
        else:
            refund = refunds.get(payment_id(line.refund_number))
            if refund is None or refund.payment_id != payment.payment_id:
                found.add("theirs_only", line, 0, "refunded, and not by us")
            else:
                given_back[refund.refund_id] = refund
                _match_refund(found, line, refund)
    tx.update(PAYMENTS, changed.values())
    tx.update(REFUNDS, given_back.values())
    return Looked(found.store())


def _match_payment(tx: Transaction, found: "_Differences", line: BillLine, payment: PaymentRow) -> None:
    payment.bill_day = FOUND
    if line.amount != payment.amount:
        found.add("amount_differs", line, payment.amount, "the payment is of another amount")
    elif payment.state != "PAID":
        # Nobody has told us of it: the platform is asked, and says what is to be done.
        payment.due_at = tx.now
        found.add("theirs_only", line, 0, "captured, and we have not heard of it: the platform is asked now")


def _match_refund(found: "_Differences", line: BillLine, refund: RefundRow) -> None:
    refund.bill_day = FOUND
    if line.amount != refund.amount:
        found.add("amount_differs", line, refund.amount, "the refund is of another amount")
    elif refund.state == "FAILED":
        found.add("theirs_only", line, 0, "refunded, though we were told that the refund failed")


def _look(tx: Transaction, request: Rest) -> Looked:
    """What is of the day before is judged if it is of its last hour, what is of the day itself unless it is."""
    job = request.job
    begin, end = begin_of(job.day) - TOLERANCE, begin_of(job.day + 1) - TOLERANCE
    found = _Differences(tx, job)
    if request.kind == "payment":
        rows = tx.page(PAYMENTS, where={"bill_day": request.day}, after=request.after, limit=CHUNK)
        for row in rows:
            if row.channel in job.channels and begin <= (row.captured_at or 0) < end:
                found.add("ours_only", _line_of(row), row.amount, "captured, says the platform, but not on its bill")
        return Looked(found.store(), _following([row.payment_id for row in rows]))
    refunds = tx.page(REFUNDS, where={"bill_day": request.day}, after=request.after, limit=CHUNK)
    payments = tx.select(PAYMENTS, [row.payment_id for row in refunds])
    for row in refunds:
        if payments[row.payment_id].channel in job.channels and begin <= row.changed_at < end:
            line = BillLine("refund", str(row.payment_id), str(row.refund_id), "", row.amount, row.changed_at)
            found.add("ours_only", line, row.amount, "refunded, says the platform, but not on its bill")
    return Looked(found.store(), _following([row.refund_id for row in refunds]))


def _line_of(row: PaymentRow) -> BillLine:
    return BillLine("payment", str(row.payment_id), "", row.trade_no, row.captured, row.captured_at or 0)


def _following(keys: Sequence[int]) -> int | None:
    return keys[-1] if len(keys) == CHUNK else None


class _Differences:
    """Those that one transaction finds, each listed once for its bill."""

    def __init__(self, tx: Transaction, job: Reconcile) -> None:
        self._tx = tx
        self._job = job
        self._found: dict[str, DifferenceRow] = {}

    def add(self, kind: DifferenceKind, line: BillLine, ours: int, detail: str) -> None:
        """`ours` is our amount in fen, 0 when there is none; the line's is theirs, unless only we have it."""
        bill = bill_name(self._job.account, self._job.day)
        key = f"{bill}:{line.kind}:{line.number}:{line.refund_number}:{kind}"[:255]
        self._found[key] = DifferenceRow(
            difference_id=self._tx.new_id(),
            difference_key=key,
            bill=bill,
            kind=kind,
            account=self._job.account,
            day=self._job.day,
            number=line.number[:128],
            refund_number=line.refund_number[:128],
            trade_no=line.trade_no[:128],
            ours=ours,
            theirs=0 if kind == "ours_only" else line.amount,
            at=line.at,
            run=self._job.run,
            detail=detail,
        )

    def store(self) -> int:
        """Writes them; what an earlier run listed stays, as of this run. Says how many."""
        known = {row.difference_key: row.difference_id for row in _listed(self._tx, self._found)}
        rows = self._tx.lock(DIFFERENCES, known.values())
        for row in rows.values():
            row.run = self._job.run
        self._tx.update(DIFFERENCES, rows.values())
        self._tx.insert(DIFFERENCES, [row for key, row in self._found.items() if key not in known])
        return len(self._found)


def _listed(tx: Transaction, keys: Iterable[str]) -> list[DifferenceRow]:
    return tx.select_by(DIFFERENCES, "difference_key", keys)
