"""A network peer with the shop's HTTP API and the sandbox's cashier page, which fails as it is told to.

It keeps books of its own, in memory, so that what a replay leaves behind can be compared and spoilt.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

import msgspec
from aiohttp import web

from makegood.replay.catalogue import VALID_UNTIL, Document, LoadCoupon
from makegood.replay.wire import OrderRequest, PaymentRequest

OPERATORS = "operators-token"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class PeerOrder(msgspec.Struct):
    """An order of the peer."""

    order_id: str
    user: str
    request: OrderRequest
    discount: int
    payment_status: str = "UNPAID"
    status: str = "CONFIRMED"
    decision: str = "confirmed"

    def view(self) -> dict[str, object]:
        """The order as the API shows it."""
        goods = sum(line.quantity * line.unit_price for line in self.request.lines)
        return {
            "order_id": self.order_id,
            "status": self.status,
            "payment_status": self.payment_status,
            "decision": self.decision,
            "shipping_status": "UNSHIPPED",
            "goods_amount": goods,
            "discount": self.discount,
            "shipping_fee": self.request.shipping_fee,
            "balance": self.request.balance,
            "amount_due": self.request.amount_due,
            "lines": msgspec.to_builtins(self.request.lines),
        }


class Peer:
    """Listens on 127.0.0.1; `plan` holds what happens to the next requests, then all goes well.

    reset: the connection ends unanswered; lost: the work is done, its answer is not sent; busy: 503 with
    Retry-After; undecided: an order is answered 202; expired: 401; broken: 500. Orders under `refuse_keys` are
    refused with the code; under `cancel_keys` they were undecided when the shop died, and are cancelled; under
    `cancel_unpaid` they are cancelled before a payment is opened. `figures` are what `/metrics` says, one after
    another; the last one stays.
    """

    def __init__(self) -> None:
        self.plan: deque[str] = deque()
        self.requests: list[str] = []
        self.in_flight = self.most_in_flight = 0
        self.refuse_keys: dict[str, str] = {}
        self.cancel_keys: set[str] = set()
        self.cancel_unpaid: set[str] = set()
        self.stock: dict[str, int] = {}
        self.prices: dict[str, int] = {}
        self.balances: dict[str, int] = {}
        self.points: dict[str, int] = {}
        self.coupons: dict[str, LoadCoupon] = {}
        self.loaded: dict[str, int] = {}
        self.figures: deque[str] = deque()
        self.orders: dict[str, PeerOrder] = {}
        self.keys: list[str] = []
        self._watched = (0, asyncio.Event())
        self._runner: web.AppRunner | None = None
        self.port = 0

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def after(self, orders: int) -> asyncio.Event:
        """Set when so many orders have been placed; watches one number at a time."""
        self._watched = (orders, asyncio.Event())
        return self._watched[1]

    async def start(self) -> None:
        """Listens, on the same port as before if it did before."""
        app = web.Application(middlewares=[self._spoil], client_max_size=8 * 1024 * 1024)
        app.router.add_post("/api/ops/load", self._load)
        app.router.add_post("/api/ops/sessions", self._session)
        app.router.add_post("/api/orders", self._place)
        app.router.add_get("/api/orders", self._list)
        app.router.add_get("/api/orders/{id}", self._order)
        app.router.add_post("/api/payments", self._payment)
        app.router.add_get("/api/me", self._me)
        app.router.add_get("/api/goods", self._goods)
        app.router.add_get("/metrics", self._metrics)
        app.router.add_post("/cashier/{id}", self._cashier)
        self._runner = web.AppRunner(app, shutdown_timeout=0.01)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Refuses connections from now on; what it holds stays."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    @web.middleware
    async def _spoil(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.requests.append(f"{request.method} {request.path}")
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await asyncio.sleep(0)
            return await self._answer(request, handler, self.plan.popleft() if self.plan else "well")
        finally:
            self.in_flight -= 1

    async def _answer(self, request: web.Request, handler: Handler, how: str) -> web.StreamResponse:
        if how == "busy":
            return web.Response(status=503, headers={"Retry-After": "0"})
        if how in ("expired", "broken"):
            return _problem(401 if how == "expired" else 500, how)
        if how == "reset":
            return _abort(request)
        response = await handler(request)
        if how == "undecided":
            response.set_status(202)
        return _abort(request) if how == "lost" else response

    async def _load(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"Bearer {OPERATORS}":
            return _problem(403, "forbidden")
        document = msgspec.json.decode(await request.read(), type=Document)
        for good in document.goods:
            self.prices[good.sku] = good.price
            self.stock[good.sku] = self.stock.get(good.sku, 0) + self._more(good.sku, good.stock)
        for user in document.users:
            self.balances[user.user] = self.balances.get(user.user, 0) + self._more(user.user, user.balance)
        for coupon in document.coupons:
            if self._more(coupon.coupon_id, 1):
                self.coupons[coupon.coupon_id] = coupon
        return web.json_response({}, status=200)

    def _more(self, name: str, total: int) -> int:
        before = self.loaded.get(name, 0)
        self.loaded[name] = total
        return total - before

    async def _session(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"Bearer {OPERATORS}":
            return _problem(403, "forbidden")
        user = (await request.json())["user"]
        return web.json_response({"token": f"token of {user}", "expires_at": "2099-01-01T00:00:00Z"})

    async def _place(self, request: web.Request) -> web.Response:
        key = request.headers["Idempotency-Key"]
        body = msgspec.json.decode(await request.read(), type=OrderRequest)
        if key in self.refuse_keys:
            return _problem(409, self.refuse_keys[key])
        if key in self.cancel_keys:
            order = PeerOrder(f"o{key}", _user(request), body, 0, status="CANCELLED", decision="cancelled")
            self.orders[key] = order
            return _problem(409, "cancelled")
        if key not in self.orders:
            coupon = self.coupons.pop(body.coupon_id) if body.coupon_id else None
            order = PeerOrder(f"o{key}", _user(request), body, coupon.value if coupon else 0)
            self._take(order)
            self.orders[key] = order
            self.keys.append(key)
            if len(self.keys) == self._watched[0]:
                self._watched[1].set()
        first = {"status": "CONFIRMED", "payment_status": "UNPAID" if body.amount_due else "PAID"}
        first = self.orders[key].view() | first
        return web.json_response(first, status=201)

    def _take(self, order: PeerOrder) -> None:
        for line in order.request.lines:
            assert line.unit_price == self.prices[line.sku]
            self.stock[line.sku] -= line.quantity
        self.balances[order.user] -= order.request.balance
        if order.request.amount_due == 0:
            order.payment_status = "PAID"

    def _put_back(self, order: PeerOrder) -> None:
        order.status = "CANCELLED"
        for line in order.request.lines:
            self.stock[line.sku] += line.quantity
        self.balances[order.user] += order.request.balance
        if coupon := order.request.coupon_id:
            self.coupons[coupon] = LoadCoupon(coupon, order.user, order.discount, order.discount, VALID_UNTIL)

    async def _list(self, request: web.Request) -> web.Response:
        mine = [order.view() for order in self.orders.values() if order.user == _user(request)]
        return _page(request, "orders", "order_id", mine)

    async def _order(self, request: web.Request) -> web.Response:
        return web.json_response(self.orders[request.match_info["id"][1:]].view())

    async def _payment(self, request: web.Request) -> web.Response:
        body = msgspec.json.decode(await request.read(), type=PaymentRequest)
        order = self.orders[body.order_id[1:]]
        if body.order_id[1:] in self.cancel_unpaid and order.status == "CONFIRMED":
            self._put_back(order)
        if order.payment_status == "PAID" or order.status == "CANCELLED":
            return _problem(409, "not_payable")
        pay_url = f"{self.url}/cashier/{body.order_id}"
        return web.json_response({"payment_id": "p" + body.order_id, "pay_url": pay_url}, status=201)

    async def _cashier(self, request: web.Request) -> web.Response:
        order = self.orders[request.match_info["id"][1:]]
        if (await request.post()).get("action") != "pay" or order.payment_status == "PAID":
            return web.Response(status=409, text="this trade is not waiting for its buyer")
        order.payment_status = "PAID"
        points = order.request.amount_due // 100
        self.points[order.user] = self.points.get(order.user, 0) + points
        return web.Response(status=303, headers={"Location": "/"})

    async def _me(self, request: web.Request) -> web.Response:
        user = _user(request)
        held = [msgspec.to_builtins(coupon) for coupon in self.coupons.values() if coupon.user == user]
        points = self.points.get(user, 0)
        return web.json_response({"user": user, "balance": self.balances[user], "points": points, "coupons": held})

    async def _goods(self, request: web.Request) -> web.Response:
        goods: list[dict[str, object]] = [
            {"sku": sku, "title": sku, "price": self.prices[sku], "stock": stock, "limit": None}
            for sku, stock in sorted(self.stock.items())
        ]
        return _page(request, "goods", "sku", goods)

    async def _metrics(self, request: web.Request) -> web.Response:
        if request.query or not self.figures:
            return web.Response(status=404)
        return web.Response(text=self.figures.popleft() if len(self.figures) > 1 else self.figures[0])


def _user(request: web.Request) -> str:
    return request.headers["Authorization"].removeprefix("Bearer token of ")


def _page(request: web.Request, name: str, key: str, rows: list[dict[str, object]]) -> web.Response:
    after, limit = request.query.get("after"), int(request.query["limit"])
    start = next((i + 1 for i, one in enumerate(rows) if one[key] == after), 0)
    page = rows[start : start + limit]
    following = page[-1][key] if start + limit < len(rows) else None
    return web.json_response({name: page, "next": following})


def _problem(status: int, code: str) -> web.Response:
    body = {"code": code, "title": code, "status": status}
    return web.json_response(body, status=status, content_type="application/problem+json")


def _abort(request: web.Request) -> web.Response:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()
