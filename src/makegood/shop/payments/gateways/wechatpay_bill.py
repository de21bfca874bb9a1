"""Reads WeChat Pay's daily trade bill (交易账单): CSV in UTF-8 whose values each begin with a backtick.

Source: WeChat Pay API v3, `/v3/bill/tradebill`, bill type ALL. A line is a payment, or a refund that was asked for on
that day; behind them stand the sums.
"""

from collections.abc import Iterator, Mapping

from makegood.shop.payments.gateways.alipay_text import fen
from makegood.shop.payments.gateways.alipay_text import milliseconds as beijing_milliseconds
from makegood.shop.payments.gateways.port import BillLine

_AT, _TRADE_NO, _NUMBER, _STATE = "交易时间", "微信订单号", "商户订单号", "交易状态"
_PAID, _REFUND, _REFUNDED, _REFUND_STATE = "订单金额", "商户退款单号", "申请退款金额", "退款状态"
_COLUMNS = (_AT, _TRADE_NO, _NUMBER, _STATE, _PAID, _REFUND, _REFUNDED, _REFUND_STATE)
_SUMS = "总交易单数"
_NOT_REFUNDED = frozenset({"FAIL", "CLOSED", "ABNORMAL", "CHANGE"})
"""What gave the buyer nothing back."""


class UnreadableBill(ValueError):
    """The bill is not as documented: look at it in the platform's own console."""


def read(content: bytes) -> list[BillLine]:
    """The payments and refunds of a bill. Raises UnreadableBill, nothing else."""
    try:
        lines = iter(content.decode("utf-8-sig").splitlines())
    except UnicodeDecodeError as error:
        raise UnreadableBill(f"not UTF-8: {error.reason}") from error
    header = _values(next(lines, ""))
    for name in _COLUMNS:
        if name not in header:
            raise UnreadableBill(f"no column {name}")
    return list(_read(header, lines))


def _read(header: list[str], lines: Iterator[str]) -> Iterator[BillLine]:
    for line in lines:
        values = _values(line)
        if values[0] == _SUMS:
            return
        if len(values) < len(header):
            raise UnreadableBill(f"a line of {len(values)} values under {len(header)} columns")
        read = _line(dict(zip(header, values, strict=False)))
        if read is not None:
            yield read
    raise UnreadableBill("it ends before its sums: it was cut off")


def _values(line: str) -> list[str]:
    """A value may hold a comma, but no comma before a backtick."""
    divided = line.split(",`") if line.startswith("`") else line.split(",")
    return [value.strip().removeprefix("`") for value in divided]


def _line(values: Mapping[str, str]) -> BillLine | None:
    """None for what moved no money."""
    state = values[_STATE]
    try:
        if state == "SUCCESS":
            amount, refund = fen(values[_PAID]), ""
        elif state in ("REFUND", "REVOKED") and values[_REFUND_STATE] not in _NOT_REFUNDED:
            amount, refund = fen(values[_REFUNDED]), values[_REFUND]
        else:
            return None
        kind = "payment" if state == "SUCCESS" else "refund"
        at = beijing_milliseconds(values[_AT])
        return BillLine(kind, values[_NUMBER], refund, values[_TRADE_NO], amount, at)
    except ValueError as error:
        raise UnreadableBill(f"line of {values[_NUMBER][:64]!r}: {error}") from error
