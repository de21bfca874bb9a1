"""Amounts and times as Alipay writes them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from makegood.shop.payments.gateways.alipay_text import beijing, fen, milliseconds, yuan
from makegood.shop.payments.gateways.port import MAX_AMOUNT

SECONDS_UNTIL_YEAR_9000 = 221_845_392_000


@given(st.integers(0, MAX_AMOUNT))
def test_amount_round_trip(amount: int) -> None:
    """No fen is lost or made on the way to yuan and back."""
    assert fen(yuan(amount)) == amount


@given(st.text(alphabet="0123456789.-+eE_ １０٣", max_size=14))
def test_amount_is_plain_or_refused(text: str) -> None:
    """Whatever is read as an amount is the decimal number that a person reads there."""
    try:
        amount = fen(text)
    except ValueError:
        return
    assert re.fullmatch(r"[0-9]+(\.[0-9]{1,2})?", text)
    whole, _, part = text.partition(".")
    assert amount == int(whole + part + "0" * (2 - len(part)))


@pytest.mark.parametrize(
    ("text", "amount"), [("0.01", 1), ("1", 100), ("1.5", 150), ("88.80", 8880), ("100000000.00", MAX_AMOUNT)]
)
def test_amount_read(text: str, amount: int) -> None:
    """Yuan with no, one and two decimals are understood."""
    assert fen(text) == amount


@pytest.mark.parametrize(
    "text",
    ["", "1e3", "１.00", "٣.00", "1.001", "-1.00", "+1", "1.", ".5", "01.00", " 1.00", "1.00\n", "1_0", "NaN",
     "0x10", "1,000.00", "100000000.01", "9" * 5000],
)  # fmt: skip
def test_amount_refused(text: str) -> None:
    """Anything but plain ASCII digits with at most two decimals is refused, and so is too much."""
    with pytest.raises(ValueError, match="yuan"):
        fen(text)


@pytest.mark.parametrize("amount", [-1, MAX_AMOUNT + 1])
def test_amount_never_written(amount: int) -> None:
    """An amount that Alipay does not take is not written for it either."""
    with pytest.raises(ValueError, match="fen"):
        yuan(amount)


@given(st.integers(0, SECONDS_UNTIL_YEAR_9000))
def test_time_round_trip(seconds: int) -> None:
    """A second keeps its place on the way to Beijing time and back."""
    assert milliseconds(beijing(seconds * 1000)) == seconds * 1000


def test_time_is_beijing_time_rounded_down() -> None:
    """Midnight UTC is eight in Beijing; a started second does not count."""
    assert beijing(1_767_225_600_999) == "2026-01-01 08:00:00"


def test_time_with_fraction() -> None:
    """The fraction that Alipay puts on refund times is kept to the millisecond."""
    assert milliseconds("2026-01-01 08:00:00.32") == 1_767_225_600_320


@pytest.mark.parametrize(
    "text", ["", "2026-01-01", "2026-02-30 00:00:00", "2026-1-1 0:0:0", "2026-01-01T08:00:00Z", "٢026-01-01 08:00:00"]
)  # fmt: skip
def test_time_refused(text: str) -> None:
    """Any other form of a time, and a day that there is not, is refused."""
    with pytest.raises(ValueError, match=r"time|day|month"):
        milliseconds(text)
