"""Reconciliations as they begin, end and are shown; their course is in `comparing.py`."""

from collections.abc import Mapping, Sequence

import msgspec

from makegood.engine.database.transaction import Reader, Transaction
from makegood.engine.service import Later, TaskResult
from makegood.shop.payments import bill_contracts
from makegood.shop.payments.bill_days import date_of, day_number, day_of
from makegood.shop.payments.comparing import Compared, lock_running
from makegood.shop.payments.opening import payments_of
from makegood.shop.payments.reconciling import RECONCILE_TASK, Reconcile, bill_name
from makegood.shop.payments.recording import refunds_of
from makegood.shop.payments.tables import DIFFERENCES, RECONCILIATIONS, DifferenceRow, PaymentRow, ReconciliationRow

GIVE_UP = 2 * 86_400_000
"""Milliseconds after which nobody tries any more."""
STUCK = GIVE_UP + 3_600_000
"""Milliseconds after which one that still runs has no task any more: it was given up, or never ended."""
UNFINISHED = "it did not end within two days: see why in the log and the dead letters, then compare this bill again"
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
    """Begins each; one that has ended, or waits to be tried again, begins anew, and one that runs is seen to go on."""
    found = {row.bill: row for row in tx.select_by(RECONCILIATIONS, "bill", [_bill(one) for one in requests])}
    locked = tx.lock(RECONCILIATIONS, [row.reconciliation_id for row in found.values()])
    rows = {row.bill: row for row in locked.values()}
    new: list[ReconciliationRow] = []
    for one in requests:
        row = rows.get(_bill(one))
        if row is None:
            row = rows[_bill(one)] = _row(tx, one)
            new.append(row)
        if row.state != "RUNNING" or row.error or not row.run:
            _begin_run(tx, row, one)
        _enqueue(tx, row, one)
    tx.insert(RECONCILIATIONS, new)
    fresh = {row.bill for row in new}
    tx.update(RECONCILIATIONS, [row for row in rows.values() if row.bill not in fresh])
    return [view(rows[_bill(one)]) for one in requests]


def record_compared(tx: Transaction, results: Sequence[TaskResult[Reconcile, Compared]]) -> list[Later | None]:
    """Writes down how each run of a task ended: the whole bill is compared, it goes on later, or it has failed."""
    return [_recorded(tx, result.payload, result.outcome) for result in results]


def fail_stuck(tx: Transaction, limit: int) -> int:
    """Ends those that nobody works at any more; says how many."""
    due = tx.due(RECONCILIATIONS, "began_at", tx.now - STUCK, limit, where={"state": "RUNNING"})
    rows = [row for row in tx.lock(RECONCILIATIONS, [row.reconciliation_id for row in due]).values() if _stuck(tx, row)]
    for row in rows:
        _fail(tx, row)
    tx.update(RECONCILIATIONS, rows)
    return len(due)


def forget(tx: Transaction, until: int, limit: int) -> int:
    """Forgets comparisons begun, and differences listed, until then (ms UTC); says how many of the most there are."""
    begun = tx.due(RECONCILIATIONS, "began_at", until, limit)
    tx.delete(RECONCILIATIONS, tx.lock(RECONCILIATIONS, [row.reconciliation_id for row in begun]))
    listed = tx.due(DIFFERENCES, "listed_at", until, limit)
    tx.delete(DIFFERENCES, tx.lock(DIFFERENCES, [row.difference_id for row in listed]))
    return max(len(begun), len(listed))


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
        where = {"bill": _named(one.bill)} if one.bill else None
        rows = reader.page(DIFFERENCES, where=where, after=one.after, limit=one.limit + 1)
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


def _recorded(tx: Transaction, job: Reconcile, outcome: Compared) -> Later | None:
    row = lock_running(tx, job)
    if row is None:
        return None
    row.error = outcome.error[:MAX_ERROR]
    later = None
    if outcome.finished:
        row.state, row.ended_at = "DONE", tx.now
    elif outcome.again is not None and tx.now - row.began_at < GIVE_UP:
        later = Later(outcome.again)
    else:
        _fail(tx, row)
    tx.update(RECONCILIATIONS, [row])
    return later


def _fail(tx: Transaction, row: ReconciliationRow) -> None:
    row.state, row.ended_at, row.error = "FAILED", tx.now, row.error or UNFINISHED


def _stuck(tx: Transaction, row: ReconciliationRow) -> bool:
    return row.state == "RUNNING" and row.began_at <= tx.now - STUCK


def _named(bill: bill_contracts.BillOf) -> str:
    return bill_name(bill.account, day_number(bill.day) or 0)


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
        stage=0,
        behind=None,
        lines=0,
        captured=0,
        refunded=0,
        differences=0,
        error="",
    )


def _begin_run(tx: Transaction, row: ReconciliationRow, one: Begin) -> None:
    row.state, row.channel, row.run = "RUNNING", one.channel, row.run + 1
    row.began_at, row.ended_at, row.error = tx.now, None, ""
    row.stage = row.lines = row.captured = row.refunded = row.differences = 0
    row.behind = None


def _enqueue(tx: Transaction, row: ReconciliationRow, one: Begin) -> None:
    """The task of this run: one that was given up is tried again, and of one under way a second run does nothing."""
    job = Reconcile(one.account, row.channel, one.channels, one.day, row.run)
    tx.enqueue(RECONCILE_TASK, f"{row.reconciliation_id}:{row.run}", job)


def _bills_of(reader: Reader, payments: Sequence[PaymentRow], accounts: Mapping[str, str]) -> bill_contracts.BillsFound:
    refunds = refunds_of(reader, [payment.payment_id for payment in payments])
    names: set[str] = set()
    for payment in payments:
        moved = [payment.captured_at, *(one.changed_at for one in refunds.get(payment.payment_id, ()))]
        names |= {bill_name(accounts.get(payment.channel, ""), day_of(at)) for at in moved if at is not None}
    rows: list[DifferenceRow] = []
    for payment in payments:
        where = {"number": str(payment.payment_id), "account": accounts.get(payment.channel, "")}
        rows += reader.page(DIFFERENCES, where=where, limit=SHOWN)
    return bill_contracts.BillsFound(
        tuple(view(row) for row in reader.select_by(RECONCILIATIONS, "bill", sorted(names)[:SHOWN])),
        tuple(map(_difference, rows[:SHOWN])),
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
