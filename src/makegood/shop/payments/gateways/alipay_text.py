"""How Alipay writes amounts and times (decimal yuan, Beijing time), and what we hold: fen, milliseconds UTC.

Source: Alipay Open Platform, common parameters and `alipay.trade.*`: `total_amount` is yuan with at most two
decimals, times are `yyyy-MM-dd HH:mm:ss` in UTC+8; `gmt_refund` has a fraction of a second too.
"""

import re
from datetime import UTC, datetime, timedelta, timezone

from makegood.shop.payments.gateways.port import MAX_AMOUNT, checked_moment

# China keeps one zone and, since 1991, no summer time: a fixed offset needs no time-zone files.
_BEIJING = timezone(timedelta(hours=8))
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# [0-9], for \d and int() also take full-width and other digits.
_YUAN = re.compile(r"(0|[1-9][0-9]{0,9})(?:\.([0-9]{1,2}))?")
_TIME = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,3}))?")


def yuan(fen: int) -> str:
    """`fen` as yuan with two decimals. Raises ValueError below 0 and above MAX_AMOUNT."""
    if not 0 <= fen <= MAX_AMOUNT:
        raise ValueError(f"amount of {fen} fen: Alipay takes 0 to {MAX_AMOUNT}")
    return f"{fen // 100}.{fen % 100:02}"


def fen(text: str) -> int:
    """Fen from yuan text. Raises ValueError for anything but plain ASCII digits with at most two decimals."""
    match = _YUAN.fullmatch(text)
    if match is None:
        raise ValueError(f"{text[:40]!r} is no amount in yuan such as 88.80")
    amount = int(match[1]) * 100 + int((match[2] or "").ljust(2, "0"))
    if amount > MAX_AMOUNT:
        raise ValueError(f"{text!r} yuan is more than Alipay takes")
    return amount


def beijing(milliseconds: int) -> str:
    """Milliseconds UTC as Beijing time, rounded down to the second."""
    return (_EPOCH + timedelta(milliseconds=milliseconds)).astimezone(_BEIJING).strftime("%Y-%m-%d %H:%M:%S")


def milliseconds(text: str) -> int:
    """Milliseconds UTC from Beijing time. Raises ValueError for any other form, and for days there are not."""
    match = _TIME.fullmatch(text)
    if match is None:
        raise ValueError(f"{text[:40]!r} is no Beijing time such as 2026-01-31 12:00:00")
    moment = datetime.fromisoformat(match[1]).replace(tzinfo=_BEIJING)
    return checked_moment((moment - _EPOCH) // timedelta(milliseconds=1) + int((match[2] or "").ljust(3, "0")))
