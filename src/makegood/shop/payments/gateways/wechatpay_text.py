"""How WeChat Pay writes times: RFC 3339, in Beijing's zone when it writes, in any when it reads."""

import re
from datetime import UTC, datetime, timedelta, timezone

from makegood.shop.payments.gateways.port import checked_moment

_BEIJING = timezone(timedelta(hours=8))
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TIME = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})T([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,9}))?(Z|[+-][0-9]{2}:[0-9]{2})"
)


def rfc3339(milliseconds: int) -> str:
    """Milliseconds UTC as Beijing time, rounded down to the second."""
    return (_EPOCH + timedelta(seconds=milliseconds // 1000)).astimezone(_BEIJING).isoformat()


def milliseconds(text: str) -> int:
    """Milliseconds UTC. Raises ValueError for any other form, and for moments there are not."""
    match = _TIME.fullmatch(text)
    if match is None:
        raise ValueError(f"{text[:40]!r} is no time such as 2026-01-31T12:00:00+08:00")
    zone = "+00:00" if match[4] == "Z" else match[4]
    moment = datetime.fromisoformat(f"{match[1]}T{match[2]}{zone}")
    return checked_moment((moment - _EPOCH) // timedelta(milliseconds=1) + int((match[3] or "")[:3].ljust(3, "0")))
