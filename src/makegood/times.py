"""Times as the outside writes them: RFC 3339, UTC."""

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def rfc3339(at: int) -> str:
    """`at` (milliseconds since 1970-01-01 UTC) as `2026-11-22T12:00:00.000Z`."""
    return (EPOCH + timedelta(milliseconds=at)).isoformat(timespec="milliseconds")[:-6] + "Z"


def milliseconds(at: datetime) -> int:
    """Milliseconds since 1970-01-01 UTC; what is finer is cut off."""
    return (at - EPOCH) // _MILLISECOND
