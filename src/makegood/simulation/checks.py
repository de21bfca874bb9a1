"""What must hold when the faults are over and time has run on: the audit's promises, and what buyers were answered."""

from collections import Counter
from collections.abc import Container, Iterable, Mapping
from typing import Any, NamedTuple

import apsw

from makegood.engine.reservations import CANCELLED
from makegood.shop.orders.tables import OrderRow
from makegood.shop.orders.view import changes_after_first
from makegood.simulation.attempts import Attempt
from makegood.simulation.database import Disk

SLOWEST_START = 8_000
"""Milliseconds that a process which died last may take to start again."""
SWEEP = 4_000
"""Milliseconds for one sweep, with a failed try of it."""


class Broken(NamedTuple):
    """A promise that does not hold: for what, and how."""

    promise: str
    subject: str
    detail: str


LOST = "201 is never lost"
TAKEN = "409 took nothing"
FAIR = "201 is for the shop's own sums only"
IN_TIME = "nobody is cancelled before the time is over"
KEPT = "who has paid is not cancelled"
SETTLED = "nothing waits for a person that no platform is to blame for"
LIMIT = "nobody buys more than the limit"
ONE_ANSWER = "one key has one answer"
LATE = "P10"
BUG = "nothing fails that no fault explains"
DRAINED = "everything comes to rest"


def answers(attempts: Iterable[Attempt], orders: apsw.Connection, holders: Mapping[str, Disk]) -> list[Broken]:
    """What was answered to buyers is so, and stays so."""
    broken: list[Broken] = []
    by_key: dict[tuple[str, str], list[Attempt]] = {}
    for attempt in attempts:
        by_key.setdefault((attempt.order.user, attempt.order.key), []).append(attempt)
    for (user, key), of_key in by_key.items():
        broken += _linear(f"{user} {key}", of_key)
        for attempt in of_key:
            broken += _stored(f"{user} {key}", attempt, orders, holders)
    return broken


def examined(attempts: Iterable[Attempt]) -> Counter[str]:
    """How much there is to look at for what buyers were answered: answers 201 and 409, and keys."""
    given = [attempt for attempt in attempts if attempt.answer is not None]
    outcomes = Counter(attempt.answer.outcome for attempt in given if attempt.answer is not None)
    keys = {(attempt.order.user, attempt.order.key) for attempt in given}
    return Counter({LOST: outcomes["confirmed"], TAKEN: outcomes["refused"], ONE_ANSWER: len(keys)})


def late(orders: apsw.Connection, now: int, faults_over: int) -> list[Broken]:
    """P10: orders that are undecided behind their deadline and one sweep; times in ms UTC."""
    rows: list[tuple[Any, ...]] = orders.execute(
        "SELECT order_id, deadline FROM orders WHERE status = 'OPEN'"
    ).fetchall()
    return [
        Broken(LATE, str(order_id), f"undecided {now - deadline} ms past its deadline")
        for order_id, deadline in rows
        if max(deadline, faults_over) + SLOWEST_START + SWEEP < now
    ]


def unrest(disks: Mapping[str, Disk]) -> list[Broken]:
    """What is not at rest: messages not sent, events set aside, tasks not done, orders and payments to be looked at."""
    waiting: list[Broken] = []
    for name, disk in disks.items():
        for table in ("outbox", "tasks", "set_aside"):
            found = _first(disk, table)
            if found:
                waiting.append(Broken(DRAINED, name, f"{table} has {found}"))
    for name, table in (("orders", "orders"), ("payments", "payments")):
        found = _first(disks[name], f"{table} WHERE due_at IS NOT NULL")
        if found:
            waiting.append(Broken(DRAINED, name, f"{table} still to be looked at: {found}"))
    return waiting


def cancelled(
    orders: Iterable[OrderRow],
    withdrawn: Container[int],
    paid_at: Mapping[int, int],
    closed_at: Mapping[int, int],
    skew: int,
) -> list[Broken]:
    """Orders that were cancelled though nobody wanted it and there was time left, or though they were paid in time.

    `paid_at`: when the platform took the first payment of an order; `closed_at`: when payments began to close it. Both
    in ms UTC, by clocks that differ by at most `skew` ms.
    """
    broken: list[Broken] = []
    for order in orders:
        end = next((one for one in changes_after_first(order) if one.status == "CANCELLED"), None)
        if end is None or order.decision not in ("confirmed", CANCELLED):
            continue
        limit = order.pay_by if order.decision == "confirmed" else order.deadline
        unpaid = end.payment_status == "UNPAID"
        if unpaid and order.order_id not in withdrawn and end.at < limit - skew:
            broken.append(
                Broken(IN_TIME, str(order.order_id), f"{end.why} {limit - end.at} ms before its time was over")
            )
        closed = closed_at.get(order.order_id, end.at)
        if unpaid and paid_at.get(order.order_id, closed) < closed - skew:
            broken.append(Broken(KEPT, str(order.order_id), f"closed at {closed}, paid at {paid_at[order.order_id]}"))
    return broken


def settled(payments: apsw.Connection, orders: apsw.Connection, misquoted: Container[str]) -> list[Broken]:
    """What waits for a person though no platform gave a reason, and refunds that never ended.

    `misquoted`: the trades for which a platform once named another amount.
    """
    breaks: list[tuple[Any, ...]] = payments.execute("SELECT number, kind, detail FROM breaks").fetchall()
    waiting = orders.execute("SELECT order_id FROM orders WHERE payment_status = 'REFUNDING'").fetchall()
    return [
        *(
            Broken(SETTLED, str(number), f"{kind}: {detail}")
            for number, kind, detail in breaks
            if number not in misquoted
        ),
        *(Broken(SETTLED, str(order_id), "its refund has not ended") for (order_id,) in waiting),
    ]


def limits(stock: apsw.Connection) -> list[Broken]:
    """Buyers who have more of a good than its limit, which never changes in a world."""
    statement = (
        "SELECT bought.user, sku, quantity, buyer_limit FROM bought JOIN goods USING (sku) WHERE quantity > buyer_limit"
    )
    found: list[tuple[Any, ...]] = stock.execute(statement).fetchall()
    return [
        Broken(LIMIT, f"{user} {sku}", f"has {quantity}, {most} are allowed") for user, sku, quantity, most in found
    ]


def _first(disk: Disk, rows: str) -> str:
    """The beginnings of the first few rows, if there are any."""
    found = disk.connection.execute(f"SELECT * FROM {rows} LIMIT 3").fetchall()  # noqa: S608 - names of this module
    return "; ".join(" ".join(str(value) for value in row[:4]) for row in found)


def _linear(subject: str, attempts: list[Attempt]) -> list[Broken]:
    """All definite answers to one body are one, and none behind the first of them is indefinite."""
    broken: list[Broken] = []
    firsts: dict[object, Attempt] = {}
    for attempt in sorted(attempts, key=lambda one: one.ended):
        answer = attempt.answer
        if answer is None:
            continue
        first = firsts.get(attempt.order)
        if first is None or first.answer is None:
            if answer.outcome != "undecided":
                firsts[attempt.order] = attempt
        elif answer.outcome == "undecided" and attempt.began > first.ended:
            broken.append(Broken(ONE_ANSWER, subject, f"undecided at {attempt.ended}, decided at {first.ended}"))
        elif answer.outcome != "undecided" and _essence(attempt) != _essence(first):
            broken.append(Broken(ONE_ANSWER, subject, f"{_essence(first)}, then {_essence(attempt)}"))
    taken = [first for first in firsts.values() if first.answer is not None and first.answer.outcome != "key_reused"]
    if len(taken) > 1:
        broken.append(Broken(ONE_ANSWER, subject, "two bodies were taken for one key"))
    return broken


def _essence(attempt: Attempt) -> tuple[str, str, int]:
    answer = attempt.answer
    assert answer is not None
    return (answer.outcome, answer.refusal, answer.order.order_id if answer.order else 0)


def _stored(subject: str, attempt: Attempt, orders: apsw.Connection, holders: Mapping[str, Disk]) -> list[Broken]:
    answer = attempt.answer
    if answer is None or answer.order is None or answer.outcome == "undecided":
        return []
    order = answer.order
    found = orders.execute("SELECT decision, amount_due FROM orders WHERE order_id = ?", (order.order_id,)).fetchone()
    expected = "confirmed" if answer.outcome == "confirmed" else answer.refusal
    if answer.outcome == "confirmed" and not attempt.fair:
        return [Broken(FAIR, subject, f"order {order.order_id} was confirmed with a wrong sum")]
    if found != (expected, attempt.order.amount_due):
        return [Broken(LOST, subject, f"order {order.order_id} was answered {expected}, and is {found}")]
    if answer.outcome == "confirmed":
        return []
    return [
        Broken(TAKEN, subject, f"{name} holds something for refused order {order.order_id}")
        for name, disk in holders.items()
        if _holds(disk, order.order_id)
    ]


def _holds(disk: Disk, order_id: int) -> bool:
    statement = "SELECT 1 FROM reservations WHERE order_id = ? AND state = 'TAKEN'"
    return disk.connection.execute(statement, (order_id,)).fetchone() is not None
