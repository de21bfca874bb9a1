"""Daily bills: read to the fen, and refused when they are anything but a bill."""

import io
import zipfile
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makegood.shop.payments.gateways import alipay_bill, wechatpay_bill
from makegood.shop.payments.gateways.port import BillLine

AT = 1_767_225_601_000
"""2026-01-01 08:00:01 in Beijing, in ms UTC."""
ALIPAY_HEADER = (
    "支付宝交易号,商户订单号,业务类型,商品名称,创建时间,完成时间,门店编号,门店名称,操作员,终端号,对方账户,"
    "订单金额（元）,商家实收（元）,支付宝红包（元）,集分宝（元）,支付宝优惠（元）,商家优惠（元）,券核销金额（元）,"
    "券名称,商家红包消费金额（元）,卡消费金额（元）,退款批次号/请求号,服务费（元）,分润（元）,备注"
)
WECHAT_HEADER = (
    "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,"
    "应结订单金额,代金券金额,微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态,商品名称,商户数据包,"
    "手续费,费率,订单金额,申请退款金额,费率备注"
)
WECHAT_SUMS = "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额"


def alipay_line(kind: str, amount: str, refund: str = "", at: str = "2026-01-01 08:00:01") -> str:
    """A line as Alipay writes it: a tab behind each value."""
    values = ["T1", "P1", kind, '"茶叶, 250 g"', at, at, "", "", "", "", "a***@b.cn", amount, amount, *["0.00"] * 5]
    values += ["", "0.00", "0.00", refund, "0.00", "0.00", ""]
    return ",".join(value + "\t" for value in values)


def alipay_text(*lines: str, header: str = ALIPAY_HEADER) -> bytes:
    """The file with details."""
    rows = ["#支付宝业务明细查询", "#账号：[20880000000000010156]", "#-----业务明细列表-----", header, *lines]
    rows += ["#-----业务明细列表结束-----", "#交易合计：1笔，商家实收共88.80元", "#导出时间：[2026年01月02日 03:04:05]"]
    return "\r\n".join(rows).encode("gb18030", "replace")


def packed(*files: bytes) -> bytes:
    """A zip of them."""
    kept = io.BytesIO()
    with zipfile.ZipFile(kept, "w", zipfile.ZIP_DEFLATED) as archive:
        for at, content in enumerate(files):
            archive.writestr(f"20880000000000010156_20260101_业务明细{at}.csv", content)
    return kept.getvalue()


SUMMARY = "#支付宝业务汇总查询\r\n门店编号,门店名称,交易订单总笔数\r\n合计\t,,1\t\r\n".encode("gb18030", "replace")


def test_alipay_bill() -> None:
    """Payments and refunds of all files with details; a comma in a name is none; other lines are passed over."""
    first = alipay_text(alipay_line("交易", "88.80"), alipay_line("退款", "-8.80", "R1"), alipay_line("服务费", "1.00"))
    second = alipay_text(alipay_line("交易", "0.01"))
    assert alipay_bill.read(packed(SUMMARY, first, second)) == [
        BillLine("payment", "P1", "", "T1", 8880, AT),
        BillLine("refund", "P1", "R1", "T1", 880, AT),
        BillLine("payment", "P1", "", "T1", 1, AT),
    ]
    assert alipay_bill.read(packed(alipay_text())) == []


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\x03\x04",
        packed(),
        packed(SUMMARY),
        packed(alipay_text(header=ALIPAY_HEADER.replace("完成时间", "时间"))),
        packed(alipay_text(alipay_line("交易", "88.805"))),
        packed(alipay_text(alipay_line("交易", "-88.80"))),
        packed(alipay_text(alipay_line("交易", "8 880.00"))),
        packed(alipay_text(alipay_line("交易", "1.00", at="2026-02-30 00:00:00"))),
        packed(alipay_text("T1\t,P1\t")),
        packed(alipay_text('"T1' + "x" * 200_000)),
        packed(*[b"a"] * (alipay_bill.MAX_FILES + 1)),
        packed(SUMMARY)[:-30],
        packed(alipay_text(alipay_line("交易", "88.80"))).replace(b"PK\x01\x02", b"PK\x01\x03"),
    ],
)
def test_what_is_no_bill_of_alipays(content: bytes) -> None:
    """A zip that is none, files without lines, amounts and times that are none."""
    with pytest.raises(alipay_bill.UnreadableBill):
        alipay_bill.read(content)


def test_zip_bomb() -> None:
    """What the files unpack to is bounded, whatever they say of themselves."""
    half = (b"0" * 9_999 + b"\n") * (alipay_bill.MAX_UNPACKED // 20_000 + 1)
    bomb = packed(half, half)
    assert len(bomb) < alipay_bill.MAX_ZIP // 100
    with pytest.raises(alipay_bill.UnreadableBill, match="unpacked"):
        alipay_bill.read(bomb)


def wechat_line(state: str, paid: str, refunded: str = "0.00", refund: str = "", status: str = "") -> str:
    """A line as WeChat Pay writes it: a backtick before each value."""
    values = ["2026-01-01 08:00:01", "wx1", "1900000001", "0", "", "T1", "P1", "o0", "NATIVE", state, "OTHERS", "CNY"]
    values += [
        paid,
        "0.00",
        "5030",
        refund,
        refunded,
        "0.00",
        "ORIGINAL",
        status,
        "茶叶, 250 g",
        "",
        "0.00000",
        "0.60%",
    ]
    return ",".join("`" + value for value in [*values, paid, refunded, ""])


def wechat_text(*lines: str, header: str = WECHAT_HEADER) -> bytes:
    """The whole bill."""
    return "\r\n".join([header, *lines, WECHAT_SUMS, "`1,`88.80,`0.00,`0.00,`0.00,`88.80,`0.00", ""]).encode()


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_wechatpay_bill(mark: bytes) -> None:
    """Payments, and refunds that are made or on their way; not those that came to nothing."""
    text = wechat_text(
        wechat_line("SUCCESS", "88.80"),
        wechat_line("REFUND", "0.00", "8.80", "R1", "SUCCESS"),
        wechat_line("REFUND", "0.00", "1.00", "R2", "PROCESSING"),
        wechat_line("REFUND", "0.00", "1.00", "R3", "ABNORMAL"),
        wechat_line("REFUND", "0.00", "1.00", "R4", "CLOSED"),
    )
    assert wechatpay_bill.read(mark + text) == [
        BillLine("payment", "P1", "", "T1", 8880, AT),
        BillLine("refund", "P1", "R1", "T1", 880, AT),
        BillLine("refund", "P1", "R2", "T1", 100, AT),
    ]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        wechat_text(header=WECHAT_HEADER.replace("订单金额", "金额")),
        wechat_text(wechat_line("SUCCESS", "88.805")),
        wechat_text(wechat_line("SUCCESS", "-1.00")),
        wechat_text(wechat_line("REFUND", "0.00", "x", "R1", "SUCCESS")),
        wechat_text("`2026-01-01 08:00:01,`wx1"),
        wechat_text(wechat_line("SUCCESS", "88.80")).partition("总".encode())[0],
        b'{"code":"SYSTEM_ERROR"}',
    ],
)
def test_what_is_no_bill_of_wechatpays(content: bytes) -> None:
    """Other columns, amounts that are none, and a bill that was cut off."""
    with pytest.raises(wechatpay_bill.UnreadableBill):
        wechatpay_bill.read(content)


@settings(max_examples=150)
@given(st.binary(max_size=300), st.lists(st.lists(st.text(max_size=12), max_size=30), max_size=6))
def test_any_bill(noise: bytes, rows: Sequence[Sequence[str]]) -> None:
    """Whatever comes as a bill is read, or said to be unreadable."""
    text = "\r\n".join(",".join(row) for row in rows)
    backticks = "\r\n".join(",".join("`" + value for value in row) for row in rows)
    wechat = [noise, text.encode(errors="ignore"), wechat_text(backticks.encode(errors="ignore").decode())]
    alipay = [noise, packed(noise), packed(alipay_text(text))]
    for content in wechat:
        _read_or_refuse(wechatpay_bill.read, wechatpay_bill.UnreadableBill, content)
    for content in alipay:
        _read_or_refuse(alipay_bill.read, alipay_bill.UnreadableBill, content)


@settings(max_examples=150)
@given(st.integers(0, 5000), st.integers(1, 255))
def test_any_damaged_zip(at: int, change: int) -> None:
    """A bill with one byte changed is read, or said to be unreadable."""
    content = bytearray(packed(SUMMARY, alipay_text(alipay_line("交易", "88.80"))))
    content[at % len(content)] ^= change
    _read_or_refuse(alipay_bill.read, alipay_bill.UnreadableBill, bytes(content))


def _read_or_refuse(read: Callable[[bytes], list[BillLine]], refusal: type[Exception], content: bytes) -> None:
    try:
        lines = read(content)
    except refusal:
        return
    assert all(line.amount >= 0 for line in lines)
