"""The named points at which a shop is killed, and the lives of orders that pass them."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any, Protocol

import httpx

from tests.support.crashing_shop import BROKER, Point
from tests.support.shop_client import Buyer, Json, Line, ShopClient, coupon, order_body, product

AWAY = 180.0
"""Seconds for which a request is repeated while the shop is away."""
PAUSE = 0.05
ABSENT = 0.25
"""Seconds between two tries to reach a shop that is away: it needs the CPU to start."""
SKU, PRICE, STOCK = "kill-tea", 6_000, 100_000
BALANCE, USED, VALUE = 10_000, 1_000, 500
LINE = Line(SKU, 2, PRICE)
COMMAND = ("-m", "tests.support.crashing_shop")
"""What runs a shop that dies where it is told."""
SOON = {"MAKEGOOD_PAYMENTS_FIRST_ASK": "1"}
"""Settings: a callback that met a dead shop is asked for soon."""

UNKNOWN = (202, 503, 504)
"""Statuses that do not say what became of the request."""

Send = Callable[[], Awaitable[httpx.Response]]


class Life(Protocol):
    """What happens to one order, from its beginning to its end."""

    __name__: str

    def __call__(self, shop: ShopClient, buyer: Buyer) -> Coroutine[None, None, None]:
        """Lives it, however often the shop dies meanwhile."""
        ...


async def insist(send: Send, unknown: Sequence[int] = UNKNOWN) -> httpx.Response:
    """The shop's first answer that says what became of the request; it is repeated until there is one."""
    async with asyncio.timeout(AWAY):
        while True:
            try:
                answer = await send()
            except httpx.TransportError:
                await asyncio.sleep(ABSENT)
                continue
            if answer.status_code not in unknown:
                return answer
            await asyncio.sleep(PAUSE)


async def insist_on(send: Send, *statuses: int) -> Json:
    """The JSON of an answer that must have one of these statuses."""
    answer = await insist(send, [status for status in UNKNOWN if status not in statuses])
    assert answer.status_code in (statuses or (200, 201)), f"{answer.status_code} {answer.text[:300]}"
    return answer.json()


async def until(buyer: Buyer, order_id: str, **wanted: str) -> Json:
    """The order once it is as wanted, however often the shop dies meanwhile."""
    async with asyncio.timeout(AWAY):
        while True:
            order = await insist_on(lambda: buyer.send("GET", f"/api/orders/{order_id}"))
            if wanted.items() <= order.items():
                return order
            await asyncio.sleep(PAUSE)


async def newcomer(shop: ShopClient, user: str) -> Buyer:
    """A buyer with balance and a coupon."""
    rows: Mapping[str, Any] = {
        "goods": [product(SKU, PRICE, STOCK)],
        "users": [{"user": user, "balance": BALANCE}],
        "coupons": [coupon(f"{user}-coupon", VALUE) | {"user": user}],
    }
    await shop.load(**rows)
    return await shop.buyer(user)


async def paid_and_refunded(shop: ShopClient, buyer: Buyer) -> None:
    """An order with coupon and balance is placed, paid, refunded in part and in whole."""
    order = await _place(buyer, USED)
    order_id: str = order["order_id"]
    payment = await insist_on(lambda: buyer.open_payment(order_id), 201)
    await insist_on(lambda: shop.at_cashier(payment["pay_url"]), 200, 409)
    await until(buyer, order_id, payment_status="PAID")
    await _has(buyer, points=(order["amount_due"]) // 100)
    await insist_on(lambda: shop.refund_part(payment["payment_id"], 1_050, f"{buyer.user}-part"), 202)
    await _has(buyer, points=(order["amount_due"] - 1_050) // 100)
    await insist_on(lambda: buyer.change(order_id, "refund"), 200)
    await until(buyer, order_id, status="CANCELLED", payment_status="REFUNDED")
    await _has(buyer, points=0, balance=BALANCE)


async def cancelled(shop: ShopClient, buyer: Buyer) -> None:
    """An order with coupon and balance is placed, its payment opened, and cancelled."""
    del shop
    order_id: str = (await _place(buyer, USED))["order_id"]
    await insist_on(lambda: buyer.open_payment(order_id), 201)
    await insist_on(lambda: buyer.change(order_id, "cancel"), 200)
    await until(buyer, order_id, status="CANCELLED", payment_status="UNPAID")
    await _has(buyer, balance=BALANCE)


async def refused(shop: ShopClient, buyer: Buyer) -> None:
    """An order takes stock and coupon, and is refused for want of balance."""
    del shop
    body = order_body(LINE, coupon=f"{buyer.user}-coupon", discount=VALUE, balance=BALANCE + 1)
    answer = await insist(lambda: buyer.place(body, f"{buyer.user}-order"))
    assert answer.status_code == 409, answer.text
    assert answer.json()["code"] in ("insufficient_balance", "cancelled")
    await _has(buyer, balance=BALANCE)


async def _place(buyer: Buyer, balance: int) -> Json:
    """A confirmed order. One that nobody could decide in time is cancelled, and placed under another key."""
    body = order_body(LINE, coupon=f"{buyer.user}-coupon", discount=VALUE, balance=balance)
    for attempt in range(2):
        answer = await insist(lambda attempt=attempt: buyer.place(body, f"{buyer.user}-{attempt}"))
        if answer.status_code == 201:
            return answer.json()
        assert (answer.status_code, answer.json()["code"]) == (409, "cancelled"), answer.text
        await _has(buyer, balance=BALANCE, coupons=1)
    raise AssertionError("two orders in a row were cancelled undecided, and only one of them met the kill")


async def _has(buyer: Buyer, **wanted: int) -> None:
    me: Json = {}
    try:
        async with asyncio.timeout(AWAY):
            while not wanted.items() <= me.items():
                me = await insist_on(lambda: buyer.send("GET", "/api/me"))
                me["coupons"] = len(me["coupons"])
                await asyncio.sleep(PAUSE)
    except TimeoutError as error:
        raise AssertionError(f"{buyer.user} should have {wanted}, and has {me}") from error


def _points(where: str, *whats: "str | tuple[str, int]") -> list[Point]:
    pairs = [(what, 1) if isinstance(what, str) else what for what in whats]
    return [Point(where, what, when, nth) for what, nth in pairs for when in ("before", "after")]


POINTS: tuple[tuple[Life, tuple[Point, ...]], ...] = (
    (
        paid_and_refunded,
        (
            *_points("orders", "INSERT INTO orders ", *[("UPDATE orders ", nth) for nth in range(1, 5)]),
            *_points("orders", "INSERT INTO outbox", "DELETE FROM outbox"),
            *_points("stock", "INSERT INTO reservations", "UPDATE reservations"),
            *_points("coupons", "INSERT INTO reservations", "UPDATE reservations"),
            *_points("accounts", "INSERT INTO reservations", "UPDATE reservations"),
            *_points("payments", "INSERT INTO payments", "UPDATE payments", "INSERT INTO notifications"),
            *_points("payments", "INSERT INTO refunds", "UPDATE tasks", "UPDATE refunds", ("UPDATE refunds", 2)),
            *_points("points", *[("INSERT INTO entries", nth) for nth in range(1, 4)]),
            *_points("journal", *[("INSERT INTO entries", nth) for nth in (1, 2)]),
            *_points(BROKER, "publish orders confirmed", "publish payments succeeded", "publish orders paid"),
            *_points(BROKER, "publish orders refund-requested", "publish payments refunded"),
            *_points(BROKER, "acknowledge orders", "acknowledge points", "acknowledge journal"),
            *_points(BROKER, "acknowledge stock", "acknowledge payments"),
        ),
    ),
    (
        cancelled,
        (
            *_points("orders", "INSERT INTO tasks", "UPDATE tasks", "DELETE FROM tasks"),
            *_points("payments", "UPDATE order_bills", ("UPDATE payments", 2)),
            *_points("coupons", "UPDATE reservations"),
            *_points(BROKER, "publish orders cancelled", "acknowledge accounts"),
        ),
    ),
    (
        refused,
        (
            *_points("orders", "UPDATE orders "),
            *_points("accounts", "INSERT INTO reservations"),
            *_points("stock", "UPDATE reservations"),
        ),
    ),
)
"""Each life, and the points at which it is cut."""
EVERY_POINT: tuple[tuple[Life, Point], ...] = tuple((life, point) for life, points in POINTS for point in points)


async def die_at(shop: ShopClient, life: Life, point: Point, user: str) -> None:
    """Lives a life that meets the point: the shop dies there, is started again, and everything ends well.

    Raises AssertionError when it does not, or when the point is never met.
    """
    buyer = await newcomer(shop, user)
    stock = await shop.stock(SKU)
    point.arm(shop.process.data)
    living = asyncio.create_task(life(shop, buyer))
    try:
        status = await asyncio.to_thread(shop.process.await_death, AWAY)
        assert status == -9, f"{point} was not met; the life is {living}"
        await asyncio.to_thread(shop.process.start)
        await living
    finally:
        living.cancel()
    assert await shop.broken_promises() == []
    assert await shop.dead_letters() == []
    assert (await shop.stock(SKU), len((await buyer.me())["coupons"])) == (stock, 1)
