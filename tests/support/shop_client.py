"""Buyers, operators and the payment platform of a running shop, as a test speaks to them over HTTP."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Mapping, Sequence
from itertools import count
from typing import Any, NamedTuple, Protocol

import httpx

from tests.support.shop_process import ShopProcess

TIMEOUT = 20.0
"""Seconds for one answer."""
SETTLE = 15.0
"""Seconds within which what travels by message must have arrived, on a loaded machine."""
LOOK = 0.05
"""Seconds between two looks."""
KEYS = count(1)
FEE = 600
FREE_FROM = 9_900
"""The shop's default rule: goods worth so many fen are shipped free, others for the fee."""

Json = dict[str, Any]


class Line(NamedTuple):
    """What a buyer wants; the price in fen as they saw it."""

    sku: str
    quantity: int
    unit_price: int


class Place(Protocol):
    """Where a running shop is."""

    @property
    def url(self) -> str:
        """Where it listens, without a slash at the end."""
        ...

    @property
    def sandbox_url(self) -> str:
        """Where its payment sandbox listens."""
        ...

    @property
    def token(self) -> str:
        """The operators' token."""
        ...


class ShopClient:
    """Speaks to a shop as its operator; buyers come from `buyer`."""

    def __init__(self, place: Place, http: httpx.AsyncClient) -> None:
        self.place = place
        self.http = http

    @property
    def process(self) -> ShopProcess:
        """The process that it is, if it is a single one."""
        assert isinstance(self.place, ShopProcess), "this shop is many processes"
        return self.place

    @property
    def operator(self) -> dict[str, str]:
        """The operators' header."""
        return {"Authorization": f"Bearer {self.place.token}"}

    async def load(self, **rows: Sequence[Json]) -> Json:
        """Loads goods, users and coupons."""
        return good(await self.ops("POST", "/api/ops/load", json=rows))

    async def ops(self, method: str, path: str, **request: Any) -> httpx.Response:
        """What the shop answers an operator."""
        headers = self.operator | request.pop("headers", {})
        return await self.http.request(method, self.place.url + path, headers=headers, **request)

    async def buyer(self, user: str) -> "Buyer":
        """A user who is signed in."""
        session = good(await self.ops("POST", "/api/ops/sessions", json={"user": user}))
        return Buyer(self, user, session["token"])

    async def new_buyer(self, user: str, balance: int = 0, coupons: Sequence[Json] = ()) -> "Buyer":
        """A user nobody had before, with coupons."""
        held = [coupon | {"user": user} for coupon in coupons]
        await self.load(users=[{"user": user, "balance": balance}], coupons=held)
        return await self.buyer(user)

    async def good(self, sku: str) -> Json:
        """One of the goods."""
        return good(await self.ops("GET", f"/api/goods/{sku}"))

    async def stock(self, sku: str) -> int:
        """Pieces on hand."""
        return (await self.good(sku))["stock"]

    async def audit(self) -> Json:
        """The promises."""
        return good(await self.ops("GET", "/api/ops/audit", timeout=120.0))

    async def broken_promises(self) -> list[Json]:
        """Those that are not kept."""
        return [promise for promise in (await self.audit())["promises"] if promise["broken"]]

    async def dead_letters(self) -> list[Json]:
        """What failed."""
        return good(await self.ops("GET", "/api/ops/dead-letters"))["dead_letters"]

    async def timeline(self, order_id: str) -> list[str]:
        """What happened to an order, in its order: `source: what`."""
        answer = good(await self.ops("GET", f"/api/ops/orders/{order_id}/timeline"))
        return [f"{moment['source']}: {moment['what']}" for moment in answer["moments"]]

    async def refund_part(self, payment_id: str, amount: int, key: str) -> httpx.Response:
        """An operator refunds a part of a payment."""
        path = f"/api/ops/payments/{payment_id}/refund"
        return await self.ops("POST", path, json={"amount": amount}, headers={"Idempotency-Key": key})

    async def at_cashier(self, pay_url: str, action: str = "pay") -> httpx.Response:
        """Presses a button of the platform's page."""
        return await self.http.post(pay_url, data={"action": action}, headers={"Accept": "application/json"})

    async def control(self, method: str, path: str, **request: Any) -> Json:
        """Asks or moves the payment sandbox."""
        return good(await self.http.request(method, f"{self.place.sandbox_url}/control/{path}", **request))

    async def notify(self, body: bytes, channel: str = "alipay") -> httpx.Response:
        """Posts a callback, as a platform would."""
        headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
        return await self.http.post(f"{self.place.url}/api/payments/notify/{channel}", content=body, headers=headers)


class Buyer:
    """A signed-in user."""

    def __init__(self, shop: ShopClient, user: str, token: str) -> None:
        self.shop = shop
        self.user = user
        self.headers = {"Authorization": f"Bearer {token}"}

    async def send(self, method: str, path: str, **request: Any) -> httpx.Response:
        """What the shop answers this user."""
        headers = self.headers | request.pop("headers", {})
        return await self.shop.http.request(method, self.shop.place.url + path, headers=headers, **request)

    async def place(self, body: Json, key: str | None = None) -> httpx.Response:
        """Places an order, under a key of its own unless one is given."""
        headers = {"Idempotency-Key": key or f"{self.user}-{next(KEYS)}"}
        return await self.send("POST", "/api/orders", json=body, headers=headers)

    async def placed(self, *lines: Line, coupon: str | None = None, discount: int = 0, balance: int = 0) -> Json:
        """A confirmed order."""
        answer = await self.place(order_body(*lines, coupon=coupon, discount=discount, balance=balance))
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def order(self, order_id: str) -> Json:
        """One of the user's orders."""
        return good(await self.send("GET", f"/api/orders/{order_id}"))

    async def orders(self) -> list[Json]:
        """All decided orders of the user."""
        found: list[Json] = []
        after = ""
        while True:
            page = good(await self.send("GET", f"/api/orders?limit=1000{after}"))
            found.extend(page["orders"])
            if page["next"] is None:
                return found
            after = f"&after={page['next']}"

    async def change(self, order_id: str, what: str) -> httpx.Response:
        """Cancels, refunds or receives an order."""
        return await self.send("POST", f"/api/orders/{order_id}/{what}")

    async def open_payment(self, order_id: str, channel: str = "alipay") -> httpx.Response:
        """Opens a payment."""
        return await self.send("POST", "/api/payments", json={"order_id": order_id, "channel": channel})

    async def pay(self, order_id: str) -> Json:
        """Opens a payment and pays it at the platform; the order hears of it soon."""
        payment = good(await self.open_payment(order_id))
        answer = await self.shop.at_cashier(payment["pay_url"])
        assert answer.status_code == 200, answer.text
        return payment

    async def paid(self, *lines: Line, **rest: Any) -> Json:
        """An order that is paid."""
        order = await self.placed(*lines, **rest)
        await self.pay(order["order_id"])
        return await self.until(order["order_id"], payment_status="PAID")

    async def until(self, order_id: str, **wanted: str) -> Json:
        """The order once it is as wanted."""
        async with asyncio.timeout(SETTLE):
            while True:
                order = await self.order(order_id)
                if wanted.items() <= order.items():
                    return order
                await asyncio.sleep(LOOK)

    async def me(self) -> Json:
        """Balance, points, coupons."""
        return good(await self.send("GET", "/api/me"))

    async def has(self, **wanted: int) -> None:
        """Returns once balance or points are as wanted; fails saying what they are instead."""
        me: Json = {}
        try:
            async with asyncio.timeout(SETTLE):
                while not wanted.items() <= me.items():
                    me = await self.me()
                    await asyncio.sleep(LOOK)
        except TimeoutError as error:
            raise AssertionError(f"{self.user} should have {wanted}, and has {me}") from error


def order_body(*lines: Line, coupon: str | None = None, discount: int = 0, balance: int = 0) -> Json:
    """What a buyer sends who has added up rightly."""
    goods = sum(line.quantity * line.unit_price for line in lines)
    fee = fee_for(goods)
    body: Json = {
        "lines": [line._asdict() for line in lines],
        "balance": balance,
        "shipping_fee": fee,
        "amount_due": goods + fee - discount - balance,
    }
    return body | ({"coupon_id": coupon} if coupon else {})


def fee_for(goods_amount: int) -> int:
    """The shipping fee of goods worth so many fen."""
    return 0 if goods_amount >= FREE_FROM else FEE


def coupon(coupon_id: str, value: int, minimum: int = 0, valid_until: str = "2099-01-01T00:00:00Z") -> Json:
    """A coupon's row of a load file, without its user."""
    return {"coupon_id": coupon_id, "value": value, "minimum": minimum, "valid_until": valid_until}


def product(sku: str, price: int = 1_000, stock: int = 100, **more: Any) -> Json:
    """A good's row of a load file."""
    return {"sku": sku, "title": f"Good {sku}", "price": price, "stock": stock, **more}


def good(answer: httpx.Response) -> Any:
    """The JSON of an answer that must be a success."""
    assert answer.is_success, f"{answer.request.method} {answer.request.url}: {answer.status_code} {answer.text[:500]}"
    return answer.json()


def problem(answer: httpx.Response) -> tuple[int, str]:
    """Status and code of an answer that must be a problem as RFC 9457 wants it."""
    where = f"{answer.request.method} {answer.request.url}: {answer.status_code} {answer.text[:500]}"
    assert answer.headers.get("content-type") == "application/problem+json", where
    body: Mapping[str, Any] = answer.json()
    assert body["status"] == answer.status_code, where
    assert body["type"] == f"/docs#{body['code']}", where
    assert all(body[field] for field in ("title", "detail")), where
    return answer.status_code, body["code"]


@contextlib.asynccontextmanager
async def shop_client(place: Place) -> AsyncGenerator[ShopClient]:
    """A client for a running shop."""
    limits = httpx.Limits(max_connections=300, max_keepalive_connections=300)
    async with httpx.AsyncClient(timeout=TIMEOUT, limits=limits, trust_env=False, verify=False) as http:
        yield ShopClient(place, http)


async def eventually(look: Any, wanted: object) -> None:
    """Returns once the awaitable that `look` makes gives what is wanted; fails saying what it gives instead."""
    found = await look()
    try:
        async with asyncio.timeout(SETTLE):
            while found != wanted:
                await asyncio.sleep(LOOK)
                found = await look()
    except TimeoutError as error:
        raise AssertionError(f"wanted {wanted}, found {found}") from error
