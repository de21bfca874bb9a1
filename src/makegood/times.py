"""Times as the outside writes them: RFC 3339, UTC."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


@lru_cache(maxsize=4_096)
def rfc3339(at: int) -> str:
    """`at` (milliseconds since 1970-01-01 UTC) as `2026-11-22T12:00:00.000Z`."""
    # Orders of one batch share their times, and formatting them costs more than the rest of an order's view.
    second, millisecond = divmod(at, 1000)
    return f"{(EPOCH + timedelta(seconds=second)).isoformat()[:-6]}.{millisecond:03d}Z"


def milliseconds(at: datetime) -> int:
    """Milliseconds since 1970-01-01 UTC; what is finer is cut off."""
    return (at - EPOCH) // _MILLISECOND
