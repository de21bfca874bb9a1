"""What was paid and given back on a day, for the platforms' bills."""

from datetime import date, datetime, time, timedelta, tzinfo
from typing import Any, Final, NamedTuple

from .store import Transaction
from .trades import Refund, Trade

MAX_LINES: Final = 100_000
FIRST_YEAR, LAST_YEAR = 1980, 2106


class Day(NamedTuple):
    """A day somewhere, in virtual milliseconds UTC: from `begins` until before `ends`."""

    begins: int
    ends: int


class DayTooLongError(Exception):
    """More than 100,000 payments or refunds on one day: the sandbox makes no bill of them."""


def day_of(text: str, zone: tzinfo) -> Day | None:
    """The day written as yyyy-MM-dd; None when it is none, or not from 1980 to 2106, which a zip can date."""
    try:
        if len(text) != len("yyyy-MM-dd"):
            return None
        begins = datetime.combine(date.fromisoformat(text), time(), zone)
        if not FIRST_YEAR <= begins.year <= LAST_YEAR:
            return None
        return Day(int(begins.timestamp() * 1000), int((begins + timedelta(days=1)).timestamp() * 1000))
    except (ValueError, OverflowError):
        return None


def paid_on(tx: Transaction, platform: str, day: Day) -> list[Trade]:
    """What was paid, in that order. Raises DayTooLongError."""
    rows = tx.rows(
        "SELECT * FROM trades WHERE platform = ? AND paid_at >= ? AND paid_at < ? ORDER BY paid_at, id LIMIT ?",
        platform,
        *day,
        MAX_LINES + 1,
    )
    return [Trade(*row) for row in _bounded(rows)]


def refunded_on(tx: Transaction, platform: str, day: Day) -> list[tuple[Trade, Refund]]:
    """What was given back, in the order in which it was asked for. Raises DayTooLongError."""
    rows = tx.rows(
        "SELECT trades.*, refunds.* FROM refunds JOIN trades ON trades.id = refunds.trade_id"
        " WHERE trades.platform = ? AND refunded_at >= ? AND refunded_at < ? ORDER BY refunded_at, trade_id LIMIT ?",
        platform,
        *day,
        MAX_LINES + 1,
    )
    width = len(Trade.__struct_fields__)
    return [(Trade(*row[:width]), Refund(*row[width:])) for row in _bounded(rows)]


def _bounded(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    if len(rows) > MAX_LINES:
        raise DayTooLongError(DayTooLongError.__doc__)
    return rows
