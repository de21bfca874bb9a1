"""One signed call to Alipay's gateway: form request out, proven JSON answer in.

Source: Alipay Open Platform, common parameters, common answer codes. An answer without a fitting signature is
never believed, an error no more than a success: Alipay leaves an error unsigned when it cannot tell whose key
to use, and anybody can write an unsigned one. Its text stands in the exception, for whoever has to mend the
configuration.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Literal, NamedTuple, Self, TypeVar
from urllib.parse import urlencode

import httpx
import msgspec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

from makegood.keys import load_private_key, load_public_key
from makegood.shop.payments.gateways.alipay_signing import Unproven, proven_answer, signed_form
from makegood.shop.payments.gateways.alipay_text import beijing
from makegood.shop.payments.gateways.port import Compute, GatewayRefused, GatewayUnavailable
from makegood.shop.payments.gateways.products import checked
from makegood.shop.payments.gateways.secret import needed
from makegood.shop.payments.gateways.wire import Request, Wire, check_timeout, check_url

_HEADERS = {
    "content-type": "application/x-www-form-urlencoded;charset=utf-8",
    "accept-encoding": "identity",
}
_SUCCESS = "10000"
_NOT_NOW = frozenset({"20000", "40005"})  # service unavailable, call limit reached
_ADVICE = {
    "ACQ.TRADE_HAS_SUCCESS": "it is paid: query it",
    "ACQ.TRADE_HAS_CLOSE": "it is closed: open a payment with another number",
    "ACQ.TRADE_NOT_EXIST": "check the payment number",
    "ACQ.CONTEXT_INCONSISTENT": "this number was opened with another amount or subject: use another number",
    "ACQ.DISCORDANT_REPEAT_REQUEST": "this refund number was used for another amount: use another number",
}


Product = Literal["precreate", "page"]
PRODUCTS: tuple[Product, ...] = ("precreate", "page")


@dataclass(frozen=True, slots=True)
class AlipaySettings:
    """What a merchant agreed with Alipay; keys are PEM text or, as Alipay's tools write them, bare base64.

    Raises ValueError for a gateway that is no URL, an empty app_id, and a timeout outside 0 to 60.
    """

    gateway: str
    app_id: str
    seller_id: str | None = None
    """The merchant's own account (PID); None when notices to any seller are ours."""
    merchant_private_key: str = field(default="", repr=False)
    platform_public_key: str = field(default="", repr=False)
    timeout: float = 5.0
    """Seconds for a whole call."""
    merchant_private_key_file: Path | None = None
    platform_public_key_file: Path | None = None
    """Files that hold the keys, where they are not given themselves."""
    products: str = "precreate page"
    """Which products the merchant has signed for, divided by spaces: each is a channel."""
    return_url: str = ""
    """Where the browser comes back to from page pay; empty: it stays at Alipay."""
    bill_timeout: float = 40.0
    """Seconds for the download of a bill."""

    def __post_init__(self) -> None:
        check_url(self.gateway, "alipay gateway")
        if not _APP_ID.fullmatch(self.app_id):
            raise ValueError(f"alipay app_id {self.app_id!r}: copy it from the open platform's console")
        check_timeout(self.timeout, "alipay")
        check_timeout(self.bill_timeout, "alipay bill")
        checked(self.products, PRODUCTS, "alipay")
        if self.return_url:
            check_url(self.return_url, "alipay return_url")


class AlipayKeys(NamedTuple):
    """The merchant's private key, and the public one of the platform."""

    merchant: RSAPrivateKey
    platform: RSAPublicKey

    @classmethod
    def of(cls, settings: AlipaySettings) -> Self:
        """Those of the settings. Raises ValueError, InvalidKeyError for what is no RSA key of 2048 bits or more."""
        own = needed(settings.merchant_private_key, settings.merchant_private_key_file, "alipay merchant-private-key")
        theirs = needed(settings.platform_public_key, settings.platform_public_key_file, "alipay platform-public-key")
        return cls(load_private_key(own), load_public_key(theirs))


_APP_ID = re.compile(r"[0-9A-Za-z_]{1,64}")
A = TypeVar("A", bound=msgspec.Struct)


class _Result(msgspec.Struct, frozen=True):
    """What any answer may hold; `sub_code` says more about a failure."""

    code: str
    msg: str = ""
    sub_code: str = ""
    sub_msg: str = ""
    out_trade_no: str = ""


_RESULT = msgspec.json.Decoder(_Result)


class AlipayClient:
    """Signs, sends, proves; `compute` runs the signature, `clock` gives ms UTC.

    `keys`, when given, are taken as they are, however short, and those of the settings are not read.
    """

    def __init__(
        self,
        settings: AlipaySettings,
        http: httpx.AsyncClient,
        clock: Callable[[], int],
        compute: Compute,
        keys: AlipayKeys | None = None,
    ) -> None:
        known = keys or AlipayKeys.of(settings)
        self._settings = settings
        self._wire = Wire(http, "Alipay", [settings.gateway], settings.timeout)
        self._clock = clock
        self._compute = compute
        self._private_key = known.merchant
        self.platform_key: RSAPublicKey = known.platform

    async def call(self, method: str, content: Mapping[str, str], answer: type[A], notify_url: str = "") -> A:
        """What `method` answers about what is in `content`. Raises GatewayUnavailable, GatewayRefused."""
        form = await self._signed(self._parameters(method, content, notify_url))
        body = await self._send(urlencode(form).encode())
        text = self._prove(body, method)
        try:
            result = _RESULT.decode(text)
            _raise_for_failure(result, method)
            _check_trade(result, content.get("out_trade_no", ""), method)
            return msgspec.json.decode(text, type=answer)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise GatewayUnavailable(f"{method}: signed, yet not as documented: {error}") from error

    async def address(self, method: str, content: Mapping[str, str], notify_url: str, return_url: str) -> str:
        """The signed address at which a browser makes the call itself; nobody is called here."""
        parameters = {**self._parameters(method, content, notify_url), "return_url": return_url}
        return f"{self._settings.gateway}?{urlencode(await self._signed(parameters))}"

    async def _signed(self, parameters: Mapping[str, str]) -> dict[str, str]:
        return await self._compute(partial(signed_form, parameters, self._private_key))

    def _parameters(self, method: str, content: Mapping[str, str], notify_url: str) -> dict[str, str]:
        return {
            "app_id": self._settings.app_id,
            "method": method,
            "format": "JSON",
            "charset": "utf-8",
            "sign_type": "RSA2",
            "timestamp": beijing(self._clock()),
            "version": "1.0",
            "notify_url": notify_url,
            "biz_content": msgspec.json.encode(content).decode(),
        }

    async def _send(self, form: bytes) -> bytes:
        """The answer's body."""

        async def build(gateway: str) -> Request:
            return Request("POST", gateway, _HEADERS, form)

        received = await self._wire.send(build)
        if received.status != HTTPStatus.OK:
            raise GatewayUnavailable(f"Alipay answered HTTP {received.status}: try again")
        return received.body

    def _prove(self, body: bytes, method: str) -> bytes:
        member = method.replace(".", "_") + "_response"
        try:
            return proven_answer(body, member, self.platform_key)
        except Unproven as error:
            raise GatewayUnavailable(f"{method}: the answer is not proven, check both keys: {error}") from error
        except ValueError as error:
            raise GatewayUnavailable(f"{method}: not an answer of Alipay's, try again: {error}") from error


def _raise_for_failure(result: _Result, method: str) -> None:
    if result.code == _SUCCESS:
        return
    code = result.sub_code.removeprefix("aop.") or result.code
    detail = f"{method}: {result.code} {result.msg} {result.sub_msg}".strip()
    if result.code in _NOT_NOW or code.endswith("SYSTEM_ERROR"):
        raise GatewayUnavailable(f"{code}: {detail}; try again with the same numbers")
    raise GatewayRefused(code, detail, _ADVICE.get(code, "look it up in Alipay's list of error codes"))


def _check_trade(result: _Result, payment_id: str, method: str) -> None:
    """A signature proves who wrote an answer, not to which question: an old one might be played back."""
    if payment_id and result.out_trade_no not in ("", payment_id):
        raise GatewayUnavailable(f"{method}: an answer about {result.out_trade_no}, not {payment_id}: try again")
