"""The one address of all methods: a signed form in, signed JSON out, always HTTP 200."""

from collections.abc import Callable, Mapping
from functools import partial
from http import HTTPStatus
from typing import Any, Final, NamedTuple

import msgspec

from makegood.sandbox.calls import Reply
from makegood.sandbox.clock import Clock
from makegood.sandbox.early import Early
from makegood.sandbox.loopback import may_notify
from makegood.sandbox.store import Store, StoreBusyError, Transaction
from makegood.sandbox.trades import ALIPAY

from . import bills, requests
from .answers import Answer, refusal
from .envelope import problem, read
from .merchant import Merchant
from .pages import PRODUCTS, led, open_page
from .payments import Caller, close, precreate, query
from .refunds import query_refund, refund
from .signing import Signer


class Method(NamedTuple):
    """A method of the gateway: what it is asked, what it does, and whether that writes."""

    request: type[msgspec.Struct]
    handle: Callable[[Transaction, Caller, Any], Answer]
    writes: bool


METHODS: Final = {
    "alipay.trade.precreate": Method(requests.Precreate, precreate, writes=True),
    "alipay.trade.query": Method(requests.Query, query, writes=False),
    "alipay.trade.close": Method(requests.Close, close, writes=True),
    "alipay.trade.refund": Method(requests.Refund, refund, writes=True),
    "alipay.trade.fastpay.refund.query": Method(requests.RefundQuery, query_refund, writes=False),
    "alipay.data.dataservice.bill.downloadurl.query": Method(requests.Bill, bills.address, writes=False),
}

JSON_UTF8: Final = "application/json; charset=utf-8"

# Who asks without an app_id of ours is answered without a signature: the platform knows no key to use for them.
_UNSIGNED: Final = ("isv.missing-method", "isv.missing-app-id", "isv.invalid-app-id")

_NOTIFY_URL: Final = (
    "notify_url must be http or https, at most 256 characters, on the loopback unless --allow-remote-notify is given."
)


class Gateway:
    """Answers requests for one merchant; `cashier` is the URL to which a QR code's own part is appended."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        merchant: Merchant,
        signer: Signer,
        cashier: str,
        *,
        remote_notify: bool,
        wake_notifier: Callable[[], None],
        early: Early,
        codes_survive: bool = False,
    ) -> None:
        self._store = store
        self._clock = clock
        self._merchant = merchant
        self._signer = signer
        self._cashier = cashier
        self._remote_notify = remote_notify
        self._wake_notifier = wake_notifier
        self._early = early
        self._codes_survive = codes_survive

    async def answer(self, query: bytes, body: bytes) -> bytes:
        """The raw JSON for a request, of which query string and form are one."""
        parameters = read(query, body)
        return await (self.refuse("isv.invalid-parameter") if parameters is None else self.respond(parameters))

    async def reply(self, query: bytes, body: bytes) -> Reply:
        """The same with HTTP around it; a browser that wants to pay is led to the cashier."""
        parameters = read(query, body)
        if parameters is None:
            return Reply(HTTPStatus.OK, JSON_UTF8, await self.refuse("isv.invalid-parameter"))
        product = PRODUCTS.get(parameters.get("method", ""))
        if product is None:
            return Reply(HTTPStatus.OK, JSON_UTF8, await self.respond(parameters))
        if sub_code := problem(parameters, self._merchant):
            return led(refusal(sub_code))
        handle = partial(open_page, product=product, return_url=parameters.get("return_url", ""))
        return led(await self._carry_out(Method(requests.PagePay, handle, writes=True), parameters))

    async def respond(self, parameters: Mapping[str, str]) -> bytes:
        """The raw JSON for a request's parameters."""
        name = parameters.get("method", "")
        method = METHODS.get(name)
        sub_code = problem(parameters, self._merchant) or ("" if method else "isv.invalid-method")
        if method is None or sub_code:
            return await self._wrapped(name, refusal(sub_code), signed=sub_code not in _UNSIGNED)
        return await self._wrapped(name, await self._carry_out(method, parameters), signed=True)

    async def refuse(self, sub_code: str) -> bytes:
        """The raw JSON for a request that could not be read."""
        return await self._wrapped("", refusal(sub_code), signed=True)

    async def _carry_out(self, method: Method, parameters: Mapping[str, str]) -> Answer:
        try:
            request = msgspec.json.decode(parameters.get("biz_content", ""), type=method.request)
        except msgspec.ValidationError as error:
            return refusal("ACQ.INVALID_PARAMETER", f"biz_content: {error}.")
        except (msgspec.DecodeError, RecursionError):
            return refusal("isv.invalid-parameter")
        if isinstance(request, requests.Which) and not (request.trade_no or request.out_trade_no):
            return refusal("ACQ.INVALID_PARAMETER", "Send trade_no or out_trade_no.")
        notify_url = parameters.get("notify_url", "")
        if notify_url and not may_notify(notify_url, remote=self._remote_notify):
            return refusal("ACQ.INVALID_PARAMETER", _NOTIFY_URL)
        return_url = parameters.get("return_url", "")
        if return_url and not may_notify(return_url, remote=True):
            return refusal("ACQ.INVALID_PARAMETER", "return_url must be http or https, at most 256 characters.")
        caller = Caller(self._merchant, self._cashier, notify_url, self._clock.ahead(), self._codes_survive)
        return await self._perform(method, caller, request)

    async def _perform(self, method: Method, caller: Caller, request: msgspec.Struct) -> Answer:
        run = self._store.write if method.writes else self._store.read
        try:
            answer = await run(lambda tx: method.handle(tx, caller, request))
        except (StoreBusyError, TimeoutError):
            return refusal("aop.unknow-error")
        if method.writes:
            self._wake_notifier()
        if isinstance(request, requests.Precreate):
            await self._early(ALIPAY, request.out_trade_no)
        return answer

    async def _wrapped(self, method: str, answer: Answer, *, signed: bool) -> bytes:
        """The answer as raw JSON: the signature covers exactly the bytes of the inner object."""
        name = method.replace(".", "_") if method in METHODS else "error"
        content = msgspec.json.encode(answer)
        sign = f',"sign":"{await self._signer.sign(content)}"' if signed else ""
        return f'{{"{name}_response":'.encode() + content + sign.encode() + b"}"
