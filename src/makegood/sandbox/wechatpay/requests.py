"""The requests' bodies, as far as the sandbox reads them; unknown fields are ignored, as the real platform does."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

MAX_FEN = 100_000_000_00
Number = Annotated[str, Meta(pattern=r"^[0-9A-Za-z_\-|*]{6,32}\Z")]
RefundNumber = Annotated[str, Meta(pattern=r"^[0-9A-Za-z_\-|*@]{1,64}\Z")]
Fen = Annotated[int, Meta(ge=1, le=MAX_FEN)]
Url = Annotated[str, Meta(min_length=1, max_length=256)]
Address = Annotated[str, Meta(min_length=2, max_length=45)]


class Amount(msgspec.Struct, frozen=True):
    """What is to be paid, in fen."""

    total: Fen
    currency: Literal["CNY"] = "CNY"


class Payer(msgspec.Struct, frozen=True):
    """The buyer, by the application's own id of them."""

    openid: Annotated[str, Meta(min_length=1, max_length=128)]


class H5Info(msgspec.Struct, frozen=True):
    """Where an h5 page is opened."""

    type: Annotated[str, Meta(min_length=1, max_length=32)]


class SceneInfo(msgspec.Struct, frozen=True):
    """Where the buyer is."""

    payer_client_ip: Address
    h5_info: H5Info | None = None


class Create(msgspec.Struct, frozen=True):
    """POST /v3/pay/transactions/…: make an order that a buyer can pay."""

    appid: Annotated[str, Meta(min_length=1, max_length=32)]
    mchid: Annotated[str, Meta(min_length=1, max_length=32)]
    description: Annotated[str, Meta(min_length=1, max_length=127)]
    out_trade_no: Number
    notify_url: Url
    amount: Amount
    time_expire: Annotated[str, Meta(max_length=64)] = ""
    attach: Annotated[str, Meta(max_length=128)] = ""
    payer: Payer | None = None
    scene_info: SceneInfo | None = None


class Close(msgspec.Struct, frozen=True):
    """POST …/close: nobody shall pay it any more."""

    mchid: Annotated[str, Meta(min_length=1, max_length=32)]


class RefundAmount(msgspec.Struct, frozen=True):
    """What is given back, out of what was paid, in fen."""

    refund: Fen
    total: Fen
    currency: Literal["CNY"] = "CNY"


class CreateRefund(msgspec.Struct, frozen=True):
    """POST /v3/refund/domestic/refunds: give back all or a part."""

    out_refund_no: RefundNumber
    amount: RefundAmount
    transaction_id: Annotated[str, Meta(max_length=32)] = ""
    out_trade_no: Annotated[str, Meta(max_length=32)] = ""
    reason: Annotated[str, Meta(max_length=80)] = ""
    notify_url: Annotated[str, Meta(max_length=256)] = ""


class Details(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the platform remembers of an order: the serial that its creation was answered with, and the merchant's."""

    serial: str = ""
    attach: str = ""


class RefundDetails(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the platform remembers of a refund."""

    reason: str = ""
