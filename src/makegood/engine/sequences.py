"""Events of a sequence that wait with one that failed: they take effect behind it, in their order.

An ordered listener's event that fails is set aside, as any other; and so is each later one of its sequence, without
having been tried. When the first of them takes effect, or is given up, the next one's turn comes. One that was given
up has lost its place: it holds up nobody, and replayed it is tried at once.
"""

from typing import Any

from makegood.engine.database.table import Table
from makegood.engine.tables import SetAside

WAITING = 60_000
"""Milliseconds after which one that waits is looked at again, should nobody have called it."""
BEHIND = "waits for an earlier event of its sequence"

_LAST = 2**63 - 1
SetAsideTable = Table[SetAside, tuple[str, str, str]]


def first(table: SetAsideTable, tx: Any, group: str, topic: str, sequence: str) -> SetAside | None:
    """Whose turn it is among those of this sequence that are set aside; None when nobody waits."""
    where = {"sequence": sequence, "group_name": group, "topic": topic}
    rows: list[SetAside] = tx.due(table, "place", _LAST, 1, where)
    return rows[0] if rows else None


def is_first(table: SetAsideTable, tx: Any, row: SetAside) -> bool:
    """Whether it is this event's turn, if it has a place. If not it is put off."""
    ahead = None if row.place is None else first(table, tx, row.group_name, row.topic, row.sequence)
    if ahead is None or ahead.event_id == row.event_id:
        return True
    row.due_at = tx.now + WAITING
    tx.update(table, [row])
    return False


def call_next(table: SetAsideTable, tx: Any, done: SetAside) -> SetAside | None:
    """Lets the first of those that wait be tried at once; None when nobody does."""
    following = first(table, tx, done.group_name, done.topic, done.sequence)
    if following is None:
        return None
    key = (following.group_name, following.topic, following.event_id)
    row: SetAside | None = tx.lock(table, [key]).get(key)
    if row is not None:
        row.due_at = tx.now
        tx.update(table, [row])
    return row
