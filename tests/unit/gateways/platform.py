"""A network peer that speaks as Alipay does, for as long as one test: what it says is the test's choice."""

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode

import httpx
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256

from makegood.engine.executor import InlineExecutor
from makegood.keys import generate_private_key, private_pem, public_pem
from makegood.shop.payments.gateways.alipay import Alipay, AlipaySettings

APP = "2021000000000001"
SELLER = "2088000000000001"
NOW = 1_767_225_600_000
"""2026-01-01 08:00:00 in Beijing, in ms UTC."""
MERCHANT_KEY = generate_private_key()
PLATFORM_KEY = generate_private_key()
STRANGERS_KEY = generate_private_key()

Form = dict[str, str]
Reply = Callable[[Form], httpx.Response]


def sign(text: str, key: RSAPrivateKey = PLATFORM_KEY) -> str:
    """RSA2 in base64, written down a second time so that the adapter is not its own judge."""
    return base64.b64encode(key.sign(text.encode(), PKCS1v15(), SHA256())).decode()


def envelope(method: str, text: str, key: RSAPrivateKey = PLATFORM_KEY) -> bytes:
    """A signed answer around the JSON `text`."""
    member = method.replace(".", "_") + "_response"
    return f'{{"{member}":{text},"sign":"{sign(text, key)}"}}'.encode()


def says(content: Mapping[str, Any], key: RSAPrivateKey = PLATFORM_KEY) -> Reply:
    """Answers every request with `content`, signed."""
    return lambda form: httpx.Response(200, content=envelope(form["method"], json.dumps(content), key))


def succeeds(**content: Any) -> Reply:
    """Answers with success about the trade that was asked about."""

    def reply(form: Form) -> httpx.Response:
        number = json.loads(form["biz_content"])["out_trade_no"]
        return says({"code": "10000", "msg": "Success", "out_trade_no": number, **content})(form)

    return reply


def fails(sub_code: str, code: str = "40004") -> Reply:
    """Answers with a signed error."""
    return says({"code": code, "msg": "Business Failed", "sub_code": sub_code, "sub_msg": "失败"})


class Platform:
    """Alipay's end of the wire: keeps what it was sent, answers by method."""

    def __init__(self) -> None:
        self.received: list[Form] = []
        self.replies: dict[str, Reply] = {}

    def answer(self, request: httpx.Request) -> httpx.Response:
        """The reply to one request."""
        form = dict(parse_qsl(request.content.decode(), keep_blank_values=True, strict_parsing=True))
        self.received.append(form)
        return self.replies[form["method"]](form)

    def methods(self) -> list[str]:
        """The methods that were called, in order."""
        return [form["method"].removeprefix("alipay.trade.") for form in self.received]

    def content(self) -> dict[str, str]:
        """What the last request was about."""
        return json.loads(self.received[-1]["biz_content"])


Answering = Callable[[httpx.Request], Any]


def settings(seller_id: str | None = SELLER, timeout: float = 5.0) -> AlipaySettings:
    """A merchant's settings."""
    return AlipaySettings(
        gateway="https://platform.test/gateway.do",
        app_id=APP,
        seller_id=seller_id,
        merchant_private_key=private_pem(MERCHANT_KEY),
        platform_public_key=public_pem(PLATFORM_KEY.public_key()),
        timeout=timeout,
    )


def gateway(answering: Answering, own: AlipaySettings | None = None) -> Alipay:
    """The adapter, wired to a peer."""
    http = httpx.AsyncClient(transport=httpx.MockTransport(answering))
    return Alipay(own or settings(), http, lambda: NOW, InlineExecutor().run)


def notice(key: RSAPrivateKey = PLATFORM_KEY, /, **changes: str | None) -> bytes:
    """A signed notification of a capture of 88.80 yuan; a field changed to None is left out."""
    fields = {**CAPTURE, **changes}
    present = {name: value for name, value in fields.items() if value is not None}
    signed = "&".join(f"{name}={present[name]}" for name in sorted(present) if name != "sign_type")
    return urlencode({**present, "sign": sign(signed, key)}).encode()


CAPTURE: Form = {
    "app_id": APP,
    "auth_app_id": APP,
    "charset": "utf-8",
    "version": "1.0",
    "notify_id": "ac05099524730693a8b330c5ecf72da9786",
    "notify_type": "trade_status_sync",
    "notify_time": "2026-01-01 08:00:05",
    "trade_no": "2026010122001400000001",
    "out_trade_no": "P1",
    "trade_status": "TRADE_SUCCESS",
    "total_amount": "88.80",
    "receipt_amount": "88.80",
    "buyer_pay_amount": "88.80",
    "buyer_id": "2088000000000009",
    "seller_id": SELLER,
    "subject": "茶叶 250 g",
    "gmt_create": "2026-01-01 07:59:50",
    "gmt_payment": "2026-01-01 08:00:01",
    "fund_bill_list": '[{"amount":"88.80","fundChannel":"ALIPAYACCOUNT"}]',
    "sign_type": "RSA2",
}
