"""A shop with a past: one order bought and paid through the shop's own API, multiplied in every table it is in.

Goods, balances and points are brought up to it, and so is the platform's ledger, so that `makegood audit` holds.
"""

import asyncio
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import apsw
import httpx
import msgspec

from makegood.bench import cases
from makegood.bench.cases import Case, OrderRequests
from makegood.bench.errors import BenchError
from makegood.bench.house import FOR_EVER, NEW_COUPON, House
from makegood.bench.multiply import Copies, multiply
from makegood.bench.shop import RunningShop, running_shop

TABLES: dict[str, tuple[str, ...]] = {
    "orders.db": ("orders", "order_lines"),
    "stock.db": ("reservations",),
    "coupons.db": ("coupons WHERE coupon_id = 'one-1'", "reservations"),
    "accounts.db": ("entries WHERE source LIKE 'order:%'", "reservations"),
    "payments.db": ("order_bills", "payments", "notifications"),
    "points.db": ("entries",),
    "journal.db": ("entries", "inbox"),
    "sandbox/sandbox.sqlite": ("trades", "notifications", "attempts"),
}
"""Where an order is, in the shop and at the platform."""
COUNTED = {"sandbox/sandbox.sqlite": ("id", "trade_id", "notification_id")}
"""The platform's own small numbers."""
COUPON = "one-1"
USER = cases.user_name(0)
PATIENCE = 60.0
"""Seconds within which the one order must be paid."""
POLL = 0.1
"""Seconds between looks whether it is."""
SETTINGS = {
    "MAKEGOOD_ORDERS_PAY_WITHIN": "86400",
    "MAKEGOOD_PAYMENTS_FIRST_ASK": "86400",
    "MAKEGOOD_PAYMENTS_LONGEST_ASK": "86400",
}
"""A shop that waits a day for payments, so that a bench has time to measure them."""


class _Share:
    """Adds up what several threads have done."""

    def __init__(self, total: int, on_part: Callable[[float], None]) -> None:
        self._total, self._on_part = total, on_part
        self._done = 0
        self._lock = threading.Lock()

    def add(self, copies: int) -> None:
        with self._lock:
            self._done += copies
            self._on_part(self._done / self._total)


async def with_orders(house: House, name: str, orders: int, on_part: Callable[[float], None], *, paid: bool) -> House:
    """The same house with so many orders in it, paid or with a payment open. Raises BenchError.

    `on_part` hears which part (0 to 1) of them is made.
    """
    folder = house.copy(name)
    _give_coupon(folder)
    async with running_shop(folder, settings=SETTINGS) as shop:
        await _place_one(shop, house.tokens[0], pay=paid)
        await shop.drained()
    copies = Copies(1, orders, cases.MAX_BUYERS, cases.SKUS)
    await _multiply_all(folder, copies, _Share(orders * len(TABLES), on_part).add)
    _bring_up(folder, orders)
    return House(house.folder, folder, house.tokens)


def _give_coupon(folder: Path) -> None:
    with closing(apsw.Connection(str(folder / "coupons.db"))) as connection:
        connection.execute(NEW_COUPON, (COUPON, USER, cases.COUPON_VALUE, 0, FOR_EVER, 0))


async def _place_one(shop: RunningShop, token: str, *, pay: bool) -> None:
    """Places an order with coupon and balance and opens its payment; `pay`: at the cashier, until it is paid."""
    order = msgspec.json.decode(OrderRequests(Case(1, "spread", 1, True), [token], "one", limit=1).body(0))
    buyer = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE) as http:
        key = {"Idempotency-Key": "one"}
        placed = await http.post(f"{shop.url}/api/orders", json=order | {"coupon_id": COUPON}, headers=buyer | key)
        order_id = _said(placed)["order_id"]
        wanted = {"order_id": order_id, "channel": "alipay"}
        payment = _said(await http.post(f"{shop.url}/api/payments", json=wanted, headers=buyer))
        if pay:
            await http.post(payment["pay_url"], data={"action": "pay"})
            await _paid(http, f"{shop.url}/api/orders/{order_id}", buyer)


async def _paid(http: httpx.AsyncClient, order: str, buyer: dict[str, str]) -> None:
    try:
        async with asyncio.timeout(PATIENCE):
            while _said(await http.get(order, headers=buyer))["payment_status"] != "PAID":
                await asyncio.sleep(POLL)
    except TimeoutError as error:
        raise BenchError("the order that history is made of was not paid: try again on a quieter machine") from error


def _said(answer: httpx.Response) -> dict[str, Any]:
    if not answer.is_success:
        raise BenchError(f"the shop refuses the order that others are made of: {answer.text[:200]}")
    return answer.json()


async def _multiply_all(folder: Path, copies: Copies, on_rows: Callable[[int], None]) -> None:
    """In several files at once: SQLite works without Python's lock."""
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        works = [
            partial(multiply, folder / file, tables, copies, on_rows, counted=COUNTED.get(file, ()))
            for file, tables in TABLES.items()
        ]
        await asyncio.gather(*(loop.run_in_executor(pool, work) for work in works))


def _bring_up(folder: Path, orders: int) -> None:
    """Goods and balances were loaded with as much more as the copies hold; points are the sum of their entries."""
    skus = [(_share(orders, cases.SKUS, at), f"sku-{at}") for at in range(cases.SKUS)]
    _run(folder / "stock.db", "UPDATE goods SET loaded = loaded + ? WHERE sku = ?", skus)
    users = [
        (_share(orders, cases.MAX_BUYERS, at) * cases.BALANCE_USED, cases.user_name(at))
        for at in range(cases.MAX_BUYERS)
    ]
    _run(folder / "accounts.db", "UPDATE accounts SET loaded = loaded + ? WHERE user = ?", users)
    _run(folder / "accounts.db", "UPDATE entries SET amount = amount + ? WHERE user = ? AND source = 'load:1'", users)
    _run(folder / "points.db", "DELETE FROM balances", [()])
    _run(folder / "points.db", "INSERT INTO balances SELECT user, sum(points) FROM entries GROUP BY user", [()])


def _run(path: Path, statement: str, values: Sequence[tuple[int | str, ...]]) -> None:
    with closing(apsw.Connection(str(path))) as connection, connection:
        connection.executemany(statement, values)


def _share(copies: int, of: int, at: int) -> int:
    """How many of the copies 1 to `copies` leave `at` when divided by `of`."""
    return (copies - at) // of + (1 if at else 0) if copies >= at else 0
