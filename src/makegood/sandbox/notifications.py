"""What merchants are to be told: a row a notification, a row an attempt."""

from collections.abc import Collection
from typing import Final

import msgspec

from .store import Transaction
from .trades import Refund, Trade

MAX_ATTEMPTS: Final = 100
MAX_ANSWER_LENGTH: Final = 200


class Notification(msgspec.Struct, frozen=True):
    """A notification; `rung` attempts were made on the ladder. Times are virtual milliseconds UTC."""

    id: int
    trade_id: int
    request_no: str | None
    created_at: int
    due_at: int | None
    rung: int
    attempts: int
    delivered_at: int | None


class Attempt(msgspec.Struct, frozen=True):
    """One try: the HTTP status (None when there was no answer) and the answer's beginning, or what went wrong."""

    number: int
    sent_at: int
    status: int | None
    answer: str
    next_at: int | None


class Due(msgspec.Struct, frozen=True):
    """A notification with what it tells."""

    notification: Notification
    trade: Trade
    refund: Refund | None


class Outcome(msgspec.Struct, frozen=True):
    """How one try went."""

    sent_at: int
    status: int | None
    answer: str
    accepted: bool


def due(tx: Transaction, claimed: Collection[int], limit: int) -> list[Due]:
    """Those whose time has come and that are not claimed, the longest waiting first, at most `limit`."""
    most = limit + len(claimed)
    rows = tx.rows("SELECT * FROM notifications WHERE due_at <= ? ORDER BY due_at LIMIT ?", tx.now, most)
    found = [Notification(*row) for row in rows]
    return [_with_what_it_tells(tx, each) for each in found if each.id not in claimed][:limit]


def count_due(tx: Transaction) -> int:
    """How many are to be sent now."""
    [(count,)] = tx.rows("SELECT count(*) FROM notifications WHERE due_at <= ?", tx.now)
    return count


def next_due_at(tx: Transaction) -> int | None:
    """When the next one's time comes."""
    [(due_at,)] = tx.rows("SELECT min(due_at) FROM notifications WHERE due_at > ?", tx.now)
    return due_at


def record(tx: Transaction, notification: Notification, outcomes: list[Outcome], ladder: tuple[int, ...]) -> None:
    """Writes the attempts down; the last one decides whether and when (ladder in milliseconds) there is another."""
    last = outcomes[-1]
    climbs = not last.accepted and notification.rung < len(ladder)
    next_at = tx.now + ladder[notification.rung] if climbs else None
    for number, outcome in enumerate(outcomes, notification.attempts + 1):
        attempt = Attempt(number, outcome.sent_at, outcome.status, outcome.answer, next_at)
        tx.rows("INSERT INTO attempts VALUES (?, ?, ?, ?, ?, ?)", notification.id, *msgspec.structs.astuple(attempt))
    tx.rows(
        "UPDATE notifications SET due_at = ?, rung = ?, attempts = ?, delivered_at = coalesce(?, delivered_at)"
        " WHERE id = ?",
        next_at,
        min(notification.rung + 1, len(ladder)),
        notification.attempts + len(outcomes),
        last.sent_at if last.accepted else None,
        notification.id,
    )


def resend(tx: Transaction, identity: int) -> Notification | None:
    """Makes one due now, whatever became of it; None when there is none, or it was tried too often."""
    row = tx.row(
        "UPDATE notifications SET due_at = ? WHERE id = ? AND attempts < ? RETURNING *",
        tx.now,
        identity,
        MAX_ATTEMPTS,
    )
    return Notification(*row) if row else None


def page(tx: Transaction, after: int, limit: int) -> list[tuple[Due, list[Attempt]]]:
    """Notifications with their attempts in the order in which they arose, after a row number, at most `limit`."""
    rows = tx.rows("SELECT * FROM notifications WHERE id > ? ORDER BY id LIMIT ?", after, limit)
    return [(_with_what_it_tells(tx, Notification(*row)), _attempts(tx, row[0])) for row in rows]


def _attempts(tx: Transaction, identity: int) -> list[Attempt]:
    rows = tx.rows(
        "SELECT number, sent_at, status, answer, next_at FROM attempts WHERE notification_id = ? ORDER BY number",
        identity,
    )
    return [Attempt(*row) for row in rows]


def _with_what_it_tells(tx: Transaction, notification: Notification) -> Due:
    """A notification is deleted together with its trade and refunds, so both are there."""
    [trade] = tx.rows("SELECT * FROM trades WHERE id = ?", notification.trade_id)
    refunds = tx.rows(
        "SELECT * FROM refunds WHERE trade_id = ? AND request_no = ?",
        notification.trade_id,
        notification.request_no,
    )
    return Due(notification, Trade(*trade), Refund(*refunds[0]) if refunds else None)
