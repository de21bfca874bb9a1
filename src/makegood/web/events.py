"""An order's changes as server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import msgspec
from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from litestar.types import ASGIApp

from makegood.engine.deadline import Deadline
from makegood.engine.errors import EngineError
from makegood.shop.orders import contracts as orders
from makegood.shop.orders.contracts import Order
from makegood.web.access import USER, Access, UserRequest
from makegood.web.asgi import SECURITY, Receive, Scope, Send, header, reply_of, send_reply
from makegood.web.buying import find_order
from makegood.web.port import Shop
from makegood.web.problems import Problem
from makegood.web.requests import parse_id
from makegood.web.settings import WebSettings
from makegood.web.views import ChangeView

POLL = 0.25
"""Seconds between two looks at the order; the orders service answers many looks in one batch."""
TIMEOUT = 2.0
"""Seconds to wait for one look."""
HEARTBEAT = 15.0
"""Seconds after which a comment keeps a quiet stream open."""
LIFE = 1_800.0
"""Seconds after which a stream ends; the client comes back with Last-Event-ID."""
PATIENCE = 20
"""Looks that may fail in a row before the stream ends."""
LONGEST_PAUSE = 5.0
"""Seconds between looks when they fail."""
START = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
    *SECURITY,
]

log = logging.getLogger(__name__)


class Streams:
    """The streams that are open: bounded, and ended together when the server stops."""

    def __init__(self, settings: WebSettings) -> None:
        self._most = settings.streams
        self._most_per_user = settings.streams_per_user
        self._open: dict[int, asyncio.Event] = {}
        self._users: Counter[str] = Counter()
        self._opened = 0
        self._ending = False

    @property
    def ending(self) -> bool:
        """Whether the server stops."""
        return self._ending

    def open(self, user: str, ended: asyncio.Event) -> int:
        """Takes a place; `ended` will be set when the server stops. Raises Problem too_many_streams, not_ready."""
        if self._ending:
            raise Problem("not_ready", "The server is stopping")
        if len(self._open) >= self._most or self._users[user] >= self._most_per_user:
            raise Problem("too_many_streams", retry_after=POLL)
        self._opened += 1
        self._users[user] += 1
        self._open[self._opened] = ended
        return self._opened

    def close(self, place: int, user: str) -> None:
        """Gives the place back."""
        del self._open[place]
        self._users[user] -= 1
        if not self._users[user]:
            del self._users[user]

    def end(self) -> None:
        """Ends all streams, and lets no new one begin."""
        self._ending = True
        for ended in self._open.values():
            ended.set()


def routes(shop: Shop, access: Access, streams: Streams) -> list[HTTPRouteHandler]:
    """GET /api/orders/{id}/events."""

    @get(
        "/api/orders/{order_id:str}/events",
        guards=[access.user],
        security=USER,
        media_type="text/event-stream",
    )
    async def events(request: UserRequest, order_id: FromPath[str]) -> ASGIApp:
        """Every change of the order's status, from the first or behind Last-Event-ID; ends when none can follow."""
        seen = _seen(request)
        order = await find_order(shop, parse_id(order_id), request.user)
        stream: Any = EventStream(shop, streams, request.user, order, seen)
        return stream

    return [events]


class EventStream:
    """One open stream, as an ASGI application."""

    def __init__(self, shop: Shop, streams: Streams, user: str, order: Order, seen: int) -> None:
        self._shop = shop
        self._streams = streams
        self._user = user
        self._order = order
        self._seen = seen
        self._ended = asyncio.Event()

    async def __call__(self, _: Scope, receive: Receive, send: Send) -> None:
        """Sends events until the order is final, the client is gone, or the server stops."""
        try:
            place = self._streams.open(self._user, self._ended)
        except Problem as problem:
            await send_reply(send, reply_of(problem))
            return
        watch = asyncio.create_task(self._watch(receive))
        try:
            await self._send(send)
        finally:
            watch.cancel()
            self._streams.close(place, self._user)

    async def _send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": START})
        async with aclosing(self._chunks()) as chunks:
            async for chunk in chunks:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _watch(self, receive: Receive) -> None:
        # The server tells a client's leaving to who receives, not to who sends.
        while (await receive())["type"] != "http.disconnect":
            pass
        self._ended.set()

    async def _chunks(self) -> AsyncGenerator[bytes, None]:
        clock = asyncio.get_running_loop().time
        end, quiet_until = clock() + LIFE, clock() + HEARTBEAT
        yield b"retry: 1000\n\n"
        while not self._ended.is_set() and clock() < end:
            if fresh := self._fresh():
                yield fresh
                quiet_until = clock() + HEARTBEAT
            elif clock() >= quiet_until:
                yield b": still here\n\n"
                quiet_until = clock() + HEARTBEAT
            if is_final(self._order):
                yield b"event: end\ndata: {}\n\n"
                return
            if not await self._look_again():
                return

    def _fresh(self) -> bytes:
        changes = self._order.changes
        fresh = b"".join(_event(number, changes[number - 1]) for number in range(self._seen + 1, len(changes) + 1))
        self._seen = max(self._seen, len(changes))
        return fresh

    async def _look_again(self) -> bool:
        """Waits, and looks at the order; False when it was looked for in vain too often."""
        pause = POLL
        for _ in range(PATIENCE):
            if await self._ends_within(pause):
                return True
            try:
                self._order = await self._look()
                return True
            except EngineError:
                pause = min(pause * 2, LONGEST_PAUSE)
        log.warning("an event stream of order %d ends: the order could not be read", self._order.order_id)
        return False

    async def _look(self) -> Order:
        wanted = orders.FindOrder(self._order.order_id, self._user)
        found = await self._shop.call(orders.FIND, wanted, Deadline.after(TIMEOUT))
        return found.order or self._order

    async def _ends_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._ended.wait()
        except TimeoutError:
            return False
        return True


def is_final(order: Order) -> bool:
    """Whether nothing will change about the order any more."""
    return order.status in ("COMPLETED", "CANCELLED") and order.payment_status != "REFUNDING"


def _event(number: int, change: orders.Change) -> bytes:
    return b"id: %d\nevent: change\ndata: %s\n\n" % (number, msgspec.json.encode(ChangeView.of(change)))


def _seen(request: UserRequest) -> int:
    value = header(list(request.scope["headers"]), b"last-event-id")
    if value is None:
        return 0
    if not value.isdigit() or len(value) > 9:
        raise Problem("malformed", "Last-Event-ID is the id of an event of this stream")
    return int(value)
