"""What merchants are to be told: a row a notification, a row an attempt."""

from collections.abc import Collection, Sequence
from typing import Final

import msgspec

from .store import Transaction
from .trades import Refund, Trade

MAX_ATTEMPTS: Final = 100
MAX_DECLINES: Final = 100
DECLINED: Final = "declined"
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
    url: str = ""
    event_id: int | None = None
    put_off: int = 0


class Attempt(msgspec.Struct, frozen=True):
    """One try: the HTTP status (None when there was no answer) and the answer's beginning, or what went wrong.

    `stamp` is what the signature was dated with (the world's milliseconds UTC), `twist` what was false about it.
    """

    number: int
    sent_at: int
    status: int | None
    answer: str
    next_at: int | None
    twist: str = ""
    stamp: int = 0


class Event(msgspec.Struct, frozen=True):
    """What happened to a trade, with the JSON of what it happened to as it was then."""

    id: int
    trade_id: int
    code: str
    kind: str
    created_at: int
    content: str


class Due(msgspec.Struct, frozen=True):
    """A notification with what it tells; of an event, how many there were about the trade before this one."""

    notification: Notification
    trade: Trade
    refund: Refund | None
    event: Event | None = None
    earlier: int = 0

    @property
    def url(self) -> str:
        """Where it goes."""
        return self.notification.url or self.trade.notify_url


class Outcome(msgspec.Struct, frozen=True):
    """How one try went."""

    sent_at: int
    status: int | None
    answer: str
    accepted: bool
    twist: str = ""
    stamp: int = 0


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
        tx.rows(
            "INSERT INTO attempts VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            notification.id,
            number,
            outcome.sent_at,
            outcome.status,
            outcome.answer,
            next_at,
            outcome.twist,
            outcome.stamp,
        )
    tx.rows(
        "UPDATE notifications SET due_at = ?, rung = ?, attempts = ?, delivered_at = coalesce(?, delivered_at)"
        " WHERE id = ?",
        next_at,
        min(notification.rung + 1, len(ladder)),
        notification.attempts + len(outcomes),
        last.sent_at if last.accepted else None,
        notification.id,
    )


def put_off(tx: Transaction, notification: Notification, milliseconds: int) -> None:
    """Lets it wait for so long, once for each attempt."""
    tx.rows(
        "UPDATE notifications SET due_at = ?, put_off = ? WHERE id = ?",
        tx.now + milliseconds,
        notification.attempts + 1,
        notification.id,
    )


def happened(tx: Transaction, trade: Trade, kind: str, content: str, urls: Sequence[str], delay: int = 0) -> Event:
    """Writes an event down; whoever listens at these URLs is to be told after so many virtual milliseconds."""
    [row] = tx.rows(
        "INSERT INTO events (trade_id, code, kind, created_at, content) VALUES (?, ?, ?, ?, ?) RETURNING *",
        trade.id,
        tx.new_token(),
        kind,
        tx.now,
        content,
    )
    for url in urls:
        tx.rows(
            "INSERT INTO notifications (trade_id, created_at, due_at, url, event_id) VALUES (?, ?, ?, ?, ?)",
            trade.id,
            tx.now,
            tx.now + delay,
            url,
            row[0],
        )
    return Event(*row)


def decline(tx: Transaction, trade: Trade) -> bool:
    """Writes down that the buyer declined; whether there was room for it: for a hundred of a trade there is."""
    if len(declined(tx, trade.id)) >= MAX_DECLINES:
        return False
    happened(tx, trade, DECLINED, "{}", ())
    return True


def declined(tx: Transaction, trade_id: int) -> list[int]:
    """When the buyer declined a trade, in virtual milliseconds UTC."""
    rows = tx.rows("SELECT created_at FROM events WHERE trade_id = ? AND kind = ? ORDER BY id", trade_id, DECLINED)
    return [at for (at,) in rows]


def event_by_code(tx: Transaction, code: str) -> Event | None:
    """The event with that code."""
    row = tx.row("SELECT * FROM events WHERE code = ?", code)
    return Event(*row) if row else None


def by_id(tx: Transaction, identity: int) -> tuple[Due, list[Attempt]] | None:
    """A notification with its attempts."""
    row = tx.row("SELECT * FROM notifications WHERE id = ?", identity)
    return (_with_what_it_tells(tx, Notification(*row)), _attempts(tx, identity)) if row else None


def of_trade(tx: Transaction, trade_id: int, limit: int) -> list[tuple[Due, list[Attempt]]]:
    """Those about a trade, with their attempts, at most `limit`."""
    rows = tx.rows("SELECT * FROM notifications WHERE trade_id = ? ORDER BY id LIMIT ?", trade_id, limit)
    return [(_with_what_it_tells(tx, Notification(*row)), _attempts(tx, row[0])) for row in rows]


def was_tried(tx: Transaction, trade_id: int) -> bool:
    """Whether each notification about a trade was sent once at least."""
    return not tx.rows("SELECT 1 FROM notifications WHERE trade_id = ? AND attempts = 0 LIMIT 1", trade_id)


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
        "SELECT number, sent_at, status, answer, next_at, twist, stamp FROM attempts WHERE notification_id = ?"
        " ORDER BY number",
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
    event = _event(tx, notification.event_id)
    refund = Refund(*refunds[0]) if refunds else None
    return Due(notification, Trade(*trade), refund, event, _earlier(tx, notification) if event else 0)


def _earlier(tx: Transaction, notification: Notification) -> int:
    [(count,)] = tx.rows(
        "SELECT count(*) FROM notifications WHERE trade_id = ? AND id < ?", notification.trade_id, notification.id
    )
    return count


def _event(tx: Transaction, identity: int | None) -> Event | None:
    if identity is None:
        return None
    row = tx.row("SELECT * FROM events WHERE id = ?", identity)
    return Event(*row) if row else None
