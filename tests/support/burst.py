"""Many payments that the platform has captured and not told of, and their callbacks, sent all at once."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

import httpx

from makegood.shop.payments.gateways.http import platform_client
from tests.support.alipay_notices import Platform, signed
from tests.support.shop_client import Buyer, Json, Line, ShopClient, good, product

PRICE = 1_000
POINTS = 16
"""For each order: a piece at `PRICE` and the shipping fee are 1600 fen."""
AT_ONCE = 16
HEARD = 60.0
"""Seconds within which the last group has heard."""
TIMEOUT = 30.0
"""Seconds after which a callback counts as not answered."""
FORM = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
A = TypeVar("A")
T = TypeVar("T")


class Told(NamedTuple):
    """A callback's answer, and the seconds that it took."""

    answer: httpx.Response
    seconds: float


class Captured(NamedTuple):
    """Orders of one buyer that are paid at the platform, and the platform's word for it, signed, of each."""

    buyer: Buyer
    order_ids: tuple[str, ...]
    callbacks: tuple[bytes, ...]

    async def count_paid(self) -> int:
        """How many of the orders are paid as the shop knows."""
        return sum(order["payment_status"] == "PAID" for order in await self.buyer.orders())


async def captured(shop: ShopClient, name: str, count: int, data: Path) -> Captured:
    """So many orders; the sandbox, whose folder is in `data`, holds its own notifications back from now on."""
    await shop.control("POST", "faults", json={"notifications": "hold"})
    await shop.load(goods=[product(name, PRICE, count)])
    buyer = await shop.new_buyer(name)
    orders = await some_at_once(lambda _: buyer.placed(Line(name, 1, PRICE)), range(count))
    payments = await some_at_once(lambda order: buyer.pay(order["order_id"]), orders)
    numbers = await _trade_numbers(shop)
    platform = Platform(data)
    return Captured(
        buyer,
        tuple(order["order_id"] for order in orders),
        tuple(
            _callback(platform, payment["payment_id"], order["amount_due"], numbers)
            for order, payment in zip(orders, payments, strict=True)
        ),
    )


async def burst(urls: Sequence[str], callbacks: Sequence[bytes]) -> list[Told]:
    """Sends all of them at once, to each of the shop's addresses in turn."""
    # httpx's own pool costs more for each request than the shop does, and more with each connection.
    async with platform_client(len(callbacks)) as http:
        return await asyncio.gather(*(_told(http, urls[at % len(urls)], body) for at, body in enumerate(callbacks)))


async def some_at_once(work: Callable[[A], Awaitable[T]], each: Sequence[A]) -> list[T]:
    """What `work` makes of each, `AT_ONCE` of them at a time."""
    free = asyncio.Semaphore(AT_ONCE)

    async def one(item: A) -> T:
        async with free:
            return await work(item)

    return await asyncio.gather(*(one(item) for item in each))


async def prove_fan_out(shop: ShopClient, told: Captured) -> None:
    """Every order is paid, the points of each are there once, and the journal has each payment once."""
    await told.buyer.has(points=POINTS * len(told.order_ids))
    assert await told.count_paid() == len(told.order_ids)
    wanted = ("payments: captured", "orders: paid", "journal: orders: paid", "journal: payments: succeeded")
    stories = await some_at_once(shop.timeline, told.order_ids)
    until = time.monotonic() + HEARD
    while any(moment not in story for story in stories for moment in wanted) and time.monotonic() < until:
        await asyncio.sleep(0.5)
        stories = await some_at_once(shop.timeline, told.order_ids)
    for order_id, story in zip(told.order_ids, stories, strict=True):
        assert [story.count(moment) for moment in wanted] == [1] * len(wanted), (order_id, story)


async def _told(http: httpx.AsyncClient, url: str, body: bytes) -> Told:
    began = time.monotonic()
    answer = await http.post(f"{url}/api/payments/notify/alipay", content=body, headers=FORM, timeout=TIMEOUT)
    return Told(answer, time.monotonic() - began)


def _callback(platform: Platform, payment_id: str, amount: int, numbers: dict[str, str]) -> bytes:
    fields = platform.captured(payment_id, amount, f"burst-{payment_id}")
    return signed(fields | {"trade_no": numbers[payment_id]}, platform.key)


async def _trade_numbers(shop: ShopClient) -> dict[str, str]:
    """The platform's numbers by the merchant's."""
    found: dict[str, str] = {}
    after = "0"
    while True:
        page: Json = good(await shop.http.get(f"{shop.place.sandbox_url}/control/trades?after={after}&limit=1000"))
        found |= {trade["out_trade_no"]: trade["trade_no"] for trade in page["trades"]}
        if not page["next"]:
            return found
        after = page["next"]
