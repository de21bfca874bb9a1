"""The addresses below /v1: a key, a form with brackets, JSON; a POST with a key of its own takes effect once."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable
from functools import partial
from typing import Final, NamedTuple
from urllib.parse import unquote

import msgspec

from makegood.sandbox import notifications, trades
from makegood.sandbox.calls import JSON, MAX_REQUEST_BYTES, Call, Reply
from makegood.sandbox.clock import Clock
from makegood.sandbox.early import Early
from makegood.sandbox.faults import Kind, Trouble
from makegood.sandbox.store import Store, StoreBusyError, Transaction

from . import forms, lists, payments, refunds, webhooks
from .errors import Refused, missing
from .events import Teller, described
from .merchant import Account
from .objects import API_VERSION, JsonObject
from .payments import Asked

MAX_KEY: Final = 255
Handle = Callable[[Transaction, Asked], JsonObject]


class Answered(NamedTuple):
    """What a request came to, and whether it was said before."""

    status: int
    content: bytes
    replayed: bool = False


class Gateway:
    """Answers requests of one account."""

    platform: str = trades.STRIPE

    def __init__(
        self,
        store: Store,
        clock: Clock,
        account: Account,
        teller: Teller,
        trouble: Trouble,
        early: Early,
        wake_notifier: Callable[[], None],
        *,
        remote_notify: bool,
    ) -> None:
        self._store = store
        self._clock = clock
        self._account = account
        self._teller = teller
        self._early = early
        self._wake_notifier = wake_notifier
        self._handles = _handles(account, trouble, remote_notify=remote_notify)

    async def answer(self, call: Call) -> Reply:
        """The answer to a request."""
        try:
            self._check(call)
            handle, identity = self._route(call)
            fields = forms.read(call.query.encode("latin-1") if call.method == "GET" else call.body)
            ahead = self._clock.now() - self._clock.world_now()
            asked = Asked(identity, fields, self._teller, ahead, call.path)
            return self._reply(call, await self._carry_out(call, handle, asked))
        except Refused as refused:
            return self._reply(call, Answered(refused.status, msgspec.json.encode(refused.content())))

    async def fail(self, call: Call, kind: Kind) -> Reply:
        """What is said of a request that came too often, or met a platform that fails."""
        if kind is Kind.RATE_LIMITED:
            refused = Refused("Too many requests: try again in a while.", status=429, code="rate_limit")
        else:
            refused = Refused("The platform failed: send it again, with the same key.", status=500, kind="api_error")
        return self._reply(call, Answered(refused.status, msgspec.json.encode(refused.content())))

    def _check(self, call: Call) -> None:
        if len(call.body) > MAX_REQUEST_BYTES:
            raise Refused(f"Send at most {MAX_REQUEST_BYTES} bytes.", status=413)
        key = _key(call.headers.get("authorization", ""))
        if not key:
            raise Refused("You did not provide an API key: send Authorization: Bearer sk_test_….", status=401)
        if not hmac.compare_digest(key.encode(), self._account.api_key.encode()):
            raise Refused("Invalid API Key provided: use api_key of sandbox.json.", status=401)
        if len(call.headers.get("idempotency-key", "")) > MAX_KEY:
            raise Refused(f"Send an Idempotency-Key of at most {MAX_KEY} characters.", kind="idempotency_error")

    def _route(self, call: Call) -> tuple[Handle, str]:
        """What does it, and the id in the path."""
        parts = [unquote(part) for part in call.path.removeprefix("/v1/").split("/")]
        for (method, *shape), handle in self._handles.items():
            if method == call.method and _fits(shape, parts):
                return handle, parts[shape.index("{id}")] if "{id}" in shape else ""
        raise Refused(f"Unrecognized request URL ({call.method}): see the sandbox's documentation.", status=404)

    async def _carry_out(self, call: Call, handle: Handle, asked: Asked) -> Answered:
        try:
            if call.method == "GET":
                return await self._store.read(lambda tx: _answered(handle(tx, asked)))
            answered = await self._store.write(partial(_once, handle=handle, call=call, asked=asked))
        except (StoreBusyError, TimeoutError) as error:
            raise Refused(
                "The sandbox is busy: send it again, with the same key.", status=500, kind="api_error"
            ) from error
        self._wake_notifier()
        if handle in (payments.create_session, payments.create_intent) and answered.status == 200:
            await self._hurry(answered)
        return answered

    async def _hurry(self, answered: Answered) -> None:
        """The buyer may be faster than the answer."""
        identity = str(msgspec.json.decode(answered.content, type=dict[str, object])["id"])
        await self._early(trades.STRIPE, "pi_" + identity.rpartition("_")[2])

    def _reply(self, call: Call, answered: Answered) -> Reply:
        headers = [("Request-Id", f"req_{self._clock.new_token()}"), ("Stripe-Version", API_VERSION)]
        if key := call.headers.get("idempotency-key", ""):
            headers.append(("Idempotency-Key", "".join(sign for sign in key if " " <= sign <= "~")))
        if answered.replayed:
            headers.append(("Idempotent-Replayed", "true"))
        return Reply(answered.status, JSON, answered.content, tuple(headers))


def _handles(account: Account, trouble: Trouble, *, remote_notify: bool) -> dict[tuple[str, ...], Handle]:
    session, intent = ("checkout", "sessions"), ("payment_intents",)
    return {
        ("POST", *session): payments.create_session,
        ("GET", *session): lists.sessions,
        ("GET", *session, "{id}"): payments.session,
        ("POST", *session, "{id}", "expire"): payments.expire_session,
        ("POST", *intent): payments.create_intent,
        ("GET", *intent): lists.intents,
        ("GET", *intent, "{id}"): payments.intent,
        ("POST", *intent, "{id}", "confirm"): payments.confirm_intent,
        ("POST", *intent, "{id}", "cancel"): payments.cancel_intent,
        ("POST", "refunds"): partial(refunds.create, trouble=trouble),
        ("GET", "refunds"): lists.refunds_made,
        ("GET", "refunds", "{id}"): refunds.retrieve,
        ("GET", "balance_transactions"): partial(lists.movements, series=account.series),
        ("GET", "events", "{id}"): _event,
        ("POST", "webhook_endpoints"): partial(webhooks.create, secret=account.webhook_secret, remote=remote_notify),
        ("GET", "webhook_endpoints"): webhooks.listed,
        ("GET", "webhook_endpoints", "{id}"): webhooks.retrieve,
        ("DELETE", "webhook_endpoints", "{id}"): webhooks.delete,
    }


def _fits(shape: list[str], parts: list[str]) -> bool:
    return len(shape) == len(parts) and all(each in ("{id}", part) for each, part in zip(shape, parts, strict=True))


def _event(tx: Transaction, asked: Asked) -> JsonObject:
    found = notifications.event_by_code(tx, asked.identity.removeprefix("evt_"))
    if found is None or not asked.identity.startswith("evt_"):
        raise missing("event", asked.identity)
    return described(found)


def _once(tx: Transaction, handle: Handle, call: Call, asked: Asked) -> Answered:
    """What was answered to this key before, or what it comes to now. Raises Refused."""
    key = call.headers.get("idempotency-key", "")
    request = hashlib.sha256(f"{call.method} {call.path}\n".encode() + call.body).hexdigest()
    if key and (known := tx.row("SELECT request, status, answer FROM answered WHERE key = ?", key)):
        if known[0] != request:
            raise Refused(
                "Keys for idempotent requests can only be used with the same parameters they were first used with.",
                kind="idempotency_error",
            )
        return Answered(known[1], known[2].encode(), replayed=True)
    answered = _answered(handle(tx, asked))
    if key:
        values = (key, request, answered.status, answered.content.decode(), tx.now)
        tx.rows("INSERT INTO answered VALUES (?, ?, ?, ?, ?)", *values)
    return answered


def _answered(content: JsonObject) -> Answered:
    return Answered(402 if "error" in content else 200, msgspec.json.encode(content))


def _key(header: str) -> str:
    kind, _, value = header.partition(" ")
    if kind.lower() == "bearer":
        return value.strip()
    if kind.lower() != "basic":
        return ""
    try:
        return base64.b64decode(value, validate=True).decode("ascii").partition(":")[0]
    except (binascii.Error, ValueError):
        return ""
