"""Days as platforms count them on their bills: by China's clock, UTC+8 all year."""

from datetime import date, timedelta

EPOCH = date(1970, 1, 1)
DAY = 86_400_000
"""Milliseconds in a day."""
ZONE = 8 * 3_600_000
"""Milliseconds by which the platforms' clock is ahead of UTC."""
TOLERANCE = 3_600_000
"""Milliseconds before midnight in which something may stand on the bill of either day."""
FOUND = -1
"""The day of what was found on a bill: none is looked for any more."""
UNKNOWN = 0
"""The day of what happened at moment 0: the platform does not say when, so any day's bill may have it."""


def day_of(at: int) -> int:
    """The day of this moment (ms UTC), in days since 1970-01-01."""
    return (at + ZONE) // DAY


def awaited(known: int | None, at: int) -> int:
    """On which day's bill something of this moment (ms UTC) has to be found, unless it was."""
    return FOUND if known == FOUND else day_of(at)


def date_of(day: int) -> date:
    """The day as a date."""
    return EPOCH + timedelta(days=day)


def day_number(text: str) -> int | None:
    """The day that YYYY-MM-DD names; None when there is no such day."""
    try:
        return day_of_date(date.fromisoformat(text))
    except ValueError:
        return None


def day_of_date(day: date) -> int:
    """The day of a date."""
    return (day - EPOCH).days


def begin_of(day: int) -> int:
    """When the day begins, ms UTC."""
    return day * DAY - ZONE
