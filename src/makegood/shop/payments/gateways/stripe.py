"""Stripe: payment on the page of a Checkout Session, in yuan, and what follows it.

Source: Stripe API reference: Checkout Sessions, Refunds, Balance transactions, Idempotent requests, Errors; Webhooks,
"Verify webhook signatures manually". Answers are proven by TLS alone, notifications by an HMAC with the endpoint's
secret. Stripe cannot be asked for a session by the merchant's number, so its own is kept with the payment, `cs_…`; once
the payment is captured, its number is that of the payment intent, `pi_…`.
"""

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from http import HTTPStatus
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote, urlencode

import httpx
import msgspec

from makegood.shop.payments.bill_days import begin_of, day_of_date
from makegood.shop.payments.gateways import stripe_objects as objects
from makegood.shop.payments.gateways.port import (
    MAX_NOTIFICATION,
    Answer,
    BillLine,
    Closing,
    GatewayRefused,
    GatewayUnavailable,
    Notice,
    Opened,
    OpenPayment,
    RefundPayment,
    RefundState,
    Rejected,
    Trade,
)
from makegood.shop.payments.gateways.secret import needed
from makegood.shop.payments.gateways.wire import Received, Request, Wire, check_timeout, check_url, hosts_of

API_VERSION = "2026-10-28.endive"
TOLERANCE = 300
"""Seconds by which a notification's time may differ from ours."""
LEAST_OPEN, MOST_OPEN = 31 * 60_000, 23 * 3_600_000
"""Milliseconds: Stripe keeps a session open for at least half an hour, and at most a day."""
PAGE, PAGES = 100, 200
"""Lines in an answer, and most answers that make a bill."""
MAX_ANSWER = 4 * 1024 * 1024
"""Largest answer that is read, in bytes: a page of a bill is large."""
MAX_HEADER = 4096
"""Most characters of a Stripe-Signature that are read."""

_SESSIONS, _INTENTS = "/v1/checkout/sessions", "/v1/payment_intents"
_REFUNDS, _BALANCE = "/v1/refunds", "/v1/balance_transactions"
_ADVICE = {
    "api_key_expired": "make a new key in Stripe's dashboard, and set api-key",
    "amount_too_small": "Stripe takes no amount as small as that: offer another channel for it",
    "idempotency_error": "this number was used with other values: use another number",
}
_NO_MONEY = frozenset({"balance_insufficient", "insufficient_funds"})
_REFUND_FAILS = frozenset({"charge_already_refunded", "charge_disputed", "invalid_request_error", "resource_missing"})
_KEY = re.compile(r"[!-~]{1,512}")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class StripeSettings:
    """`[stripe]`. Raises ValueError for what cannot be."""

    api_key: str = field(default="", repr=False)
    api_key_file: Path | None = None
    """A secret or restricted key: sk_… or rk_…."""
    webhook_secret: str = field(default="", repr=False)
    webhook_secret_file: Path | None = None
    """whsec_… of the endpoint; several divided by spaces, while one takes the place of another."""
    account: str = "default"
    """acct_… of the merchant: names whose bills these are, and is sent nowhere."""
    gateway: str = "https://api.stripe.com"
    return_url: str = ""
    """Where the browser goes once the buyer has paid, or gone back; empty: to the shop."""
    timeout: float = 10.0
    """Seconds for a whole call."""

    def __post_init__(self) -> None:
        hosts_of(self.gateway, "stripe")
        check_timeout(self.timeout, "stripe")
        if self.return_url:
            check_url(self.return_url, "stripe return_url")
        if not re.fullmatch(r"[0-9A-Za-z_]{1,48}", self.account):
            raise ValueError(f"stripe account {self.account!r}: copy it from the dashboard, acct_…")


class _Fault(msgspec.Struct, frozen=True):
    type: str = ""
    code: str = ""
    message: str = ""


class _Failure(msgspec.Struct, frozen=True):
    error: _Fault = _Fault()


class Stripe:
    """The Stripe gateway; `clock` gives ms UTC, `home` is the shop's address, for a `return_url` that is not set."""

    accepted = Answer(200, "text/plain; charset=utf-8", b"taken")
    rejected = Answer(400, "text/plain; charset=utf-8", b"not taken")

    def __init__(
        self,
        settings: StripeSettings,
        http: httpx.AsyncClient,
        clock: Callable[[], int],
        home: str,
        *,
        channel: str = "stripe",
    ) -> None:
        self.channel: str = channel
        self.account: str = f"stripe:{settings.account}"
        self._api_key = needed(settings.api_key, settings.api_key_file, "stripe api-key")
        if not _KEY.fullmatch(self._api_key):
            raise ValueError("stripe api-key has a character that no key has: copy it from the dashboard, sk_… or rk_…")
        secrets = needed(settings.webhook_secret, settings.webhook_secret_file, "stripe webhook-secret")
        self._secrets = [one.encode() for one in secrets.split()]
        self._home = settings.return_url or home
        self._wire = Wire(http, "Stripe", hosts_of(settings.gateway, "stripe"), settings.timeout)
        self._clock = clock

    async def open(self, payment: OpenPayment) -> Opened:
        """Opens a session, or gives the one that was opened for this number within the last day.

        Stripe ends no session sooner than after half an hour: the service closes it, once the payment has expired.
        """
        form = {
            "mode": "payment",
            "client_reference_id": payment.payment_id,
            f"metadata[{objects.PAYMENT}]": payment.payment_id,
            f"payment_intent_data[metadata][{objects.PAYMENT}]": payment.payment_id,
            "line_items[0][quantity]": "1",
            "line_items[0][price_data][currency]": objects.CURRENCY,
            "line_items[0][price_data][unit_amount]": str(payment.amount),
            "line_items[0][price_data][product_data][name]": payment.subject[:250],
            "success_url": self._home,
            "cancel_url": self._home,
        }
        key = f"open-{payment.payment_id}"
        if payment.expires_at - self._clock() < MOST_OPEN:
            # Stripe refuses a repeat with other values, so this is reckoned from the payment, and not from now.
            form["expires_at"] = str((payment.expires_at + LEAST_OPEN) // 1000)
            key += "-expiring"
        session = await self._post(_SESSIONS, form, objects.Session, key)
        if session.url is None or session.client_reference_id != payment.payment_id:
            raise GatewayUnavailable(f"session {session.id} cannot be paid, or is of another payment: query it")
        return Opened(session.url, session.id)

    async def query(self, payment_id: str, trade_no: str = "") -> Trade:
        """What became of the payment; without `trade_no` no buyer was ever told where to pay it."""
        if not trade_no:
            return Trade("unknown_trade")
        session = await self._get(f"{_SESSIONS}/{quote(trade_no, safe='')}", objects.Session)
        if session.client_reference_id != payment_id:
            raise GatewayUnavailable(f"session {trade_no} is not of payment {payment_id}: see which is stored")
        intent = None
        if session.payment_intent is not None and session.payment_status == "paid":
            target = f"{_INTENTS}/{quote(session.payment_intent, safe='')}?expand[]=latest_charge"
            intent = await self._get(target, objects.Intent)
        return objects.trade_of(session, intent)

    async def close(self, payment_id: str, trade_no: str = "") -> Closing:
        """Expires the session, so that it cannot be paid any more."""
        if not trade_no:
            return "closed"
        try:
            await self._post(f"{_SESSIONS}/{quote(trade_no, safe='')}/expire", {}, objects.Session, "")
        except GatewayRefused:
            trade = await self.query(payment_id, trade_no)
            if trade.state == "paid" or trade.paid_at is not None:
                return "paid"
            return "closed" if trade.state == "closed" else "unknown"
        return "closed"

    async def refund(self, refund: RefundPayment) -> RefundState:
        """Refunds once for each refund number.

        Stripe remembers the key of a request for a day only, so it is asked for the refund before it is asked to make
        it. Raises GatewayUnavailable too while the merchant's balance holds too little.
        """
        try:
            made = await self._made(refund) or await self._make(refund)
        except GatewayRefused as refusal:
            return _refused_refund(refusal)
        if (made.amount, made.currency) != (refund.amount, objects.CURRENCY):
            used = f"{made.amount} {made.currency[:8]}"
            return RefundState("failed", f"refund number {refund.refund_id} was used for {used}")
        return objects.refund_state(made)

    async def _made(self, refund: RefundPayment) -> objects.Refund | None:
        if not refund.trade_no.startswith("pi_"):
            raise GatewayRefused("NO_PAYMENT_INTENT", f"{refund.trade_no!r} is none", "refund it in Stripe's dashboard")
        target = f"{_REFUNDS}?payment_intent={quote(refund.trade_no, safe='')}&limit={PAGE}"
        found = await self._get(target, objects.Refunds)
        for made in found.data:
            if (made.metadata or {}).get(objects.REFUND) == refund.refund_id:
                return made
        if found.has_more:
            raise GatewayRefused("TOO_MANY_REFUNDS", f"over {PAGE} of {refund.trade_no}", "refund it in the dashboard")
        return None

    async def _make(self, refund: RefundPayment) -> objects.Refund:
        form = {
            "payment_intent": refund.trade_no,
            "amount": str(refund.amount),
            f"metadata[{objects.PAYMENT}]": refund.payment_id,
            f"metadata[{objects.REFUND}]": refund.refund_id,
        }
        return await self._post(_REFUNDS, form, objects.Refund, f"refund-{refund.refund_id}")

    async def bill(self, day: date) -> list[BillLine]:
        """What was captured and refunded on a day by China's clock; of a day that is not over, what there is so far."""
        begin = day_of_date(day)
        since, until = begin_of(begin) // 1000, begin_of(begin + 1) // 1000
        target = f"{_BALANCE}?created[gte]={since}&created[lt]={until}&limit={PAGE}&expand[]=data.source"
        lines: list[BillLine] = []
        after = ""
        for _ in range(PAGES):
            entries = await self._get(target + after, objects.Entries)
            try:
                lines.extend(objects.bill_lines(entries))
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                raise GatewayUnavailable(f"the bill of {day}: not as documented: {error}") from error
            if not entries.has_more or not entries.data:
                return lines
            after = f"&starting_after={quote(entries.data[-1].id, safe='')}"
        raise GatewayRefused("BILL_TOO_LONG", f"over {PAGE * PAGES} lines on {day}", "take it from Stripe's dashboard")

    def read_notification(self, body: bytes, headers: Mapping[str, str]) -> Notice:
        """Proves and reads a notification; what is about no payment of ours is of kind "other"."""
        if len(body) > MAX_NOTIFICATION:
            raise Rejected("too_large", f"{len(body)} bytes: at most {MAX_NOTIFICATION} are read")
        self._prove(body, headers.get("stripe-signature", ""))
        try:
            return objects.notice_of(msgspec.json.decode(body, type=objects.Event))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Rejected("malformed", f"signed, yet not as documented: {error}") from error

    def _prove(self, body: bytes, header: str) -> None:
        """The header is `t=…,v1=…`, with a `v1` for each secret; an unknown scheme is passed over."""
        fields = [part.partition("=") for part in header[:MAX_HEADER].split(",")]
        stamps = [value for name, _, value in fields if name.strip() == "t"]
        signatures = [value.encode() for name, _, value in fields if name.strip() == "v1"]
        if len(stamps) != 1 or not re.fullmatch("[0-9]{1,12}", stamps[0]) or not signatures:
            raise Rejected("bad_signature", "not signed: Stripe-Signature has one t= and a v1=")
        text = stamps[0].encode() + b"." + body
        wanted = [hmac.new(one, text, hashlib.sha256).hexdigest().encode() for one in self._secrets]
        if not any(hmac.compare_digest(one, given) for one in wanted for given in signatures):
            raise Rejected("bad_signature", "signed by somebody else, or changed: check webhook-secret")
        if abs(self._clock() // 1000 - int(stamps[0])) > TOLERANCE:
            raise Rejected("stale", f"signed at {stamps[0]}, more than {TOLERANCE} s from our clock: check it")

    async def _get(self, target: str, answer: type[T]) -> T:
        return await self._call("GET", target, answer, {}, None)

    async def _post(self, target: str, form: Mapping[str, str], answer: type[T], key: str) -> T:
        headers = {"content-type": "application/x-www-form-urlencoded"}
        if key:
            headers["idempotency-key"] = key
        return await self._call("POST", target, answer, headers, urlencode(form).encode())

    async def _call(self, method: str, target: str, answer: type[T], more: Mapping[str, str], body: bytes | None) -> T:
        own = {"authorization": f"Bearer {self._api_key}", "stripe-version": API_VERSION}
        headers = {**own, "accept-encoding": "identity", **more}

        async def build(host: str) -> Request:
            return Request(method, host + target, headers, body)

        received = await self._wire.send(build, MAX_ANSWER)
        what = f"{method} {target.partition('?')[0]}"
        if received.status != HTTPStatus.OK:
            _fail(received, what)
        try:
            return msgspec.json.decode(received.body, type=answer)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise GatewayUnavailable(f"{what}: not as documented: {error}") from error


def _fail(received: Received, what: str) -> None:
    """Raises what an answer with this status means; one that is not Stripe's own says nothing."""
    try:
        fault = msgspec.json.decode(received.body, type=_Failure).error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        fault = _Fault()
    code, status = fault.code or fault.type, received.status
    detail = f"{what}: HTTP {status} {fault.message[:500]}"
    not_now = (
        status in (HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS) or status >= HTTPStatus.INTERNAL_SERVER_ERROR
    )
    if not_now or not code:
        raise GatewayUnavailable(f"{code}: {detail}; try again with the same numbers")
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        raise GatewayRefused("NOT_ALLOWED", detail, "check api-key, and what that key may do")
    raise GatewayRefused(code, detail, _ADVICE.get(code, "see the log in Stripe's dashboard"))


def _refused_refund(refusal: GatewayRefused) -> RefundState:
    if refusal.code in _NO_MONEY:
        raise GatewayUnavailable(f"{refusal}; top up the merchant's balance") from refusal
    if refusal.code not in _REFUND_FAILS:
        raise refusal
    return RefundState("failed", str(refusal))
