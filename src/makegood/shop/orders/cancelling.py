"""Ending an order before it is paid: asked for by its buyer, or because its time is over.

An OPEN order is cancelled at once: nobody can pay it. For a confirmed one payments is asked first to let no payment
of it succeed any more, and only when the answer is `closed` is the order cancelled. At `paid` it is paid by the
payment that is named, whatever became of that payment's event. At anything else payments is asked again, with growing
pauses; after a day that counts as failing, and the task ends among the dead letters.
"""

from collections.abc import Sequence
from typing import Literal

import msgspec

from makegood.engine.contracts import Task
from makegood.engine.database.transaction import Transaction
from makegood.engine.deadline import Deadline
from makegood.engine.reservations import CANCELLED
from makegood.engine.service import Engine, Later, TaskResult
from makegood.shop.orders import moves
from makegood.shop.orders.asking import LOST, Asker, earlier, in_time_for
from makegood.shop.orders.changes import change
from makegood.shop.orders.contracts import Changed, ChangeOrder
from makegood.shop.orders.settings import OrdersSettings
from makegood.shop.orders.tables import ORDERS, OrderRow
from makegood.shop.orders.view import asked, unpaid, withdrawn
from makegood.shop.payments import contracts as payments

CLOSE_TIMEOUT = 30.0
"""Seconds for payments to answer: it closes trades at the platforms first."""
SHORTEST_PAUSE, LONGEST_PAUSE = 0.5, 60.0
"""Seconds before payments is asked again: half the time that has gone by, within these."""
PATIENCE = 86_400_000
"""Milliseconds after which an order payments cannot close counts as failing."""

Outcome = payments.OrderClosed


class CloseUnpaid(msgspec.Struct, frozen=True):
    """An unpaid order is to end; `since` (ms UTC) is when that was first asked for."""

    order_id: int
    code: Literal["cancelled", "expired"]
    since: int


CLOSE_UNPAID = Task("close-order", CloseUnpaid)


class NotClosed(Exception):
    """Payments could not say for a day whether an order is paid: look at the platform, then replay this task."""


def sweep_due(tx: Transaction, limit: int) -> int:
    """Cancels undecided orders past their deadline, has unpaid ones closed past theirs; says how many were due."""
    due = tx.due(ORDERS, "due_at", tx.now, limit)
    locked = tx.lock(ORDERS, [row.order_id for row in due])
    rows = [row for row in locked.values() if row.due_at is not None and row.due_at <= tx.now]
    for row in rows:
        if row.status == "OPEN":
            moves.refuse(tx, row, CANCELLED, asked(row))
        else:
            row.due_at = None  # from here on the task sees to it
            _enqueue(tx, row, "expired")
    tx.update(ORDERS, rows)
    return len(due)


def ask_cancel(tx: Transaction, requests: Sequence[ChangeOrder]) -> list[Changed]:
    """Cancels OPEN orders, has unpaid ones closed. Refusals: not_found, not_cancellable."""
    return change(tx, requests, _ask_cancel)


async def cancel(engine: Engine, settings: OrdersSettings, request: ChangeOrder, deadline: Deadline) -> Changed:
    """Cancels an order that is not paid; undecided when payments has not answered after `cancel_wait`."""
    [answer] = await engine.write(ask_cancel, [request])
    if answer.order is None or not unpaid(answer.order):
        return answer
    until = earlier(in_time_for(deadline), Deadline.after(settings.cancel_wait))
    asker = Asker(engine, until, settings.attempt_timeout)
    order = await asker.watch(answer.order, lambda order: not unpaid(order))
    if unpaid(order):
        return Changed(undecided=True, order=order)
    return Changed("" if withdrawn(order) else "not_cancellable", order=order)


async def close(engine: Engine, work: CloseUnpaid) -> Outcome:
    """What payments says; raises NotClosed when it has said nothing definite for a day."""
    try:
        answer = await engine.call(payments.CLOSE, payments.CloseOrder(work.order_id), Deadline.after(CLOSE_TIMEOUT))
    except LOST:
        answer = payments.OrderClosed("unknown")
    if answer.outcome == "unknown" and engine.now() - work.since > PATIENCE:
        raise NotClosed(f"order {work.order_id}: find out at the platform whether it is paid, then replay this task")
    return answer


def record_closed(tx: Transaction, results: Sequence[TaskResult[CloseUnpaid, Outcome]]) -> list[Later | None]:
    """Cancels the orders that payments closed, has the paid ones paid; asks again about those it knows nothing of."""
    rows = tx.lock(ORDERS, [result.payload.order_id for result in results])
    ended: list[OrderRow] = []
    verdicts: list[Later | None] = []
    for result in results:
        row, answer = rows[result.payload.order_id], result.outcome
        waits = unpaid(row)
        if waits and answer.outcome == "closed":
            moves.cancel(tx, row, result.payload.code)
            ended.append(row)
        elif waits and answer.outcome == "paid" and answer.amount == row.amount_due:
            moves.pay(tx, row, answer.payment_id)
            ended.append(row)
        again = waits and answer.outcome == "unknown"
        verdicts.append(Later(_pause(tx.now - result.payload.since)) if again else None)
    tx.update(ORDERS, ended)
    return verdicts


def _ask_cancel(tx: Transaction, row: OrderRow) -> str:
    if row.status == "OPEN":
        moves.refuse(tx, row, CANCELLED, asked(row))
    elif unpaid(row):
        _enqueue(tx, row, "cancelled")
    elif not withdrawn(row):
        return "not_cancellable"
    return ""


def _enqueue(tx: Transaction, row: OrderRow, code: Literal["cancelled", "expired"]) -> None:
    tx.enqueue(CLOSE_UNPAID, str(row.order_id), CloseUnpaid(row.order_id, code, tx.now))


def _pause(elapsed: int) -> float:
    return min(LONGEST_PAUSE, max(SHORTEST_PAUSE, elapsed / 2000))
