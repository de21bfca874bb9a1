"""The requests' biz_content, as far as the sandbox reads it; unknown fields are ignored, as the real platform does."""

from decimal import Decimal
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Number = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_]{1,64}\Z")]
RequestNumber = Annotated[str, Meta(min_length=1, max_length=64)]


class Precreate(msgspec.Struct, frozen=True):
    """alipay.trade.precreate: make a QR code. The amount is decimal yuan."""

    out_trade_no: Number
    total_amount: Decimal
    subject: Annotated[str, Meta(min_length=1, max_length=256)]
    body: Annotated[str, Meta(max_length=128)] = ""
    seller_id: str = ""
    timeout_express: str = ""
    qr_code_timeout_express: str = ""
    time_expire: str = ""


class Which(msgspec.Struct, frozen=True):
    """Which trade is meant; trade_no goes before out_trade_no."""

    out_trade_no: str = ""
    trade_no: str = ""


class Query(Which, frozen=True):
    """alipay.trade.query: how does it stand?"""


class Close(Which, frozen=True):
    """alipay.trade.close: nobody shall pay it any more."""


class Refund(Which, frozen=True, kw_only=True):
    """alipay.trade.refund: give back all or a part. The amount is decimal yuan."""

    refund_amount: Decimal
    out_request_no: RequestNumber | None = None


class RefundQuery(Which, frozen=True, kw_only=True):
    """alipay.trade.fastpay.refund.query: was it given back?"""

    out_request_no: RequestNumber
    query_options: list[str] = []


class PagePay(msgspec.Struct, frozen=True):
    """alipay.trade.page.pay and .wap.pay: a browser wants to pay. The amount is decimal yuan."""

    out_trade_no: Number
    total_amount: Decimal
    subject: Annotated[str, Meta(min_length=1, max_length=256)]
    product_code: Literal["FAST_INSTANT_TRADE_PAY", "QUICK_WAP_WAY", "QUICK_WAP_PAY"]
    body: Annotated[str, Meta(max_length=128)] = ""
    timeout_express: str = ""
    time_expire: str = ""


class PageDetails(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the platform remembers of such a trade: where the browser goes when it is paid."""

    return_url: str = ""


class Bill(msgspec.Struct, frozen=True):
    """alipay.data.dataservice.bill.downloadurl.query: where is the bill of a day?"""

    bill_type: str
    bill_date: str
