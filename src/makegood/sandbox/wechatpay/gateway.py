"""The addresses below /v3: a request is checked, carried out, and its answer signed, whatever it says."""

from collections.abc import Callable
from functools import partial
from typing import Final, NamedTuple, TypeVar
from urllib.parse import parse_qs, unquote

import msgspec

from makegood.sandbox import trades
from makegood.sandbox.calls import JSON, MAX_REQUEST_BYTES, Call, Reply
from makegood.sandbox.clock import Clock
from makegood.sandbox.early import Early
from makegood.sandbox.faults import Kind, Trouble
from makegood.sandbox.loopback import may_notify
from makegood.sandbox.place import Place
from makegood.sandbox.signing import Signer
from makegood.sandbox.store import Store, StoreBusyError, Transaction

from . import bills, refunds, transactions
from .answers import Answer, refusal, success
from .authorization import problem
from .merchant import Merchant
from .requests import Close, Create, CreateRefund
from .sealing import sealed
from .transactions import Caller

T = TypeVar("T")

PREFIX: Final = "/v3/"
TRANSACTIONS: Final = "/v3/pay/transactions/"
REFUNDS: Final = "/v3/refund/domestic/refunds"
_NOTIFY_URL: Final = (
    "notify_url must be http or https, at most 256 characters, on the loopback unless --allow-remote-notify is given."
)


class Work(NamedTuple):
    """What a request comes to: what is done in a transaction, and whether that writes."""

    handle: Callable[[Transaction], Answer]
    writes: bool


class Gateway:
    """Answers requests of one merchant."""

    platform: str = trades.WECHATPAY

    def __init__(
        self,
        store: Store,
        clock: Clock,
        merchant: Merchant,
        signer: Signer,
        place: Place,
        trouble: Trouble,
        wake_notifier: Callable[[], None],
        early: Early,
    ) -> None:
        self._store = store
        self._clock = clock
        self._merchant = merchant
        self._signer = signer
        self._place = place
        self._trouble = trouble
        self._wake_notifier = wake_notifier
        self._early = early

    async def answer(self, call: Call) -> Reply:
        """The signed answer to a request."""
        hint = problem(call, self._merchant, self._clock.world_now())
        answer = refusal("SIGN_ERROR", hint) if hint else await self._carry_out(call)
        return await self._signed(call, answer)

    async def fail(self, call: Call, kind: Kind) -> Reply:
        """The signed refusal of a request that came too often, or met a platform that fails."""
        code = "FREQUENCY_LIMITED" if kind is Kind.RATE_LIMITED else "SYSTEM_ERROR"
        return await self._signed(call, refusal(code))

    async def _carry_out(self, call: Call) -> Answer:
        work = self._work(call)
        if isinstance(work, Answer):
            return work
        try:
            answer = await (self._store.write if work.writes else self._store.read)(work.handle)
        except (StoreBusyError, TimeoutError):
            return refusal("SYSTEM_ERROR")
        if work.writes:
            self._wake_notifier()
        if answer.created:
            await self._early(trades.WECHATPAY, answer.created)
        return answer

    def _work(self, call: Call) -> Work | Answer:
        """What a request asks for, or why it cannot be done."""
        merchant = self._merchant
        match call.method, call.path:
            case "GET", "/v3/certificates":
                return self._certificates()
            case "GET", "/v3/bill/tradebill":
                return Work(
                    partial(bills.apply, merchant=merchant, query=call.query, url=self._place.url), writes=False
                )
            case "GET", bills.PATH:
                return Work(partial(bills.download, merchant=merchant, query=call.query), writes=False)
            case "POST", path if path == REFUNDS:
                return self._refund(call)
            case "GET", path if path.startswith(REFUNDS + "/"):
                return Work(partial(refunds.query, merchant=merchant, number=_last(path)), writes=False)
            case method, path if path.startswith(TRANSACTIONS):
                return self._transaction(call, method, path[len(TRANSACTIONS) :])
            case _:
                return refusal("RESOURCE_NOT_EXISTS")

    def _transaction(self, call: Call, method: str, rest: str) -> Work | Answer:
        parts = [unquote(part) for part in rest.split("/")]
        match method, parts:
            case "POST", [product] if product in transactions.TRADE_TYPES:
                return self._create(call, product)
            case "GET", ["out-trade-no", number]:
                return self._query(call, partial(trades.by_out_trade_no, number=number, platform=trades.WECHATPAY))
            case "GET", ["id", number]:
                return self._query(call, partial(self._merchant.by_transaction_id, number=number))
            case "POST", ["out-trade-no", number, "close"]:
                return self._close(call, number)
            case _:
                return refusal("RESOURCE_NOT_EXISTS")

    def _query(self, call: Call, find: Callable[[Transaction], trades.Trade | None]) -> Work | Answer:
        if _parameter(call, "mchid") != self._merchant.account.mchid:
            return refusal("PARAM_ERROR", "Send mchid as a query parameter, as in sandbox.json.")
        caller = self._caller(call)
        return Work(partial(transactions.query, caller=caller, find=find), writes=False)

    def _close(self, call: Call, number: str) -> Work | Answer:
        asked = _read(call, Close)
        if isinstance(asked, Answer):
            return asked
        if asked.mchid != self._merchant.account.mchid:
            return refusal("PARAM_ERROR", "The mchid is not the one in sandbox.json.")
        return Work(partial(transactions.close, number=number), writes=True)

    def _create(self, call: Call, product: str) -> Work | Answer:
        asked = _read(call, Create)
        if isinstance(asked, Answer):
            return asked
        account = self._merchant.account
        if (asked.mchid, asked.appid) != (account.mchid, account.appid):
            return refusal("APPID_MCHID_NOT_MATCH")
        if not may_notify(asked.notify_url, remote=self._place.remote_notify):
            return refusal("PARAM_ERROR", _NOTIFY_URL)
        caller = self._caller(call)
        return Work(partial(transactions.create, caller=caller, product=product, request=asked), writes=True)

    def _refund(self, call: Call) -> Work | Answer:
        asked = _read(call, CreateRefund)
        if isinstance(asked, Answer):
            return asked
        if asked.notify_url and not may_notify(asked.notify_url, remote=self._place.remote_notify):
            return refusal("PARAM_ERROR", _NOTIFY_URL)
        if not (asked.transaction_id or asked.out_trade_no):
            return refusal("PARAM_ERROR", "Send transaction_id or out_trade_no.")
        return Work(partial(refunds.refund, merchant=self._merchant, trouble=self._trouble, request=asked), writes=True)

    def _caller(self, call: Call) -> Caller:
        serial = self._merchant.key_for(call.headers.get("wechatpay-serial", "")).serial
        ahead = self._clock.now() - self._clock.world_now()
        return Caller(self._merchant, self._place.cashier, serial, ahead)

    def _certificates(self) -> Answer:
        """Every certificate the platform signs with, or will, sealed with the merchant's key."""
        key = self._merchant.account.api_v3_key
        return success(
            {
                "data": [
                    {
                        "serial_no": each.serial,
                        "effective_time": each.effective,
                        "expire_time": each.expires,
                        "encrypt_certificate": sealed(
                            key, self._clock.new_token()[:12], "certificate", each.pem.encode()
                        ),
                    }
                    for each in self._merchant.account.certificates
                ]
            }
        )

    async def _signed(self, call: Call, answer: Answer) -> Reply:
        content = answer.content
        body = content if isinstance(content, bytes) else b"" if content is None else msgspec.json.encode(content)
        key = self._merchant.key_for(call.headers.get("wechatpay-serial", ""))
        stamp, nonce = self._clock.world_now() // 1000, self._clock.new_token().upper()
        signature = await self._signer.sign(f"{stamp}\n{nonce}\n".encode() + body + b"\n", key.key)
        headers = (
            ("Request-ID", self._clock.new_token().upper()),
            ("Wechatpay-Timestamp", str(stamp)),
            ("Wechatpay-Nonce", nonce),
            ("Wechatpay-Signature", signature),
            ("Wechatpay-Serial", key.serial),
            ("Wechatpay-Signature-Type", "WECHATPAY2-SHA256-RSA2048"),
        )
        return Reply(answer.status, answer.content_type, body, headers)


def _read(call: Call, kind: type[T]) -> T | Answer:
    if not call.headers.get("content-type", "").startswith(JSON) or len(call.body) > MAX_REQUEST_BYTES:
        return refusal("PARAM_ERROR", f"Send Content-Type: {JSON}, and at most {MAX_REQUEST_BYTES} bytes.")
    try:
        return msgspec.json.decode(call.body, type=kind)
    except msgspec.ValidationError as error:
        return refusal("PARAM_ERROR", f"The body does not fit: {error}.")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return refusal("PARAM_ERROR", "The body is not JSON.")


def _parameter(call: Call, name: str) -> str:
    try:
        return parse_qs(call.query, max_num_fields=20).get(name, [""])[0]
    except ValueError:
        return ""


def _last(path: str) -> str:
    return unquote(path.rpartition("/")[2])
