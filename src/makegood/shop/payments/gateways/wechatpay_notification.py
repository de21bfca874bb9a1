"""Reads WeChat Pay's notifications: signed JSON, in which what happened is sealed with the API v3 key.

Source: WeChat Pay API v3, payment notification (TRANSACTION.SUCCESS) and refund notification (REFUND.SUCCESS,
REFUND.ABNORMAL, REFUND.CLOSED). A refund's tells of that refund alone.
"""

from collections.abc import Mapping
from typing import Annotated, NamedTuple, TypeVar

import msgspec

from makegood.shop.payments.gateways.port import MAX_AMOUNT, MAX_NOTIFICATION, Notice, Rejected
from makegood.shop.payments.gateways.wechatpay_settings import WechatPayKeys
from makegood.shop.payments.gateways.wechatpay_signing import Sealed, Unproven, Unsealed, check, unsealed
from makegood.shop.payments.gateways.wechatpay_text import milliseconds

_Number = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
_Fen = Annotated[int, msgspec.Meta(ge=0, le=MAX_AMOUNT)]
T = TypeVar("T")


class Addressee(NamedTuple):
    """Whose notifications are ours."""

    mchid: str
    appid: str


class _Event(msgspec.Struct, frozen=True):
    id: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
    create_time: str
    event_type: str
    resource: Sealed


class _Total(msgspec.Struct, frozen=True):
    total: _Fen


class _Transaction(msgspec.Struct, frozen=True):
    mchid: str
    appid: str
    out_trade_no: _Number
    transaction_id: _Number
    trade_state: str
    amount: _Total
    success_time: str = ""


class _Part(msgspec.Struct, frozen=True):
    refund: _Fen


class _Refund(msgspec.Struct, frozen=True):
    mchid: str
    out_trade_no: _Number
    transaction_id: _Number
    out_refund_no: _Number
    refund_status: str
    amount: _Part
    success_time: str = ""


def read(body: bytes, headers: Mapping[str, str], addressee: Addressee, keys: WechatPayKeys, now: int) -> Notice:
    """What the notification says, once it is proven to be WeChat Pay's and ours; `now` in ms UTC. Raises Rejected."""
    if len(body) > MAX_NOTIFICATION:
        raise Rejected("too_large", f"{len(body)} bytes: at most {MAX_NOTIFICATION} are read")
    try:
        check(body, headers, keys.platform, now)
    except Unproven as error:
        raise Rejected(error.reason, str(error)) from error
    event = _decoded(body, _Event)
    if not event.event_type.startswith(("TRANSACTION.", "REFUND.")):
        raise Rejected("unsupported", f"event {event.event_type[:64]!r} is not about a payment")
    try:
        content = unsealed(event.resource, keys.api_v3)
    except Unsealed as error:
        raise Rejected("malformed", str(error)) from error
    try:
        if event.event_type.startswith("REFUND."):
            return _refund(event, content, addressee)
        return _transaction(event, content, addressee)
    except ValueError as error:
        raise Rejected("malformed", f"signed, yet not as documented: {error}") from error


def _transaction(event: _Event, content: bytes, addressee: Addressee) -> Notice:
    told = _decoded(content, _Transaction)
    _check_merchant(told.mchid, addressee)
    if told.appid != addressee.appid:
        raise Rejected("wrong_app", f"meant for app {told.appid[:64]!r}: check appid and the notify URL")
    paid = told.trade_state == "SUCCESS"
    return Notice(
        notify_id=event.id,
        payment_id=told.out_trade_no,
        trade_no=told.transaction_id,
        kind="captured" if paid else "other",
        amount=told.amount.total,
        occurred_at=milliseconds(told.success_time if paid else event.create_time),
        raw=_raw(event, content),
    )


def _refund(event: _Event, content: bytes, addressee: Addressee) -> Notice:
    """Only a refund that succeeded gave something back."""
    told = _decoded(content, _Refund)
    _check_merchant(told.mchid, addressee)
    return Notice(
        notify_id=event.id,
        payment_id=told.out_trade_no,
        trade_no=told.transaction_id,
        kind="refund",
        amount=told.amount.refund if told.refund_status == "SUCCESS" else 0,
        occurred_at=milliseconds(told.success_time or event.create_time),
        raw=_raw(event, content),
        refund_id=told.out_refund_no,
    )


def _check_merchant(mchid: str, addressee: Addressee) -> None:
    if mchid != addressee.mchid:
        raise Rejected("wrong_seller", f"money of merchant {mchid[:64]!r}: check mchid")


def _raw(event: _Event, content: bytes) -> dict[str, str]:
    return {"event_type": event.event_type, "create_time": event.create_time, "resource": content.decode()}


def _decoded(body: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Rejected("malformed", f"not as documented: {error}") from error
