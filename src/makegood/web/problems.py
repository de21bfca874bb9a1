"""What can be refused over HTTP: problem details (RFC 9457), each with a code that never changes."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

PROBLEM_JSON = "application/problem+json"
MAX_LISTED = 100
"""Most single errors that one problem lists."""


class Kind(NamedTuple):
    """A kind of problem: its status, what it is, and what to do about it."""

    status: int
    title: str
    advice: str


KINDS: dict[str, Kind] = {
    "malformed": Kind(422, "The request is malformed", "Correct what `detail` and `problems` name."),
    "duplicate_sku": Kind(422, "A SKU is listed twice", "Give each SKU one line with the whole quantity."),
    "unknown_sku": Kind(422, "There is no such SKU", "Look at GET /api/goods."),
    "unknown_channel": Kind(422, "There is no such payment channel", "Use a channel that this shop has configured."),
    "no_such_day": Kind(422, "There is no such day", "Give a day as YYYY-MM-DD."),
    "key_reused": Kind(422, "The Idempotency-Key was used with another body", "Use a new key for a new request."),
    "load_refused": Kind(422, "The file was not loaded", "Correct every row that `problems` names, then load again."),
    "idempotency_key_missing": Kind(400, "The Idempotency-Key header is missing", "Send a key of your own making."),
    "incomplete_body": Kind(400, "The body ended too early", "Send the request again."),
    "unauthorized": Kind(401, "No valid token", "Get one from POST /api/session and send it as a bearer token."),
    "bad_credentials": Kind(401, "User or password is wrong", "Check both."),
    "not_operator": Kind(403, "Only operators may do this", "Send the operators' token."),
    "not_found": Kind(404, "There is no such thing, or it is not yours", "Check the address."),
    "method_not_allowed": Kind(405, "This method is not offered here", "Use one that the Allow header names."),
    "request_timeout": Kind(408, "The body did not arrive in time", "Send the request again, faster."),
    "body_too_large": Kind(413, "The body is too large", "Send less in one request."),
    "unsupported_media_type": Kind(415, "The body is no JSON", "Send JSON, with Content-Type: application/json."),
    "too_many_attempts": Kind(429, "Too many failed sign-ins", "Wait for as long as Retry-After says."),
    "headers_too_large": Kind(431, "The headers are too large", "Send fewer or shorter headers."),
    "out_of_stock": Kind(409, "Not enough in stock", "Order less, or something else, under a new key."),
    "price_changed": Kind(409, "A price has changed", "Look at the price of today, and order under a new key."),
    "coupon_unusable": Kind(409, "The coupon cannot be used for this", "Order without it, under a new key."),
    "insufficient_balance": Kind(409, "The balance is too small", "Use less balance, under a new key."),
    "amount_mismatch": Kind(409, "The amounts do not add up", "Ask POST /api/quotes, and order under a new key."),
    "limit_exceeded": Kind(409, "More than one buyer may have", "Order less, under a new key."),
    "cancelled": Kind(409, "The order was cancelled before it was confirmed", "Order again under a new key."),
    "not_cancellable": Kind(409, "The order can no longer be cancelled", "A paid order can be refunded."),
    "not_refundable": Kind(409, "This cannot be refunded", "Only what was paid, and not yet refunded, can be."),
    "not_shippable": Kind(409, "The order cannot be shipped", "Only a paid order that has not been shipped can be."),
    "not_receivable": Kind(409, "The order cannot be received", "Only a shipped order can be."),
    "not_payable": Kind(409, "The order cannot be paid", "Only a confirmed order with something left to pay can be."),
    "amount_exceeds_captured": Kind(409, "More than was captured and not refunded", "Refund less."),
    "day_not_over": Kind(409, "The day is not over", "Platforms bill a day on the next one, by China's clock."),
    "load_in_progress": Kind(409, "Another file is being loaded", "Load again when it is done."),
    "internal_error": Kind(500, "The shop failed to answer", "Tell the operators; the log says why."),
    "overloaded": Kind(503, "Too many are waiting", "Nothing was done. Ask again after Retry-After seconds."),
    "unavailable": Kind(503, "A service does not answer", "Ask again after Retry-After seconds."),
    "platform_unavailable": Kind(503, "The payment platform does not answer", "Ask again after Retry-After seconds."),
    "too_many_streams": Kind(503, "Too many event streams are open", "Close one, or look at the order instead."),
    "not_ready": Kind(503, "The shop takes no orders now", "Ask again later."),
    "timeout": Kind(504, "No answer in time", "It may have happened or not: look, or ask again with the same key."),
}


class ProblemDetails(msgspec.Struct, frozen=True, omit_defaults=True):
    """The body of every answer from 400 on; `code` is stable, `type` points to its explanation.

    `problems` lists single errors, each with its place first.
    """

    type: str
    title: str
    status: int
    code: str
    detail: str
    problems: tuple[str, ...] = ()
    order_id: str | None = None


class Problem(Exception):
    """A request is answered with a problem; `retry_after` in seconds, `allow` the methods that are offered."""

    def __init__(
        self,
        code: str,
        detail: str = "",
        *,
        problems: Sequence[str] = (),
        order_id: str | None = None,
        retry_after: float | None = None,
        allow: str = "",
    ) -> None:
        super().__init__(f"{code} {detail}".strip())
        # A participant of an order may refuse for reasons of its own.
        self.kind = KINDS.get(code) or Kind(409, code.replace("_", " ").capitalize(), "Order under a new key.")
        self.code = code
        self.detail = detail
        self.problems = tuple(problems[:MAX_LISTED])
        self.order_id = order_id
        self.retry_after = 1.0 if retry_after is None and self.kind.status == 503 else retry_after
        self.allow = allow

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.kind.status

    def body(self) -> bytes:
        """The problem as JSON."""
        detail = f"{self.detail}. {self.kind.advice}" if self.detail else self.kind.advice
        return msgspec.json.encode(
            ProblemDetails(
                f"/docs#{self.code}", self.kind.title, self.status, self.code, detail, self.problems, self.order_id
            )
        )

    def headers(self) -> dict[str, str]:
        """The headers that belong to it, beside Content-Type."""
        headers: dict[str, str] = {}
        if self.retry_after is not None:
            headers["Retry-After"] = str(max(1, round(self.retry_after + 0.499)))
        if self.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        if self.allow:
            headers["Allow"] = self.allow
        return headers
