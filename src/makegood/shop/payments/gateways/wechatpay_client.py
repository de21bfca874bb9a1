"""One signed call to WeChat Pay's API v3: JSON out, proven JSON in.

Source: WeChat Pay API v3, basic rules, error codes. An answer without a fitting signature is never believed, an error
no more than a success: whoever cuts into the connection could write one. What an unproven error says stands in the
exception, for whoever has to mend the configuration. Only bills come unsigned; a signed answer gives their hash.
"""

import hashlib
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import TypeVar
from urllib.parse import urlsplit

import httpx
import msgspec

from makegood.shop.payments.gateways.port import Compute, GatewayRefused, GatewayUnavailable
from makegood.shop.payments.gateways.wechatpay_settings import WechatPayKeys, WechatPaySettings
from makegood.shop.payments.gateways.wechatpay_signing import Signer, Unproven, authorization, check
from makegood.shop.payments.gateways.wire import Received, Request, Wire, hosts_of

MAX_BILL = 64 * 1024 * 1024
"""Largest bill that is fetched, in bytes."""
_QUOTED = 300
_NOT_NOW = frozenset(
    {"SYSTEM_ERROR", "SYSTEMERROR", "BANKERROR", "BANK_ERROR", "BIZERR_NEED_RETRY", "FREQUENCY_LIMITED",
     "RATELIMIT_EXCEEDED", "FREQUENCY_LIMIT_EXCEED", "TRADE_PROCESSING"}
)  # fmt: skip
_ADVICE = {
    "ORDERPAID": "it is paid: query it",
    "ORDER_PAID": "it is paid: query it",
    "ORDER_CLOSED": "it is closed: open a payment with another number",
    "ORDERCLOSED": "it is closed: open a payment with another number",
    "OUT_TRADE_NO_USED": "this number was opened with other values: use another number",
    "ORDER_NOT_EXIST": "check the payment number",
    "SIGN_ERROR": "check merchant-serial and merchant-private-key, and the clock of this machine",
    "NO_AUTH": "sign for the product in the merchant platform, or take it out of products",
    "APPID_MCHID_NOT_MATCH": "bind the appid to the merchant in the merchant platform",
    "MCH_NOT_EXISTS": "check mchid",
    "NOT_ENOUGH": "top up the merchant's account",
}

A = TypeVar("A")


class _Error(msgspec.Struct, frozen=True):
    code: str = ""
    message: str = ""


class WechatPayClient:
    """Signs, sends, proves; `compute` runs the signature, `clock` gives ms UTC, `nonce` a text nobody can guess."""

    def __init__(
        self,
        settings: WechatPaySettings,
        http: httpx.AsyncClient,
        clock: Callable[[], int],
        compute: Compute,
        nonce: Callable[[], str],
    ) -> None:
        self.keys: WechatPayKeys = WechatPayKeys.of(settings)
        self._signer = Signer(settings.mchid, settings.merchant_serial, self.keys.merchant)
        hosts = hosts_of(settings.gateway, "wechatpay")
        self._wire = Wire(http, "WeChat Pay", hosts, settings.timeout)
        self._bills = Wire(http, "WeChat Pay's store of bills", hosts, settings.bill_timeout)
        self._clock = clock
        self._compute = compute
        self._nonce = nonce

    async def get(self, target: str, answer: type[A]) -> A:
        """What stands at `target`, a path and query. Raises GatewayUnavailable, GatewayRefused."""
        return _decoded(await self._proven("GET", target, b""), answer, target)

    async def post(self, target: str, content: object, answer: type[A]) -> A:
        """What posting `content` there comes to. Raises GatewayUnavailable, GatewayRefused."""
        return _decoded(await self._proven("POST", target, msgspec.json.encode(content)), answer, target)

    async def tell(self, target: str, content: object) -> None:
        """Posts what is answered with nothing but success. Raises GatewayUnavailable, GatewayRefused."""
        await self._proven("POST", target, msgspec.json.encode(content))

    async def download(self, url: str, sha1: str) -> bytes:
        """The file that a proven answer named, with its hash. Raises GatewayUnavailable.

        It is fetched from our own hosts, whatever host the address names.
        """
        try:
            parts = urlsplit(url)
        except ValueError as error:
            raise GatewayUnavailable(f"a bill at {url[:64]!r}, which is no address: try again") from error
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        received = await self._bills.send(partial(self._request, "GET", target, b""), MAX_BILL)
        if received.status != HTTPStatus.OK:
            raise GatewayUnavailable(f"WeChat Pay's store of bills answered HTTP {received.status}: try again")
        found = await self._compute(lambda: hashlib.sha1(received.body, usedforsecurity=False).hexdigest())
        if found != sha1.lower():
            raise GatewayUnavailable(f"a bill with hash {found} in place of {sha1[:64]}: try again")
        return received.body

    async def _proven(self, method: str, target: str, body: bytes) -> bytes:
        received = await self._wire.send(partial(self._request, method, target, body))
        what = f"{method} {target.partition('?')[0]}"
        try:
            check(received.body, received.headers, self.keys.platform, self._clock())
        except Unproven as error:
            said = received.body[:_QUOTED].decode(errors="replace")
            raise GatewayUnavailable(
                f"{what}: HTTP {received.status} is not proven, try again, and check the keys: {error}: {said}"
            ) from error
        if not HTTPStatus.OK <= received.status < HTTPStatus.MULTIPLE_CHOICES:
            _fail(received, what)
        return received.body

    async def _request(self, method: str, target: str, body: bytes, host: str) -> Request:
        seconds, nonce = self._clock() // 1000, self._nonce()
        # A gateway may stand below a path of its own; the signature covers the whole path that is asked.
        whole = urlsplit(host).path + target
        work = partial(authorization, self._signer, method, whole, body, seconds, nonce)
        headers = {
            "authorization": await self._compute(work),
            "accept": "application/json",
            "accept-encoding": "identity",
            "user-agent": "makegood",
            "wechatpay-serial": self.keys.preferred,
        }
        if method == "POST":
            headers["content-type"] = "application/json"
        return Request(method, host + target, headers, body or None)


def _decoded(body: bytes, answer: type[A], what: str) -> A:
    try:
        return msgspec.json.decode(body, type=answer)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise GatewayUnavailable(f"{what}: signed, yet not as documented: {error}") from error


def _fail(received: Received, what: str) -> None:
    """Raises what a proven answer with this status means."""
    error = _decoded(received.body, _Error, what) if received.body else _Error()
    code = error.code or f"HTTP_{received.status}"
    detail = f"{what}: HTTP {received.status} {error.message}"
    too_many = received.status == HTTPStatus.TOO_MANY_REQUESTS
    if code in _NOT_NOW or too_many or received.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise GatewayUnavailable(f"{code}: {detail}; try again with the same numbers")
    raise GatewayRefused(code, detail, _ADVICE.get(code, "look it up in WeChat Pay's list of error codes"))
