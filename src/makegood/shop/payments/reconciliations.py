"""Reconciliations as they begin, go on and end; the comparison itself is in `reconciling.py`."""

from collections.abc import Mapping, Sequence

import msgspec

from makegood.engine.database.transaction import Reader, Transaction
from makegood.engine.service import Engine, Later, TaskResult
from makegood.shop.payments import bill_contracts
from makegood.shop.payments.bill_days import date_of, day_of
from makegood.shop.payments.gateways.port import BillLine
from makegood.shop.payments.opening import payments_of
from makegood.shop.payments.reconciling import (
    CHUNK,
    RECONCILE_TASK,
    Compared,
    Part,
    Reconcile,
    Rest,
    bill_name,
    look_for_rest,
    match_lines,
    settle_earlier,
)
from makegood.shop.payments.recording import refunds_of
from makegood.shop.payments.tables import DIFFERENCES, RECONCILIATIONS, DifferenceRow, PaymentRow, ReconciliationRow

LINES = 40_000
"""Most lines of a bill in one run of the task, which has less than a minute; the next one goes on behind them."""
AGAIN = 600.0
"""Seconds until a bill that is not ready is asked for again."""
GIVE_UP = 2 * 86_400_000
"""Milliseconds after which nobody asks for it any more."""
SHOWN = 20
"""Most comparisons, and most differing lines, told of an order."""
MAX_ERROR = 2_000
"""Most characters kept of why it failed."""


class Begin(msgspec.Struct, frozen=True):
    """A comparison to begin: `channels` are those of the same merchant."""

    account: str
    channel: str
    channels: tuple[str, ...]
    day: int


class Wanted(msgspec.Struct, frozen=True):
    """A comparison to look up."""

    account: str
    day: int


def begin(tx: Transaction, requests: Sequence[Begin]) -> list[bill_contracts.Reconciliation]:
    """Begins each, unless it runs; one that has ended, or waits for the platform, begins anew."""
    found = {row.bill: row for row in tx.select_by(RECONCILIATIONS, "bill", [_bill(one) for one in requests])}
    locked = tx.lock(RECONCILIATIONS, [row.reconciliation_id for row in found.values()])
    rows = {row.bill: row for row in locked.values()}
    new: list[ReconciliationRow] = []
    for one in requests:
        row = rows.get(_bill(one))
        if row is None:
            row = rows[_bill(one)] = _row(tx, one)
            new.append(row)
        elif row.state == "RUNNING" and not row.error:
            continue
        _begin_run(tx, row, one)
    tx.insert(RECONCILIATIONS, new)
    fresh = {row.bill for row in new}
    tx.update(RECONCILIATIONS, [row for row in rows.values() if row.bill not in fresh])
    return [view(rows[_bill(one)]) for one in requests]


async def compare(engine: Engine, job: Reconcile, lines: Sequence[BillLine]) -> Compared:
    """Compares the bill from where an earlier run of the task stopped; a repeat changes nothing."""
    [row] = await engine.read(find, [Wanted(job.account, job.day)])
    if row is None or row.run != job.run:
        return Compared(finished=True)  # it was begun anew: this run is nobody's any more
    done = row.lines
    for begin_at in range(done, min(len(lines), done + LINES), CHUNK):
        some = tuple(lines[begin_at : min(begin_at + CHUNK, done + LINES)])
        await engine.write(_compare_part, [Part(job, begin_at, some)])
    if len(lines) > done + LINES:
        return Compared(finished=False, again=True)
    for kind in ("payment", "refund"):
        for day in (job.day - 1, job.day):
            rest: Rest | None = Rest(job, kind, day)
            while rest is not None:
                [looked] = await engine.write(look_for_rest, [rest])
                rest = None if looked.after is None else Rest(job, kind, day, looked.after)
    return Compared(finished=True)


def record_compared(tx: Transaction, results: Sequence[TaskResult[Reconcile, Compared]]) -> list[Later | None]:
    """Writes down how far each is; one that has ended has its earlier run's differences settled."""
    return [_recorded(tx, result.payload, result.outcome) for result in results]


def find(reader: Reader, wanted: Sequence[Wanted]) -> list[ReconciliationRow | None]:
    """The comparison of each account and day."""
    names = [bill_name(one.account, one.day) for one in wanted]
    rows = {row.bill: row for row in reader.select_by(RECONCILIATIONS, "bill", names)}
    return [rows.get(name) for name in names]


def pages(
    reader: Reader, requests: Sequence[bill_contracts.ListReconciliations]
) -> list[bill_contracts.ReconciliationsPage]:
    """Pages of reconciliations, those begun last first."""
    found: list[bill_contracts.ReconciliationsPage] = []
    for one in requests:
        rows = reader.page(RECONCILIATIONS, after=one.after, descending=True, limit=one.limit + 1)
        following = rows[one.limit - 1].reconciliation_id if len(rows) > one.limit else None
        found.append(bill_contracts.ReconciliationsPage(tuple(map(view, rows[: one.limit])), following))
    return found


def differences(
    reader: Reader, requests: Sequence[bill_contracts.ListDifferences]
) -> list[bill_contracts.DifferencesPage]:
    """Pages of differences, the oldest first."""
    found: list[bill_contracts.DifferencesPage] = []
    for one in requests:
        rows = reader.page(DIFFERENCES, after=one.after, limit=one.limit + 1)
        following = rows[one.limit - 1].difference_id if len(rows) > one.limit else None
        found.append(bill_contracts.DifferencesPage(tuple(map(_difference, rows[: one.limit])), following))
    return found


def of_orders(
    reader: Reader, requests: Sequence[bill_contracts.BillsOfOrder], accounts: Mapping[str, str]
) -> list[bill_contracts.BillsFound]:
    """What bills say of each order's payments; `accounts` is the merchant of each channel."""
    held = payments_of(reader, [request.order_id for request in requests])
    return [_bills_of(reader, held.get(request.order_id, []), accounts) for request in requests]


def view(row: ReconciliationRow) -> bill_contracts.Reconciliation:
    """A reconciliation as others see it."""
    return bill_contracts.Reconciliation(
        account=row.account,
        channel=row.channel,
        day=date_of(row.day).isoformat(),
        state=row.state,
        run=row.run,
        began_at=row.began_at,
        ended_at=row.ended_at,
        lines=row.lines,
        captured=row.captured,
        refunded=row.refunded,
        differences=row.differences,
        error=row.error,
    )


def _compare_part(tx: Transaction, parts: Sequence[Part]) -> list[None]:
    """A part of a bill, and how far the comparison is with it, in one commit; not what somebody has compared before."""
    for part in parts:
        row = _lock(tx, part.job)
        if row is not None and row.run == part.job.run and row.lines == part.offset:
            row.differences += match_lines(tx, part)
            row.lines += len(part.lines)
            row.captured += sum(line.amount for line in part.lines if line.kind == "payment")
            row.refunded += sum(line.amount for line in part.lines if line.kind == "refund")
            tx.update(RECONCILIATIONS, [row])
    return [None for _ in parts]


def _recorded(tx: Transaction, job: Reconcile, outcome: Compared) -> Later | None:
    row = _lock(tx, job)
    if row is None or row.run != job.run:
        return None
    row.error = outcome.error[:MAX_ERROR]
    later = None
    if outcome.finished:
        row.state, row.ended_at, row.differences = "DONE", tx.now, settle_earlier(tx, job)
    elif outcome.again and tx.now - row.began_at < GIVE_UP:
        later = Later(AGAIN if outcome.error else 0.0)
    else:
        row.state, row.ended_at = "FAILED", tx.now
    tx.update(RECONCILIATIONS, [row])
    return later


def _lock(tx: Transaction, job: Reconcile) -> ReconciliationRow | None:
    ids = [row.reconciliation_id for row in tx.select_by(RECONCILIATIONS, "bill", [bill_name(job.account, job.day)])]
    return next(iter(tx.lock(RECONCILIATIONS, ids).values()), None)


def _bill(one: Begin) -> str:
    return bill_name(one.account, one.day)


def _row(tx: Transaction, one: Begin) -> ReconciliationRow:
    return ReconciliationRow(
        reconciliation_id=tx.new_id(),
        bill=_bill(one),
        account=one.account,
        channel=one.channel,
        day=one.day,
        state="RUNNING",
        run=0,
        began_at=tx.now,
        ended_at=None,
        lines=0,
        captured=0,
        refunded=0,
        differences=0,
        error="",
    )


def _begin_run(tx: Transaction, row: ReconciliationRow, one: Begin) -> None:
    row.state, row.channel, row.run = "RUNNING", one.channel, row.run + 1
    row.began_at, row.ended_at, row.error = tx.now, None, ""
    row.lines = row.captured = row.refunded = row.differences = 0
    job = Reconcile(one.account, one.channel, one.channels, one.day, row.run)
    tx.enqueue(RECONCILE_TASK, f"{row.reconciliation_id}:{row.run}", job)


def _bills_of(reader: Reader, payments: Sequence[PaymentRow], accounts: Mapping[str, str]) -> bill_contracts.BillsFound:
    refunds = refunds_of(reader, [payment.payment_id for payment in payments])
    names: set[str] = set()
    for payment in payments:
        moved = [payment.captured_at, *(one.changed_at for one in refunds.get(payment.payment_id, ()))]
        names |= {bill_name(accounts.get(payment.channel, ""), day_of(at)) for at in moved if at is not None}
    known = {str(payment.payment_id): accounts.get(payment.channel) for payment in payments}
    rows = reader.select_by(DIFFERENCES, "number", known)
    return bill_contracts.BillsFound(
        tuple(view(row) for row in reader.select_by(RECONCILIATIONS, "bill", sorted(names)[:SHOWN])),
        tuple([_difference(row) for row in rows if row.account == known[row.number]][:SHOWN]),
    )


def _difference(row: DifferenceRow) -> bill_contracts.Difference:
    return bill_contracts.Difference(
        difference_id=row.difference_id,
        kind=row.kind,
        account=row.account,
        day=date_of(row.day).isoformat(),
        number=row.number,
        refund_number=row.refund_number,
        trade_no=row.trade_no,
        ours=row.ours,
        theirs=row.theirs,
        at=row.at,
        detail=row.detail,
    )
