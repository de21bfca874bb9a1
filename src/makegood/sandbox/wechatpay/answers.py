"""What WeChat Pay says: a status and JSON; a refusal has `code` and `message`, as its documentation lists them."""

from http import HTTPStatus
from typing import Final, NamedTuple

from makegood.sandbox.calls import JSON

_REFUSALS: Final = {
    "PARAM_ERROR": (400, "A parameter is missing, malformed, or out of its bounds."),
    "INVALID_REQUEST": (400, "The request does not fit what it is about: query it first."),
    "APPID_MCHID_NOT_MATCH": (400, "Use the appid and the mchid of sandbox.json."),
    "ORDER_CLOSED": (400, "The order is closed: take a new out_trade_no."),
    "ORDERPAID": (400, "The order is paid already."),
    "NO_STATEMENT_EXIST": (400, "There is no bill: nothing was traded on that day."),
    "STATEMENT_CREATING": (400, "The bill is being made: ask when the day is over in Beijing."),
    "SIGN_ERROR": (401, "The signature does not fit: see what is said of Authorization in the documentation."),
    "NOT_ENOUGH": (403, "The merchant has not enough money for that refund: pay in, then try again."),
    "OUT_TRADE_NO_USED": (403, "That out_trade_no was used with other values: take a new one."),
    "ORDER_NOT_EXIST": (404, "There is no such order."),
    "RESOURCE_NOT_EXISTS": (404, "There is nothing of that number, or at that address."),
    "FREQUENCY_LIMITED": (429, "Too many requests: try again in a while."),
    "SYSTEM_ERROR": (500, "The platform failed: ask again with the same numbers."),
}


class Answer(NamedTuple):
    """An answer before it is signed; `created` is the out_trade_no of a trade that it tells of for the first time."""

    status: int
    content: object = None
    created: str = ""
    content_type: str = JSON


def success(content: object, created: str = "") -> Answer:
    """The request was carried out."""
    return Answer(HTTPStatus.OK, content, created)


def refusal(code: str, hint: str = "") -> Answer:
    """The request was refused; the hint, never a text of the caller's, says more than the usual message."""
    status, message = _REFUSALS[code]
    return Answer(status, {"code": code, "message": hint or message})
