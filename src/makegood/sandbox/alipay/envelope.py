"""The common parameters around every request: read, and checked in the order in which the real gateway does."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl

from .expiry import is_moment
from .merchant import Merchant
from .signing import is_signed, signed_content

MAX_PARAMETERS: Final = 100
_NOT_SIGNED: Final = frozenset({"sign"})
_REQUIRED: Final = {
    "method": "isv.missing-method",
    "app_id": "isv.missing-app-id",
    "sign_type": "isv.missing-signature-type",
    "sign": "isv.missing-signature",
    "timestamp": "isv.missing-timestamp",
    "version": "isv.missing-version",
}


def read(query: bytes, body: bytes) -> dict[str, str] | None:
    """Query string and form together (SDKs divide them as they like); None when there are too many parameters."""
    parameters: dict[str, str] = {}
    for part in (query, body):
        text = part.decode("utf-8", "replace")
        try:
            parameters.update(parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_PARAMETERS))
        except ValueError:
            return None
    return parameters


def problem(parameters: Mapping[str, str], merchant: Merchant) -> str:
    """The sub_code of what is wrong with the common parameters, or nothing."""
    for name, sub_code in _REQUIRED.items():
        if not parameters.get(name):
            return sub_code
    return _invalid(parameters, merchant)


def _invalid(parameters: Mapping[str, str], merchant: Merchant) -> str:
    if parameters["app_id"] != merchant.account.app_id:
        return "isv.invalid-app-id"
    if parameters["sign_type"] != "RSA2":
        return "isv.invalid-signature-type"
    if parameters.get("charset", "utf-8").lower() not in ("utf-8", "utf8"):
        return "isv.invalid-charset"
    if not is_signed(signed_content(parameters, _NOT_SIGNED), parameters["sign"], merchant.public_key):
        return "isv.invalid-signature"
    if not is_moment(parameters["timestamp"]):
        return "isv.invalid-timestamp"
    if parameters["version"] != "1.0":
        return "isv.invalid-parameter"
    if parameters.get("format", "JSON").upper() != "JSON":
        return "isv.invalid-format"
    return ""
