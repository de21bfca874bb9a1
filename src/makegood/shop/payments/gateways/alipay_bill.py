"""Reads Alipay's daily bill (业务账单): a zip of CSV files in GBK, one of them with a line for each payment and refund.

Source: Alipay Open Platform, `alipay.data.dataservice.bill.downloadurl.query`, bill type `trade`. Refunds are lines
with a negative amount; values end with a tab, so that spreadsheets keep long numbers.
"""

import csv
import io
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence

from makegood.shop.payments.gateways.alipay_text import fen, milliseconds
from makegood.shop.payments.gateways.port import BillLine

MAX_ZIP = 32 * 1024 * 1024
"""Largest bill that is fetched, in bytes, packed."""
MAX_UNPACKED = 64 * 1024 * 1024
"""Most bytes of all its files, unpacked."""
MAX_FILES = 64
"""Most files in it."""

_TRADE_NO, _NUMBER, _KIND, _DONE, _AMOUNT, _REFUND = (
    "支付宝交易号",
    "商户订单号",
    "业务类型",
    "完成时间",
    "订单金额（元）",
    "退款批次号/请求号",
)
_COLUMNS = (_TRADE_NO, _NUMBER, _KIND, _DONE, _AMOUNT, _REFUND)
_PAYMENT, _GIVEN_BACK = "交易", "退款"
_PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# What zipfile and csv raise for bytes that are no zip, or no CSV.
_BROKEN = (
    zipfile.BadZipFile, zlib.error, csv.Error, struct.error, ValueError, LookupError, OverflowError, RuntimeError,
    OSError, EOFError,
)  # fmt: skip


class UnreadableBill(ValueError):
    """The bill is not as documented, or too large: look at it in the platform's own console."""


def read(packed: bytes) -> list[BillLine]:
    """The payments and refunds of a bill. Raises UnreadableBill, nothing else."""
    try:
        details = [lines for text in _unpacked(packed) if (lines := _details(text)) is not None]
    except UnreadableBill:
        raise
    except _BROKEN as error:
        raise UnreadableBill(f"not a bill of Alipay's: {error!r}") from error
    if not details:
        raise UnreadableBill(f"none of the bill's files has lines with {_TRADE_NO} and {_NUMBER}")
    return [line for lines in details for line in lines]


def _unpacked(packed: bytes) -> Iterator[str]:
    """The text of each file. What a file says of its size is not believed."""
    left = MAX_UNPACKED
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        files = [one for one in archive.infolist() if not one.is_dir()]
        if len(files) > MAX_FILES or any(one.compress_type not in _PACKINGS for one in files):
            raise UnreadableBill(f"{len(files)} files: at most {MAX_FILES} are read, and only deflated ones")
        for one in files:
            with archive.open(one) as file:
                content = file.read(left + 1)
            left -= len(content)
            if left < 0:
                raise UnreadableBill(f"more than {MAX_UNPACKED} bytes unpacked")
            yield content.decode("gb18030", "replace")


def _details(text: str) -> list[BillLine] | None:
    """The lines of a file, None when it is not the one with details."""
    rows = csv.reader(io.StringIO(text, newline=""))
    for row in rows:
        header = [value.strip() for value in row]
        if _TRADE_NO in header and _NUMBER in header:
            return list(_lines(header, rows))
    return None


def _lines(header: Sequence[str], rows: Iterator[list[str]]) -> Iterator[BillLine]:
    for name in _COLUMNS:
        if name not in header:
            raise UnreadableBill(f"no column {name}")
    for row in rows:
        if row and row[0].startswith("#"):  # the sums behind the last line
            return
        if len(row) < len(header):
            if any(value.strip() for value in row):
                raise UnreadableBill(f"a line of {len(row)} values under {len(header)} columns")
            continue
        line = _line({name: value.strip() for name, value in zip(header, row, strict=False)})
        if line is not None:
            yield line


def _line(values: Mapping[str, str]) -> BillLine | None:
    """None for what is neither a payment nor a refund."""
    kind, amount = values[_KIND], values[_AMOUNT]
    if kind not in (_PAYMENT, _GIVEN_BACK):
        return None
    try:
        return BillLine(
            kind="payment" if kind == _PAYMENT else "refund",
            number=values[_NUMBER],
            refund_number="" if kind == _PAYMENT else values[_REFUND],
            trade_no=values[_TRADE_NO],
            amount=fen(amount.removeprefix("-") if kind == _GIVEN_BACK else amount),
            at=milliseconds(values[_DONE]),
        )
    except ValueError as error:
        raise UnreadableBill(f"line of {values[_NUMBER][:64]!r}: {error}") from error
