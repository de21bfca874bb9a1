"""Reconciliation (对账): a platform's daily bill against our payments and refunds, line by line.

A payment carries the day on whose bill it is to stand (`bill_day`), and is marked when it is found on one; so a run
looks up what the bill says, and then sees what of that day nobody has found. A run can be repeated: it lists what
differs now, and what an earlier run listed and this one did not find is gone from the list.

A platform writes a refund on the day on which it moved the money, we on the day on which we heard of it. So what is of
the last hour of a day is judged with the next day's bill, and found on whichever of both has it.
"""

from collections import Counter
from collections.abc import Sequence
from hashlib import sha256
from typing import Literal

import msgspec
from msgspec.structs import replace

from makegood.engine.contracts import Task
from makegood.engine.database.transaction import Transaction
from makegood.shop.payments.asking import ASK_TASK, AskTrade
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
NOT_HEARD = "captured, and we have not heard of it: the platform is asked now, compare again to see what came of it"


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


class Numbered(msgspec.Struct, frozen=True):
    """A line, and what of its bill stands before it: `same` lines with all its numbers, `alike` with those of ours."""

    line: BillLine
    same: int = 0
    alike: int = 0


class Part(msgspec.Struct, frozen=True):
    """A part of a bill. A payment that expired less than `asked_for` ms ago is asked about until there is an answer."""

    job: Reconcile
    lines: tuple[Numbered, ...]
    asked_for: int


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


def numbered(lines: Sequence[BillLine]) -> tuple[Numbered, ...]:
    """The lines of a whole bill, each with its place among its like; what is not final is nobody's like."""
    same: Counter[tuple[str, ...]] = Counter()
    alike: Counter[tuple[str, ...]] = Counter()
    found: list[Numbered] = []
    for line in lines:
        ours = (line.kind, line.number, line.refund_number)
        whole = (*ours, line.trade_no)
        found.append(Numbered(line, same[whole], alike[ours]))
        if line.final:
            same[whole] += 1
            alike[ours] += 1
    return tuple(found)


def match_lines(tx: Transaction, part: Part) -> int:
    """Finds what the lines are about, and lists those that are not ours, or of another amount; says how many."""
    matching = _Matching(tx, part)
    for one in part.lines:
        matching.take(one)
    return matching.store()


def look_for_rest(tx: Transaction, request: Rest) -> Looked:
    """Lists what of ours stands on no bill."""
    return (_look_at_payments if request.kind == "payment" else _look_at_refunds)(tx, request)


def settle_earlier(tx: Transaction, job: Reconcile, after: int | None) -> int | None:
    """Takes what this run did not find again off the list, some rows behind `after`; says behind which to go on."""
    rows = tx.page(DIFFERENCES, where={"bill": bill_name(job.account, job.day)}, after=after, limit=CHUNK)
    gone = [row.difference_id for row in rows if row.run < job.run]
    tx.delete(DIFFERENCES, tx.lock(DIFFERENCES, gone))
    return _following([row.difference_id for row in rows])


def bill_name(account: str, day: int) -> str:
    """What a bill is known by."""
    return f"{account}/{day}"


class _Matching:
    """A part of a bill on its way into the tables."""

    def __init__(self, tx: Transaction, part: Part) -> None:
        self._tx, self._part = tx, part
        lines = [one.line for one in part.lines]
        self._payments = tx.lock(PAYMENTS, [payment_id(line.number) for line in lines])
        refunds = [payment_id(line.refund_number) for line in lines if line.kind == "refund"]
        self._refunds = tx.lock(REFUNDS, refunds)
        self._found = _Differences(tx, part.job)
        self._changed: dict[int, PaymentRow] = {}
        self._given_back: dict[int, RefundRow] = {}

    def take(self, one: Numbered) -> None:
        """Compares one line with what we have."""
        line = one.line
        payment = self._payments.get(payment_id(line.number))
        if payment is not None and payment.channel not in self._part.job.channels:
            payment = None
        if not line.final:
            self._find_unfinished(line, payment)
        elif payment is None:
            self._found.add("theirs_only", one, 0, "no payment of ours has this number")
        elif line.kind == "payment":
            self._match_payment(one, payment)
        else:
            self._match_refund(one, payment)

    def store(self) -> int:
        """Writes what was found; says how many differences."""
        self._tx.update(PAYMENTS, self._changed.values())
        self._tx.update(REFUNDS, self._given_back.values())
        return self._found.store()

    def _match_payment(self, one: Numbered, payment: PaymentRow) -> None:
        if why := _not_its_capture(one, payment):
            self._found.add("theirs_only", one, 0, why)
            return
        payment.bill_day = FOUND
        self._changed[payment.payment_id] = payment
        if payment.state != "PAID":
            self._ask(payment)
        if one.line.amount != payment.amount:
            self._found.add("amount_differs", one, payment.amount, "the payment is of another amount")
        elif payment.state != "PAID":
            self._found.add("theirs_only", one, 0, NOT_HEARD)

    def _ask(self, payment: PaymentRow) -> None:
        """Nobody has told us of the capture: the platform is to say what it was, as if it had called."""
        question = AskTrade(payment.payment_id, payment.channel, close=False, trade_no=payment.trade_no)
        self._tx.enqueue(ASK_TASK, str(payment.payment_id), question)
        if self._tx.now < payment.expires_at + self._part.asked_for:
            payment.due_at = self._tx.now  # if the platform does not answer, it is asked again

    def _match_refund(self, one: Numbered, payment: PaymentRow) -> None:
        refund = self._refund(one.line, payment)
        if refund is None:
            self._found.add("theirs_only", one, 0, "refunded, and not by us")
        elif one.alike:
            self._found.add("theirs_only", one, 0, "refunded a second time under this number")
        else:
            self._mark(refund)
            if one.line.amount != refund.amount:
                self._found.add("amount_differs", one, refund.amount, "the refund is of another amount")
            elif refund.state == "FAILED":
                self._found.add("theirs_only", one, 0, "refunded, though we were told that the refund failed")

    def _find_unfinished(self, line: BillLine, payment: PaymentRow | None) -> None:
        """No money has moved, so it is no difference; but the bill knows of our refund."""
        refund = self._refund(line, payment) if payment and line.kind == "refund" else None
        if refund is not None:
            self._mark(refund)

    def _refund(self, line: BillLine, payment: PaymentRow) -> RefundRow | None:
        refund = self._refunds.get(payment_id(line.refund_number))
        return refund if refund is not None and refund.payment_id == payment.payment_id else None

    def _mark(self, refund: RefundRow) -> None:
        refund.bill_day = FOUND
        self._given_back[refund.refund_id] = refund


def _not_its_capture(one: Numbered, payment: PaymentRow) -> str:
    """Why the line is not what we call the payment's capture; "" when it is.

    Only a captured payment has the trade's own number: before, it may have that of the page on which it is paid.
    """
    known = payment.trade_no if payment.state == "PAID" else ""
    if one.line.trade_no and one.line.trade_no == known:
        return "the bill has this trade more than once" if one.same else ""
    if one.alike or (known and one.line.trade_no):
        return "a second trade with this number: the buyer paid more than once"
    return ""


def _look_at_payments(tx: Transaction, request: Rest) -> Looked:
    found = _Differences(tx, request.job)
    rows = tx.page(PAYMENTS, where={"bill_day": request.day}, after=request.after, limit=CHUNK)
    for row in rows:
        at = row.captured_at or row.changed_at
        if row.channel in request.job.channels and _judged(request.job, at):
            line = BillLine("payment", str(row.payment_id), "", row.trade_no, row.captured, at)
            detail = "captured, says the platform, but not on its bill"
            found.add("ours_only", Numbered(line), row.amount, detail)
    return Looked(found.store(), _following([row.payment_id for row in rows]))


def _look_at_refunds(tx: Transaction, request: Rest) -> Looked:
    found = _Differences(tx, request.job)
    rows = tx.page(REFUNDS, where={"bill_day": request.day}, after=request.after, limit=CHUNK)
    payments = tx.select(PAYMENTS, [row.payment_id for row in rows])
    for row in rows:
        if payments[row.payment_id].channel in request.job.channels and _judged(request.job, row.changed_at):
            line = BillLine("refund", str(row.payment_id), str(row.refund_id), "", row.amount, row.changed_at)
            found.add("ours_only", Numbered(line), row.amount, "refunded, says the platform, but not on its bill")
    return Looked(found.store(), _following([row.refund_id for row in rows]))


def _judged(job: Reconcile, at: int) -> bool:
    """What is of the day before is judged if it is of its last hour, what is of the day itself unless it is."""
    return begin_of(job.day) - TOLERANCE <= at < begin_of(job.day + 1) - TOLERANCE


def _following(keys: Sequence[int]) -> int | None:
    return keys[-1] if len(keys) == CHUNK else None


class _Differences:
    """Those that one transaction finds, each listed once for its bill."""

    def __init__(self, tx: Transaction, job: Reconcile) -> None:
        self._tx = tx
        self._job = job
        self._found: dict[str, DifferenceRow] = {}

    def add(self, kind: DifferenceKind, one: Numbered, ours: int, detail: str) -> None:
        """`ours` is our amount in fen, 0 when there is none; the line's is theirs, unless only we have it."""
        line, bill = one.line, bill_name(self._job.account, self._job.day)
        key = _key(bill, kind, one)
        self._found[key] = DifferenceRow(
            difference_id=self._tx.new_id(),
            difference_key=key,
            bill=bill,
            kind=kind,
            account=self._job.account,
            day=self._job.day,
            number=line.number,
            refund_number=line.refund_number,
            trade_no=line.trade_no,
            ours=ours,
            theirs=0 if kind == "ours_only" else line.amount,
            at=line.at,
            run=self._job.run,
            listed_at=self._tx.now,
            detail=detail,
        )

    def store(self) -> int:
        """Writes them; what an earlier run listed stays in its place, with what is so now. Says how many."""
        listed = self._tx.select_by(DIFFERENCES, "difference_key", self._found)
        known = {row.difference_key: row.difference_id for row in listed}
        self._tx.lock(DIFFERENCES, known.values())
        self._tx.update(DIFFERENCES, [replace(self._found[key], difference_id=id) for key, id in known.items()])
        self._tx.insert(DIFFERENCES, [row for key, row in self._found.items() if key not in known])
        return len(self._found)


def _key(bill: str, kind: DifferenceKind, one: Numbered) -> str:
    """The same for the same line in every run, and another for any other line, however long its numbers are."""
    line = one.line
    told = msgspec.json.encode((kind, line.kind, line.number, line.refund_number, line.trade_no, one.same))
    return f"{bill}:{sha256(told).hexdigest()}"
