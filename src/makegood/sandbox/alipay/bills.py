"""alipay.data.dataservice.bill.downloadurl.query, and what is downloaded there: a zip of CSV in GBK."""

import hashlib
import hmac
import io
import zipfile
from datetime import datetime
from typing import Final

from makegood.sandbox import days, trades
from makegood.sandbox.days import Day, DayTooLongError
from makegood.sandbox.store import Transaction
from makegood.sandbox.trades import Refund, Trade

from . import requests
from .amounts import yuan
from .answers import Answer, refusal, success
from .merchant import BEIJING, BUYER_LOGON_ID, Merchant, beijing_time
from .payments import Caller

PATH: Final = "/alipay/bill"
VALID_MILLISECONDS: Final = 30_000
HEADER: Final = (
    "支付宝交易号,商户订单号,业务类型,商品名称,创建时间,完成时间,门店编号,门店名称,操作员,终端号,对方账户,"
    "订单金额（元）,商家实收（元）,支付宝红包（元）,集分宝（元）,支付宝优惠（元）,商家优惠（元）,券核销金额（元）,券名称,"
    "商家红包消费金额（元）,卡消费金额（元）,退款批次号/请求号,服务费（元）,分润（元）,备注"
)
_LINE: Final = "#-----------------------------------------{}----------------------------------------"


def address(tx: Transaction, caller: Caller, request: requests.Bill) -> Answer:
    """Where a day's bill can be downloaded for thirty seconds; there is one when the day is over in Beijing."""
    day = days.day_of(request.bill_date, BEIJING)
    if day is None or request.bill_type != "trade":
        return refusal("isv.invalid-arguments", "Send bill_type=trade and bill_date=yyyy-MM-dd.")
    if tx.now < day.ends:
        return refusal("isp.bill_not_exist")
    token = f"{request.bill_date}.{tx.now + VALID_MILLISECONDS}"
    return success(bill_download_url=f"{caller.home}{PATH}?token={token}.{_seal(caller.merchant, token)}")


def download(tx: Transaction, merchant: Merchant, token: str) -> tuple[str, bytes] | None:
    """The name and the bytes of the zip; None when the token is none, or too old. Raises DayTooLongError."""
    said, _, seal = token.rpartition(".")
    date, _, until = said.partition(".")
    if not hmac.compare_digest(seal.encode(), _seal(merchant, said).encode()) or tx.now > int(until):
        return None
    day = days.day_of(date, BEIJING)
    return (f"{merchant.account.seller_id}_{date.replace('-', '')}.zip", _zip(tx, merchant, day)) if day else None


def _seal(merchant: Merchant, token: str) -> str:
    secret = merchant.account.platform_private_key + merchant.account.series
    return hmac.new(secret.encode(), token.encode(), hashlib.sha256).hexdigest()[:32]


def _zip(tx: Transaction, merchant: Merchant, day: Day) -> bytes:
    paid, given_back = days.paid_on(tx, trades.ALIPAY, day), days.refunded_on(tx, trades.ALIPAY, day)
    if len(paid) + len(given_back) > days.MAX_LINES:
        raise DayTooLongError(DayTooLongError.__doc__)
    name = f"{merchant.account.seller_id}_{_at(day.begins):%Y%m%d}_业务明细"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for suffix, lines in (("", _details(merchant, paid, given_back)), ("(汇总)", _totals(paid, given_back))):
            text = "\r\n".join([*_head(merchant, day), *lines, ""])
            entry = zipfile.ZipInfo(f"{name}{suffix}.csv", _at(day.ends).timetuple()[:6])
            archive.writestr(entry, text.encode("gbk", "replace"))
    return buffer.getvalue()


def _head(merchant: Merchant, day: Day) -> list[str]:
    begins, ends = (f"{_at(at):%Y年%m月%d日} 00:00:00" for at in day)
    return [
        "#支付宝业务明细查询",
        f"#账号：[{merchant.account.seller_id}0156]",
        f"#起始日期：[{begins}]   终止日期：[{ends}]",
    ]


def _details(merchant: Merchant, paid: list[Trade], given_back: list[tuple[Trade, Refund]]) -> list[str]:
    lines = [(trade.paid_at or 0, _payment(merchant, trade)) for trade in paid]
    lines += [(made.refunded_at, _refund(merchant, trade, made)) for trade, made in given_back]
    lines.sort(key=lambda line: line[0])
    total, back = sum(trade.amount for trade in paid), sum(made.amount for _, made in given_back)
    return [
        _LINE.format("业务明细列表"),
        HEADER,
        *(line for _, line in lines),
        _LINE.format("业务明细列表结束"),
        f"#交易合计：{len(paid)}笔，商家实收共{yuan(total)}元，商家优惠共0.00元",
        f"#退款合计：{len(given_back)}笔，商家实收退款共-{yuan(back)}元，商家优惠退款共0.00元",
    ]


def _totals(paid: list[Trade], given_back: list[tuple[Trade, Refund]]) -> list[str]:
    total, back = sum(trade.amount for trade in paid), sum(made.amount for _, made in given_back)
    return [
        _LINE.format("业务汇总列表"),
        "门店编号,门店名称,交易订单总笔数,退款订单总笔数,订单金额（元）,商家实收（元）",
        f"合计,\t,{len(paid)},{len(given_back)},{_signed(total - back)},{_signed(total - back)}",
        _LINE.format("业务汇总列表结束"),
    ]


def _payment(merchant: Merchant, trade: Trade) -> str:
    return _row(merchant, trade, "交易", trade.paid_at or 0, trade.amount, "")


def _refund(merchant: Merchant, trade: Trade, made: Refund) -> str:
    return _row(merchant, trade, "退款", made.refunded_at, -made.amount, made.request_no)


def _row(merchant: Merchant, trade: Trade, kind: str, at: int, amount: int, request_no: str) -> str:
    """Texts end with a tab, so that no spreadsheet takes them for numbers."""
    texts = [merchant.trade_no(trade), trade.out_trade_no, kind, _plain(trade.subject)]
    created = beijing_time(trade.opened_at or trade.created_at)
    money = [_signed(amount), _signed(amount), *("0.00",) * 5, "", "0.00", "0.00"]
    return ",".join(
        [
            *(f"{text}\t" for text in texts),
            *(created, beijing_time(at)),
            *("\t",) * 4,
            f"{BUYER_LOGON_ID}\t",
            *money,
            f"{_plain(request_no)}\t",
            *("0.00", "0.00", "\t"),
        ]
    )


def _plain(text: str) -> str:
    """A text without what divides values and lines."""
    return "".join(" " if sign in ',"\t\r\n' else sign for sign in text)


def _signed(fen: int) -> str:
    return f"-{yuan(-fen)}" if fen < 0 else yuan(fen)


def _at(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, BEIJING)
