"""Who asks: the Authorization header of WECHATPAY2-SHA256-RSA2048, checked against the merchant's key."""

import re
from typing import Final

from makegood.sandbox.calls import Call
from makegood.sandbox.signing import is_signed

from .merchant import Merchant

SCHEME: Final = "WECHATPAY2-SHA256-RSA2048 "
WINDOW_SECONDS: Final = 300
MAX_LENGTH: Final = 2048
_PAIR: Final = re.compile(r'([a-z_]{1,16})="([^"]{0,1024})"')


def problem(call: Call, merchant: Merchant, now: int) -> str:
    """What is wrong with who asks, or nothing; `now` is the world's time in milliseconds UTC."""
    header = call.headers.get("authorization", "")
    if not header.startswith(SCHEME) or len(header) > MAX_LENGTH:
        return f"Send Authorization: {SCHEME}mchid=…,nonce_str=…,signature=…,timestamp=…,serial_no=…"
    fields = dict(_PAIR.findall(header[len(SCHEME) :]))
    for name in ("mchid", "nonce_str", "signature", "timestamp", "serial_no"):
        if not fields.get(name):
            return f"Authorization has no {name}."
    if fields["mchid"] != merchant.account.mchid:
        return "The mchid is not the one in sandbox.json."
    if fields["serial_no"] != merchant.account.merchant_serial:
        return "The serial_no is not merchant_serial of sandbox.json."
    if not _is_recent(fields["timestamp"], now):
        return f"The timestamp is more than {WINDOW_SECONDS} seconds off: set the clock."
    content = f"{call.method}\n{call.target}\n{fields['timestamp']}\n{fields['nonce_str']}\n".encode()
    if not is_signed(content + call.body + b"\n", fields["signature"], merchant.public_key):
        return "Sign METHOD\\nURL\\nTIMESTAMP\\nNONCE\\nBODY\\n with merchant_private_key of sandbox.json."
    return ""


def _is_recent(timestamp: str, now: int) -> bool:
    if not timestamp.isascii() or not timestamp.isdigit() or len(timestamp) > 12:
        return False
    return abs(now // 1000 - int(timestamp)) <= WINDOW_SECONDS
