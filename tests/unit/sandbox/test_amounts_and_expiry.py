"""Yuan and fen, and until when a trade can be paid."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from makegood.sandbox.alipay.amounts import MAX_FEN, fen, yuan
from makegood.sandbox.alipay.expiry import expiry, is_moment

NOW = 1_795_320_000_000  # 2026-11-22 04:00:00 UTC, 12:00:00 in Beijing
MINUTE, DAY = 60_000, 86_400_000


@given(st.integers(1, MAX_FEN))
def test_fen_and_yuan_are_inverse(amount: int) -> None:
    """Every amount survives the way to yuan and back."""
    assert fen(Decimal(yuan(amount))) == amount


@given(st.decimals())
def test_amount_is_whole_fen_within_bounds_or_nothing(amount: Decimal) -> None:
    """No decimal at all is rounded, and none outside the bounds is taken."""
    result = fen(amount)
    assert result is None or (Decimal(result) / 100 == amount and 1 <= result <= MAX_FEN)


@pytest.mark.parametrize(
    "text", ["0", "-1", "0.001", "100000000.01", "NaN", "Infinity", "1e99", "0.01" + "0" * 40 + "1"]
)
def test_impossible_amounts_are_refused(text: str) -> None:
    """Zero, negative, too fine, too large and not a number are no amounts."""
    assert fen(Decimal(text)) is None


@pytest.mark.parametrize(
    ("durations", "moment", "ends"),
    [
        ([], "", NOW + 120 * MINUTE),
        (["5m", ""], "", NOW + 5 * MINUTE),
        (["2h", "90m"], "", NOW + 90 * MINUTE),
        (["15d"], "", NOW + 15 * DAY),
        (["1c"], "", NOW + 12 * 60 * MINUTE - 1),
        (["1d"], "2026-11-22 12:30:00", NOW + 30 * MINUTE),
        ([], "2026-11-22 12:30", NOW + 30 * MINUTE),
    ],
)
def test_earliest_end_holds(durations: list[str], moment: str, ends: int) -> None:
    """The earliest of what is given counts, from now; two hours when nothing is."""
    assert expiry(NOW, durations, moment) == ends


@pytest.mark.parametrize(
    ("duration", "moment"),
    [("0m", ""), ("16d", ""), ("5", ""), ("5s", ""), ("1.5h", ""), ("٥m", ""), ("", "2026-11-22 11:59:59")]
    + [("", text) for text in ("2026-11-22", "2026-13-01 00:00:00", "tomorrow", "2026-11-22T12:30:00Z")],
)
def test_impossible_ends_are_refused(duration: str, moment: str) -> None:
    """A malformed, past or distant end is refused, whatever else is given."""
    assert expiry(NOW, [duration, "5m"], moment) is None


@given(st.text())
def test_any_text_is_an_end_or_not(text: str) -> None:
    """No text makes it fail."""
    ends = expiry(NOW, [text], text)
    assert ends is None or NOW < ends <= NOW + 15 * DAY


def test_timestamp_has_one_form() -> None:
    """A timestamp is a real moment to the second."""
    assert is_moment("2026-11-22 12:00:00")
    assert not any(
        map(is_moment, ["2026-11-22 12:00", "2026-02-30 12:00:00", "2026-11-22T12:00:00", "", "0000-00-00 00:00:00"])
    )


def test_moment_is_by_the_merchants_clock() -> None:
    """A moment, unlike a duration, is moved by how far the sandbox's clock is ahead."""
    assert expiry(NOW, ["1d"], "2026-11-22 12:30:00", ahead=MINUTE) == NOW + 31 * MINUTE
    assert expiry(NOW, ["1d"], "2026-11-21 12:30:00", ahead=DAY) == NOW + 30 * MINUTE
    assert expiry(NOW, ["5m"], "2026-11-22 12:30:00", ahead=-DAY) is None
