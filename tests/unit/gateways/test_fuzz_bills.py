"""Bills with something wrong in them: every line that is read is sound, or the bill is said to be unreadable."""

import gzip
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makegood.shop.payments.gateways import alipay_bill, wechatpay_bill
from makegood.shop.payments.gateways.port import BillLine
from tests.support.mutated import TEXTS, spoilt

from .sound import assert_sound_lines
from .test_bills import SUMMARY, alipay_line, alipay_text, packed, wechat_line, wechat_text

ALIPAY_LINES = (alipay_line("交易", "88.80"), alipay_line("退款", "-8.80", "R1"))
WECHAT_LINES = (wechat_line("SUCCESS", "88.80"), wechat_line("REFUND", "0.00", "8.80", "R1", "SUCCESS"))

SAID = (8880, 880, 0, 100)
"""In fen, what the lines are of, and what some of `TEXTS` say in the place of an amount: 88.8, 0, -1 as refunded."""


def read(reader: Callable[[bytes], list[BillLine]], unreadable: type[Exception], content: bytes) -> list[BillLine]:
    """The lines, none when the bill is unreadable."""
    try:
        lines = reader(content)
    except unreadable:
        return []
    assert_sound_lines(lines)
    return lines


def of_alipay(content: bytes) -> list[BillLine]:
    """As the adapter reads it."""
    return read(alipay_bill.read, alipay_bill.UnreadableBill, content)


def of_wechatpay(content: bytes) -> list[BillLine]:
    """As the adapter reads it."""
    return read(wechatpay_bill.read, wechatpay_bill.UnreadableBill, content)


@pytest.mark.parametrize("line", ALIPAY_LINES)
def test_values_of_alipays(line: str) -> None:
    """Every value of a line left out or replaced: its amount is the one that stands there, or there is none."""
    values = line.split(",")
    for at in range(len(values)):
        for put in ([], *([f"{text}\t"] for text in TEXTS if "," not in text)):
            changed = ",".join([*values[:at], *put, *values[at + 1 :]])
            for one in of_alipay(packed(alipay_text(changed))):
                assert one.amount in SAID


@pytest.mark.parametrize("line", WECHAT_LINES)
def test_values_of_wechatpays(line: str) -> None:
    """The same."""
    values = line.split(",`")
    for at in range(len(values)):
        for text in TEXTS:
            changed = ",`".join([*values[:at], text, *values[at + 1 :]])
            for one in of_wechatpay(wechat_text("`" + changed.removeprefix("`"))):
                assert one.amount in SAID


@settings(max_examples=250)
@given(st.integers(0, 6_000), st.integers(0, 255), st.integers(0, 4))
def test_spoilt(at: int, byte: int, how: int) -> None:
    """A byte changed, added, lost, or everything cut off or doubled there: in the zip, the CSV, or a gzip of it."""
    of_alipay(spoilt(packed(SUMMARY, alipay_text(*ALIPAY_LINES)), at, byte, how))
    of_alipay(packed(spoilt(alipay_text(*ALIPAY_LINES), at, byte, how)))
    of_wechatpay(spoilt(wechat_text(*WECHAT_LINES), at, byte, how))
    assert of_wechatpay(gzip.compress(spoilt(wechat_text(*WECHAT_LINES), at, byte, how))) == []
