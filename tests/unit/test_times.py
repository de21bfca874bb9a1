"""Times as the outside writes them."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from makegood.times import milliseconds, rfc3339


@given(st.integers(0, 253_402_300_799_999))
def test_round_trip(at: int) -> None:
    """Every millisecond up to the year 9999 is written exactly, and read back."""
    text = rfc3339(at)
    assert len(text) == 24
    assert milliseconds(datetime.fromisoformat(text)) == at


def test_finer_is_cut_off() -> None:
    """What is finer than a millisecond is cut off, never rounded up."""
    assert milliseconds(datetime(2030, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)) == 1_924_991_999_999
