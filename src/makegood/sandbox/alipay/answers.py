"""What the gateway says: `code`, `msg`, and for a refusal `sub_code` and `sub_msg`, as the real one spells them."""

from collections.abc import Mapping
from typing import Final

Answer = Mapping[str, object]

_MESSAGES: Final = {
    "20000": "Service Currently Unavailable",
    "40001": "Missing Required Arguments",
    "40002": "Invalid Arguments",
    "40004": "Business Failed",
    "40005": "Call Limited",
}

_REFUSALS: Final = {
    "aop.unknow-error": ("20000", "The sandbox is busy: ask again, or query what became of the request."),
    "isv.missing-method": ("40001", "Send the parameter method."),
    "isv.missing-app-id": ("40001", "Send the parameter app_id."),
    "isv.missing-signature": ("40001", "Send the parameter sign."),
    "isv.missing-signature-type": ("40001", "Send the parameter sign_type."),
    "isv.missing-timestamp": ("40001", "Send the parameter timestamp."),
    "isv.missing-version": ("40001", "Send the parameter version."),
    "isv.invalid-method": ("40002", "The sandbox has no such method: see its documentation for those it has."),
    "isv.invalid-app-id": ("40002", "Use the app_id in sandbox.json."),
    "isv.invalid-signature-type": ("40002", "Sign with RSA2."),
    "isv.invalid-signature": (
        "40002",
        "Sign with merchant_private_key of sandbox.json, over all parameters but sign, sorted, not URL-encoded.",
    ),
    "isv.invalid-timestamp": ("40002", "Send the timestamp as yyyy-MM-dd HH:mm:ss, in Beijing time."),
    "isv.invalid-charset": ("40002", "Send charset=utf-8."),
    "isv.invalid-format": ("40002", "Send format=JSON, or leave it out."),
    "isv.invalid-parameter": ("40002", "Send version=1.0, and in biz_content one JSON object, under 256 KiB."),
    "isv.app-call-limited": ("40005", "Too many requests: try again in a while."),
    "isv.invalid-arguments": ("40002", "An argument is missing or malformed."),
    "isp.bill_not_exist": ("40004", "There is no bill yet: a day's is there when the day is over in Beijing."),
    "ACQ.SYSTEM_ERROR": ("40004", "The sandbox holds as many trades as it can: give it a new --data folder."),
    "ACQ.INVALID_PARAMETER": ("40004", "A field of the request is missing, malformed, or out of its bounds."),
    "ACQ.CONTEXT_INCONSISTENT": ("40004", "That out_trade_no was used with another amount: take a new one."),
    "ACQ.TRADE_NOT_EXIST": ("40004", "There is no such trade, or nobody has scanned its QR code yet."),
    "ACQ.TRADE_STATUS_ERROR": ("40004", "The trade is not in a state that allows this: query it."),
    "ACQ.TRADE_HAS_SUCCESS": ("40004", "The trade is paid already."),
    "ACQ.TRADE_HAS_CLOSE": ("40004", "The trade is closed, or its QR code has ended: take a new out_trade_no."),
    "ACQ.REFUND_AMT_NOT_EQUAL_TOTAL": ("40004", "Send out_request_no to refund a part of a trade."),
    "ACQ.REASON_TRADE_REFUND_FEE_ERR": ("40004", "That is more than what is left to refund: query the trade."),
    "ACQ.DISCORDANT_REPEAT_REQUEST": ("40004", "That out_request_no was used with another amount."),
}


def success(**fields: object) -> Answer:
    """The request was carried out."""
    return {"code": "10000", "msg": "Success", **fields}


def refusal(sub_code: str, hint: str = "") -> Answer:
    """The request was refused; the hint, never a text of the caller's, says more than the usual explanation."""
    code, explanation = _REFUSALS[sub_code]
    return {"code": code, "msg": _MESSAGES[code], "sub_code": sub_code, "sub_msg": hint or explanation}
