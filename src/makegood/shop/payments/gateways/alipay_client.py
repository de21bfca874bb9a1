"""One signed call to Alipay's gateway: form request out, proven JSON answer in.

Source: Alipay Open Platform, common parameters, common answer codes. An answer without a fitting signature is
never believed, an error no more than a success: Alipay leaves an error unsigned when it cannot tell whose key
to use, and anybody can write an unsigned one. Its text stands in the exception, for whoever has to mend the
configuration.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple, Self, TypeVar
from urllib.parse import urlencode, urlsplit

import httpx
import msgspec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

from makegood.keys import load_private_key, load_public_key
from makegood.shop.payments.gateways.alipay_signing import Unproven, proven_answer, signed_form
from makegood.shop.payments.gateways.alipay_text import beijing
from makegood.shop.payments.gateways.port import Compute, GatewayRefused, GatewayUnavailable

MAX_ANSWER = 256 * 1024
"""Largest answer that is read, in bytes."""

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


@dataclass(frozen=True, slots=True)
class AlipaySettings:
    """What a merchant agreed with Alipay; keys are PEM text or, as Alipay's tools write them, bare base64.

    `seller_id` is the merchant's own account (PID); None when notices to any seller are ours. `timeout` is in
    seconds and bounds a whole call. Raises ValueError for a gateway that is no URL, an empty app_id, and a
    timeout outside 0 to 60.
    """

    gateway: str
    app_id: str
    seller_id: str | None
    merchant_private_key: str = field(repr=False)
    platform_public_key: str = field(repr=False)
    timeout: float = 5.0

    def __post_init__(self) -> None:
        url = urlsplit(self.gateway)
        if url.scheme not in ("https", "http") or not url.hostname:
            raise ValueError(f"alipay gateway {self.gateway!r}: give its URL, https://…/gateway.do")
        if not self.app_id:
            raise ValueError("alipay app_id is empty: copy it from the open platform's console")
        if not 0 < self.timeout <= 60:
            raise ValueError(f"alipay timeout of {self.timeout} s: give more than 0 and at most 60")


class AlipayKeys(NamedTuple):
    """The merchant's private key, and the public one of the platform."""

    merchant: RSAPrivateKey
    platform: RSAPublicKey

    @classmethod
    def of(cls, settings: AlipaySettings) -> Self:
        """Those of the settings. Raises InvalidKeyError for what is no RSA key of 2048 bits or more."""
        return cls(load_private_key(settings.merchant_private_key), load_public_key(settings.platform_public_key))


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
        self._http = http
        self._clock = clock
        self._compute = compute
        self._private_key = known.merchant
        self.platform_key: RSAPublicKey = known.platform

    async def call(self, method: str, content: Mapping[str, str], answer: type[A], notify_url: str = "") -> A:
        """What `method` answers about the trade in `content`. Raises GatewayUnavailable, GatewayRefused."""
        parameters = self._parameters(method, content, notify_url)
        form = await self._compute(partial(signed_form, parameters, self._private_key))
        body = await self._send(form)
        text = self._prove(body, method)
        try:
            result = _RESULT.decode(text)
            _raise_for_failure(result, method)
            _check_trade(result, content["out_trade_no"], method)
            return msgspec.json.decode(text, type=answer)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise GatewayUnavailable(f"{method}: signed, yet not as documented: {error}") from error

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

    async def _send(self, form: Mapping[str, str]) -> bytes:
        """The answer's body. A broken connection, often one the platform had let go, is tried once more."""
        body = urlencode(form).encode()
        try:
            async with asyncio.timeout(self._settings.timeout):
                try:
                    return await self._post(body)
                except (httpx.ConnectError, httpx.RemoteProtocolError):
                    return await self._post(body)
        except TimeoutError as error:
            raise GatewayUnavailable(f"Alipay gave no answer in {self._settings.timeout} s: try again") from error
        except httpx.HTTPError as error:
            raise GatewayUnavailable(f"Alipay is out of reach, try again: {error!r}") from error

    async def _post(self, form: bytes) -> bytes:
        request = self._http.build_request("POST", self._settings.gateway, content=form, headers=_HEADERS, timeout=None)
        response = await self._http.send(request, stream=True, follow_redirects=False)
        try:
            if response.status_code != 200:
                raise GatewayUnavailable(f"Alipay answered HTTP {response.status_code}: try again")
            return await _read(response)
        finally:
            await response.aclose()

    def _prove(self, body: bytes, method: str) -> bytes:
        member = method.replace(".", "_") + "_response"
        try:
            return proven_answer(body, member, self.platform_key)
        except Unproven as error:
            raise GatewayUnavailable(f"{method}: the answer is not proven, check both keys: {error}") from error
        except ValueError as error:
            raise GatewayUnavailable(f"{method}: not an answer of Alipay's, try again: {error}") from error


async def _read(response: httpx.Response) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > MAX_ANSWER:
            raise GatewayUnavailable(f"an answer of more than {MAX_ANSWER} bytes is not Alipay's: try again")
    return bytes(body)


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
    if result.out_trade_no not in ("", payment_id):
        raise GatewayUnavailable(f"{method}: an answer about {result.out_trade_no}, not {payment_id}: try again")
