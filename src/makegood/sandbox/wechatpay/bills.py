"""The bill of a day's trades: CSV whose values begin with a backtick, and its address, which a token opens."""

import gzip
import hashlib
import hmac
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple
from urllib.parse import parse_qs

from makegood.sandbox import days, trades
from makegood.sandbox.days import Day, DayTooLongError
from makegood.sandbox.store import Transaction
from makegood.sandbox.trades import Refund, Trade

from .answers import Answer, refusal, success
from .merchant import BEIJING, Merchant, beijing
from .transactions import TRADE_TYPES, details_of

PATH: Final = "/v3/billdownload/file"
KINDS: Final = ("ALL", "SUCCESS", "REFUND")
HEADER: Final = (
    "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,"
    "应结订单金额,代金券金额,微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态,商品名称,商户数据包,"
    "手续费,费率,订单金额,申请退款金额,费率备注"
)
SUMMARY: Final = "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额"


class Wanted(NamedTuple):
    """Which bill: a day as it was written, what of it, and whether it is compressed."""

    date: str
    kind: str
    zipped: bool


def apply(tx: Transaction, merchant: Merchant, query: str, url: str) -> Answer:
    """The address of a day's bill, and its checksum."""
    wanted = _wanted(query)
    day = days.day_of(wanted.date, BEIJING) if wanted else None
    if wanted is None or day is None:
        return refusal("PARAM_ERROR", "Send bill_date=yyyy-MM-dd, bill_type=ALL, SUCCESS or REFUND, tar_type=GZIP.")
    if tx.now < day.ends:
        return refusal("STATEMENT_CREATING")
    try:
        text = _text(tx, merchant, wanted.kind, day)
    except DayTooLongError as error:
        return refusal("SYSTEM_ERROR", str(error))
    if text is None:
        return refusal("NO_STATEMENT_EXIST")
    token = f"{wanted.date}.{wanted.kind}.{'GZIP' if wanted.zipped else 'PLAIN'}"
    return success(
        {
            "hash_type": "SHA1",
            "hash_value": hashlib.sha1(text, usedforsecurity=False).hexdigest(),
            "download_url": f"{url}{PATH}?token={token}.{_seal(merchant, token)}",
        }
    )


def download(tx: Transaction, merchant: Merchant, query: str) -> Answer:
    """The bill of a token."""
    token, _, seal = _first(query, "token").rpartition(".")
    date, _, rest = token.partition(".")
    kind, _, packing = rest.partition(".")
    day = days.day_of(date, BEIJING)
    if day is None or not hmac.compare_digest(seal.encode(), _seal(merchant, token).encode()):
        return refusal("PARAM_ERROR", "Use the download_url as /v3/bill/tradebill gave it.")
    try:
        text = _text(tx, merchant, kind, day) or b""
    except DayTooLongError as error:
        return refusal("SYSTEM_ERROR", str(error))
    packed = gzip.compress(text, mtime=0) if packing == "GZIP" else text
    return Answer(200, packed, content_type="application/x-gzip" if packing == "GZIP" else "text/plain; charset=utf-8")


def _wanted(query: str) -> Wanted | None:
    kind, packing = _first(query, "bill_type") or "ALL", _first(query, "tar_type")
    return Wanted(_first(query, "bill_date"), kind, packing == "GZIP") if kind in KINDS else None


def _first(query: str, name: str) -> str:
    try:
        return parse_qs(query, max_num_fields=20).get(name, [""])[0]
    except ValueError:
        return ""


def _seal(merchant: Merchant, token: str) -> str:
    return hmac.new(merchant.account.api_v3_key.encode(), token.encode(), hashlib.sha256).hexdigest()[:32]


def _text(tx: Transaction, merchant: Merchant, kind: str, day: Day) -> bytes | None:
    """The whole bill; None when there is nothing to say."""
    paid = days.paid_on(tx, trades.WECHATPAY, day) if kind != "REFUND" else []
    given_back = days.refunded_on(tx, trades.WECHATPAY, day) if kind != "SUCCESS" else []
    if not paid and not given_back:
        return None
    lines = [(trade.paid_at or 0, _payment(merchant, trade)) for trade in paid]
    lines += [(made.refunded_at, _refund(merchant, trade, made, day)) for trade, made in given_back]
    lines.sort(key=lambda line: line[0])
    total, back = sum(trade.amount for trade in paid), sum(made.amount for _, made in given_back)
    summary = _row([str(len(lines)), _yuan(total), _yuan(back), "0.00", "0.00", _yuan(total), _yuan(back)])
    rows = [HEADER, *(line for _, line in lines), SUMMARY, summary]
    return ("\r\n".join(rows) + "\r\n").encode()


def _payment(merchant: Merchant, trade: Trade) -> str:
    refund = ["0", "0", "0.00", "0.00", "", ""]
    return _row(_line(merchant, trade, trade.paid_at or 0, "SUCCESS", trade.amount, refund, 0))


def _refund(merchant: Merchant, trade: Trade, made: Refund, day: Day) -> str:
    """As it stood when the day was over."""
    number = merchant.refund_id(made)
    refund = [number, made.request_no, _yuan(made.amount), "0.00", "ORIGINAL", made.status(day.ends)]
    return _row(_line(merchant, trade, made.refunded_at, "REFUND", 0, refund, made.amount))


def _line(
    merchant: Merchant, trade: Trade, at: int, state: str, paid: int, refund: list[str], asked: int
) -> Iterator[str]:
    account = merchant.account
    yield from (f"{beijing(at):%Y-%m-%d %H:%M:%S}", account.appid, account.mchid, "0", "")
    yield from (merchant.transaction_id(trade), trade.out_trade_no, merchant.openid(), TRADE_TYPES[trade.product])
    yield from (state, "OTHERS", "CNY", _yuan(paid), "0.00", *refund)
    yield from (_plain(trade.subject), _plain(details_of(trade).attach), "0.00000", "0.00%")
    yield from (_yuan(paid), _yuan(asked), "")


def _row(values: Iterable[str]) -> str:
    return ",".join("`" + value for value in values)


def _plain(text: str) -> str:
    """A text without what divides values and lines."""
    return "".join(" " if sign in ",`\r\n" else sign for sign in text)


def _yuan(fen: int) -> str:
    return f"{fen // 100}.{fen % 100:02d}"
