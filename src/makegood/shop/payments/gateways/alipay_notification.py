"""Reads Alipay's asynchronous notifications (异步通知): a signed form about one trade.

Source: Alipay Open Platform, asynchronous notification of `alipay.trade.*`. Refund notices come with the same
`trade_status` as captures and are told apart by their refund fields alone.
"""

import re
from collections.abc import Mapping, Sequence
from urllib.parse import unquote_to_bytes

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from makegood.shop.payments.gateways.alipay_signing import Unproven, check_notification
from makegood.shop.payments.gateways.alipay_text import fen, milliseconds
from makegood.shop.payments.gateways.port import MAX_NOTIFICATION, Notice, NoticeKind, Rejected

MAX_FIELDS = 100
"""Most fields of one notification; Alipay sends about thirty."""

_REFUND_FIELDS = ("refund_fee", "gmt_refund", "out_biz_no")
_KINDS: dict[str, NoticeKind] = {
    "TRADE_SUCCESS": "captured",
    "TRADE_FINISHED": "captured",
    "TRADE_CLOSED": "closed",
}
_TIMES: dict[NoticeKind, str] = {"captured": "gmt_payment", "refund": "gmt_refund", "closed": "gmt_close"}
_NAME = re.compile(r"[a-z0-9_]{1,64}")
_HIDDEN_FIELD = re.compile(r"&[a-z0-9_]+=")


def read(body: bytes, app_id: str, seller_id: str | None, key: RSAPublicKey) -> Notice:
    """What the notification says, once it is proven to be Alipay's and ours. Raises Rejected."""
    fields = _fields(body)
    try:
        check_notification(fields, key)
    except Unproven as error:
        raise Rejected("bad_signature", f"{error}: check platform_public_key if Alipay sent this") from error
    _check_addressee(fields, app_id, seller_id)
    if fields.get("notify_type") != "trade_status_sync":
        raise Rejected("unsupported", f"notify_type {fields.get('notify_type')!r} is not about a trade")
    try:
        return _notice(fields)
    except (KeyError, ValueError) as error:
        raise Rejected("malformed", f"signed, yet not as documented: {error!r}") from error


def _fields(body: bytes) -> dict[str, str]:
    if len(body) > MAX_NOTIFICATION:
        raise Rejected("too_large", f"{len(body)} bytes: at most {MAX_NOTIFICATION} are read")
    try:
        text = body.decode("utf-8")
        pairs = read_form(text)
    except ValueError as error:
        raise Rejected("malformed", f"not a UTF-8 form of at most {MAX_FIELDS} fields") from error
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise Rejected("duplicate_field", "a field came twice: which of them was meant cannot be known")
    _check_unambiguous(fields)
    return fields


def read_form(text: str) -> list[tuple[str, str]]:
    """The fields, as `parse_qsl` reads them strictly, at half its cost. Raises ValueError."""
    parts = text.split("&") if text else []
    if len(parts) > MAX_FIELDS:
        raise ValueError("too many fields")
    if not parts:
        return []
    names, equals, values = zip(*[part.partition("=") for part in parts], strict=True)
    if not all(equals):
        raise ValueError("a field without a value")
    return list(zip(_unquoted(names), _unquoted(values), strict=True))


def _unquoted(texts: Sequence[str]) -> list[str]:
    """All at once, unless one holds what divides them: most of the cost is that of a call."""
    whole = _unquote("&".join(texts)).split("&")
    return whole if len(whole) == len(texts) else list(map(_unquote, texts))


def _unquote(text: str) -> str:
    # As `unquote_plus`, which looks for text outside ASCII first: that costs more than all the rest.
    return unquote_to_bytes(text.replace("+", " ")).decode() if "%" in text or "+" in text else text


def _check_unambiguous(fields: Mapping[str, str]) -> None:
    """The signed text joins fields unescaped, so a signature also fits a form whose neighbours were merged.

    Whoever holds a refund notice could hide its refund fields in the value before them: that is refused.
    """
    for name, value in fields.items():
        if not _NAME.fullmatch(name) or ("&" in value and _HIDDEN_FIELD.search(value)):
            raise Rejected("malformed", f"field {name[:64]!r} can be read in two ways")


def _check_addressee(fields: Mapping[str, str], app_id: str, seller_id: str | None) -> None:
    if fields.get("app_id") != app_id:
        raise Rejected("wrong_app", f"meant for app {fields.get('app_id')!r}: check app_id and the notify URL")
    if seller_id is not None and fields.get("seller_id") != seller_id:
        raise Rejected("wrong_seller", f"money of seller {fields.get('seller_id')!r}: check seller_id")
    if fields.get("sign_type") != "RSA2" or fields.get("charset", "utf-8").lower() != "utf-8":
        raise Rejected("unsupported", "only sign_type RSA2 and charset utf-8 are spoken")


def _notice(fields: dict[str, str]) -> Notice:
    kind = _kind(fields)
    happened = fields.get(_TIMES.get(kind, "")) or fields["notify_time"]
    return Notice(
        notify_id=_present(fields, "notify_id"),
        payment_id=_present(fields, "out_trade_no"),
        trade_no=_present(fields, "trade_no"),
        kind=kind,
        amount=fen(fields["refund_fee" if kind == "refund" else "total_amount"]),
        occurred_at=milliseconds(happened),
        raw=fields,
    )


def _kind(fields: Mapping[str, str]) -> NoticeKind:
    if any(name in fields for name in _REFUND_FIELDS):
        return "refund"
    return _KINDS.get(fields["trade_status"], "other")


def _present(fields: Mapping[str, str], name: str) -> str:
    value = fields[name]
    if not 0 < len(value) <= 128:
        raise ValueError(f"{name} of {len(value)} characters")
    return value
