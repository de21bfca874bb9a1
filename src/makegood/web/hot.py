"""The two routes on which load falls, answered without a framework: placing an order, a platform's callback."""

import re
from typing import NamedTuple

import msgspec

from makegood.engine.deadline import Deadline
from makegood.engine.time_limits import TimeLimits
from makegood.shop.orders import contracts as orders
from makegood.shop.payments import contracts as payments
from makegood.shop.types import MAX_KEY, VISIBLE
from makegood.web.asgi import Header, Receive, Reply, Scope, check_json, decode, read_body
from makegood.web.port import Shop
from makegood.web.problems import Problem
from makegood.web.requests import NewOrder, place_order
from makegood.web.tokens import Tokens
from makegood.web.views import OrderView

ORDERS = "/api/orders"
NOTIFY = "/api/payments/notify/"
ORDER_LIMIT = 256 * 1024
"""Most bytes of an order: 500 lines fit."""
NOTICE_LIMIT = 64 * 1024
"""Most bytes of a platform's callback."""
HEADERS_LIMIT = 16 * 1024
"""Most bytes of a callback's headers, which travel to the payments service."""
ORDER_TIMEOUT = 10.0
"""Seconds to wait for orders, which answer by the order's own deadline."""
NOTICE_TIMEOUT = 4.5
"""Seconds to wait for payments: a platform hears within 5."""
_VISIBLE = re.compile(VISIBLE.encode()).fullmatch
_CHANNEL = re.compile("[a-z0-9_]{1,32}").fullmatch
STATUS = {"confirmed": 201, "undecided": 202}


class _Headers(NamedTuple):
    authorization: bytes | None
    content_type: bytes | None
    content_length: bytes | None
    keys: list[bytes]


class HotRoutes:
    """Answers placed orders and callbacks; raises Problem, and what the shop raises."""

    def __init__(self, shop: Shop, tokens: Tokens) -> None:
        self._shop = shop
        self._tokens = tokens
        self._orders = msgspec.json.Decoder(NewOrder)
        self._views = msgspec.json.Encoder()
        self._limits = TimeLimits()

    async def place(self, scope: Scope, receive: Receive) -> Reply:
        """POST /api/orders."""
        headers = _order_headers(scope["headers"])
        user = self._tokens.user_of(headers.authorization)
        check_json(headers.content_type)
        key = _key(headers.keys)
        body = await read_body(receive, ORDER_LIMIT, headers.content_length, limits=self._limits)
        order = place_order(decode(self._orders, body), user, key)
        return self._placed(await self._shop.call(orders.PLACE, order, Deadline.after(ORDER_TIMEOUT)))

    async def notify(self, scope: Scope, receive: Receive) -> Reply:
        """POST /api/payments/notify/{channel}."""
        channel = _channel(scope["path"])
        headers = _notice_headers(scope["headers"])
        announced = headers.get("content-length", "").encode() or None
        body = await read_body(receive, NOTICE_LIMIT, announced, limits=self._limits)
        notice = payments.Notify(channel, body, headers)
        notified = await self._shop.call(payments.NOTIFY, notice, Deadline.after(NOTICE_TIMEOUT))
        return Reply(notified.status, notified.body, notified.content_type.encode())

    def _placed(self, placed: orders.Placed) -> Reply:
        order = placed.order
        if placed.outcome == "key_reused":
            raise Problem("key_reused")
        if placed.outcome == "refused":
            raise Problem(placed.refusal, order_id=None if order is None else str(order.order_id))
        if order is None:
            raise TypeError(f"orders.Place answered {placed.outcome} without an order")
        location = (b"location", b"%s/%d" % (ORDERS.encode(), order.order_id))
        return Reply(STATUS[placed.outcome], self._views.encode(OrderView.of(order)), headers=(location,))


def _order_headers(headers: list[Header]) -> _Headers:
    authorization = content_type = content_length = None
    keys: list[bytes] = []
    for name, value in headers:
        if name == b"authorization":
            authorization = value
        elif name == b"content-type":
            content_type = value
        elif name == b"content-length":
            content_length = value
        elif name == b"idempotency-key":
            keys.append(value)
    return _Headers(authorization, content_type, content_length, keys)


def _key(keys: list[bytes]) -> str:
    if not keys or not keys[0]:
        raise Problem("idempotency_key_missing")
    if len(keys) > 1:
        raise Problem("malformed", "There is more than one Idempotency-Key")
    # As the pattern of IdempotencyKey says, at a tenth of the cost of asking msgspec for a type outside a struct.
    if len(keys[0]) > MAX_KEY or not _VISIBLE(keys[0]):
        raise Problem("malformed", "The Idempotency-Key is 1 to 128 printable ASCII characters, no space")
    return keys[0].decode("ascii")


def _channel(path: str) -> str:
    # As the pattern of payments.Channel says, of which the same holds as of a key's.
    channel = path[len(NOTIFY) :]
    if not _CHANNEL(channel):
        raise Problem("not_found")
    return channel


def _notice_headers(headers: list[Header]) -> dict[str, str]:
    if sum(len(name) + len(value) for name, value in headers) > HEADERS_LIMIT:
        raise Problem("headers_too_large", f"At most {HEADERS_LIMIT} bytes are taken")
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in headers}
