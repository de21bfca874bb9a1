"""Until when a trade can be paid, as precreate says it."""

import re
from datetime import datetime
from typing import Final

from .merchant import BEIJING

DEFAULT_MILLISECONDS: Final = 2 * 3600 * 1000
MAX_MILLISECONDS: Final = 15 * 24 * 3600 * 1000
_UNITS: Final = {"m": 60_000, "h": 3_600_000, "d": 86_400_000}
_DURATION: Final = re.compile(r"([0-9]{1,6})([mhd])")
_MOMENT: Final = re.compile(r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}(:\d{2})?", re.ASCII)


def expiry(now: int, durations: list[str], moment: str, ahead: int = 0) -> int | None:
    """The earliest end, in virtual milliseconds UTC; None when one is malformed or over before it began.

    Durations are 1m to 15d, or 1c, the end of the day in Beijing; the moment is Beijing time by the merchant's clock,
    of which the sandbox's is `ahead` by so many milliseconds. Empty ones say nothing.
    """
    ends = [_after(now, duration) for duration in durations if duration]
    if moment:
        ends.append(_at(moment, ahead))
    known = [end for end in ends if end is not None and now < end <= now + MAX_MILLISECONDS]
    if len(known) < len(ends):
        return None
    return min(known, default=now + DEFAULT_MILLISECONDS)


def is_moment(text: str) -> bool:
    """Whether it is a time as the platform writes it."""
    return len(text) == len("yyyy-MM-dd HH:mm:ss") and _at(text) is not None


def _after(now: int, duration: str) -> int | None:
    if duration == "1c":
        day = datetime.fromtimestamp(now / 1000, BEIJING)
        return int(day.replace(hour=23, minute=59, second=59, microsecond=999_999).timestamp() * 1000)
    parts = _DURATION.fullmatch(duration)
    return now + int(parts[1]) * _UNITS[parts[2]] if parts else None


def _at(moment: str, ahead: int = 0) -> int | None:
    if not _MOMENT.fullmatch(moment):
        return None
    try:
        return int(datetime.fromisoformat(moment).replace(tzinfo=BEIJING).timestamp() * 1000) + ahead
    except (ValueError, OverflowError):
        return None
