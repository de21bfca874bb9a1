"""Each promise is broken by hand in the files of a running shop; the audit must see it, and nothing else."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import NamedTuple

import apsw
import httpx
import pytest

from makegood.audit import TITLES, audit
from makegood.audit.sandbox import sandbox_ledgers
from makegood.config import Config
from makegood.embedded.directory import Directory
from makegood.embedded.shop import EmbeddedShop
from makegood.shop.audit_types import Checked
from makegood.shop.payments.settings import PaymentsSettings

PATIENCE = 10.0
SANDBOX = "sandbox"


class Break(NamedTuple):
    """SQL on one service's file that breaks a promise, and SQL that mends it."""

    promise: str
    service: str
    harm: str
    mend: str


BREAKS = (
    Break("P1", "stock", "UPDATE goods SET stock = stock - 1 WHERE sku = 'cup-celadon'",
          "UPDATE goods SET stock = stock + 1 WHERE sku = 'cup-celadon'"),
    Break("P2", "coupons", "UPDATE coupons SET order_id = 7 WHERE coupon_id = 'bob-5off'",
          "UPDATE coupons SET order_id = 0 WHERE coupon_id = 'bob-5off'"),
    Break("P3", "accounts", "UPDATE accounts SET balance = balance + 1 WHERE user = 'alice'",
          "UPDATE accounts SET balance = balance - 1 WHERE user = 'alice'"),
    Break("P4", "orders", "UPDATE orders SET payment_status = 'UNPAID' WHERE user = 'alice'",
          "UPDATE orders SET payment_status = 'PAID' WHERE user = 'alice'"),
    Break("P4", "orders", "UPDATE orders SET payment_status = 'PAID' WHERE user = 'bob'",
          "UPDATE orders SET payment_status = 'UNPAID' WHERE user = 'bob'"),
    Break("P5", "orders", "UPDATE orders SET payment_id = payment_id + 1 WHERE user = 'alice'",
          "UPDATE orders SET payment_id = payment_id - 1 WHERE user = 'alice'"),
    Break("P5", "orders", "UPDATE orders SET payment_status = 'REFUNDING' WHERE user = 'alice'",
          "UPDATE orders SET payment_status = 'PAID' WHERE user = 'alice'"),
    Break("P6", "stock", "UPDATE reservations SET state = 'RETURNED'",
          "UPDATE reservations SET state = 'TAKEN'"),
    Break("P7", "payments", "UPDATE notifications SET effect = 'repeat'",
          "UPDATE notifications SET effect = 'captured'"),
    Break("P8", "points", "UPDATE entries SET refund_id = 5",
          "UPDATE entries SET refund_id = 0"),
    Break("P8", "journal", "UPDATE entries SET tag = 'refunded' WHERE tag = 'succeeded'",
          "UPDATE entries SET tag = 'succeeded' WHERE tag = 'refunded'"),
    Break("P10", "orders", "UPDATE orders SET status = 'OPEN', deadline = deadline - 3600000 WHERE user = 'bob'",
          "UPDATE orders SET status = 'CONFIRMED', deadline = deadline + 3600000 WHERE user = 'bob'"),
    Break("P10", "orders", "UPDATE orders SET due_at = NULL WHERE user = 'bob'",
          "UPDATE orders SET due_at = pay_by WHERE user = 'bob'"),
    Break("P12", "payments", "UPDATE payments SET captured = captured - 1 WHERE state = 'PAID'",
          "UPDATE payments SET captured = captured + 1 WHERE state = 'PAID'"),
    Break("P12", SANDBOX, "UPDATE trades SET out_trade_no = 'x' || out_trade_no",
          "UPDATE trades SET out_trade_no = substr(out_trade_no, 2)"),
)  # fmt: skip


@asynccontextmanager
async def shop_with_orders(folder: Path) -> AsyncGenerator[tuple[EmbeddedShop, str, httpx.AsyncClient]]:
    """A running shop in which alice has paid an order and bob has not."""
    directory = Directory(folder)
    directory.hold()
    shop = EmbeddedShop(directory, Config(), "127.0.0.1", 0, demo=True)
    try:
        async with shop.running() as run, httpx.AsyncClient(base_url=run.url, timeout=20) as http:
            await pay(http, await place(http, "alice"))
            await place(http, "bob")
            yield shop, run.sandbox_url, http
    finally:
        directory.release()


async def place(http: httpx.AsyncClient, user: str) -> str:
    """Places an order with a coupon and balance; signs the client in."""
    session = await http.post("/api/session", json={"user": user, "password": "demo"})
    http.headers["Authorization"] = f"Bearer {session.json()['token']}"
    order = {
        "lines": [{"sku": "tea-longjing", "quantity": 2, "unit_price": 12_800}],
        "coupon_id": f"{user}-20off",
        "balance": 1_000,
        "shipping_fee": 0,
        "amount_due": 22_600,
    }
    answer = await http.post("/api/orders", json=order, headers={"Idempotency-Key": "1"})
    assert answer.status_code == 201, answer.text
    return answer.json()["order_id"]


async def pay(http: httpx.AsyncClient, order_id: str) -> None:
    """Pays at the cashier's and waits until the order is paid."""
    opened = await http.post("/api/payments", json={"order_id": order_id, "channel": "alipay"})
    await http.post(opened.json()["pay_url"], data={"action": "pay"})
    await until(http, order_id, "PAID")


async def until(http: httpx.AsyncClient, order_id: str, payment_status: str) -> None:
    """Waits until the order has this payment status."""
    async with asyncio.timeout(20):
        while (await http.get(f"/api/orders/{order_id}")).json()["payment_status"] != payment_status:
            await asyncio.sleep(0.05)


def change(folder: Path, service: str, sql: str) -> None:
    """Runs SQL on the file of a service, or of the platform, which it must change."""
    file = folder / ("sandbox/sandbox.sqlite" if service == SANDBOX else f"{service}.db")
    with closing(apsw.Connection(str(file))) as connection:
        connection.set_busy_timeout(10_000)
        connection.execute(sql)
        assert connection.changes() > 0, sql


async def audited(shop: EmbeddedShop, sandbox_url: str, http: httpx.AsyncClient, patience: float) -> list[Checked]:
    """What the audit finds in the running shop and at the platform under this address."""
    assert shop.host is not None
    databases = {name: runtime.database for name, runtime in shop.host.runtimes.items()}
    settings = PaymentsSettings("https://shop.example")
    return await audit(databases, settings, sandbox_ledgers(sandbox_url, http), patience=patience)


def broken(checked: list[Checked]) -> dict[str, tuple[str, ...]]:
    """The promises that are broken, each with what was found."""
    return {one.promise: tuple(finding.detail for finding in one.findings) for one in checked if one.count}


async def test_the_audit_finds_every_promise_broken_by_hand(tmp_path: Path) -> None:
    """Every promise has at least one break here; the audit is clean before, names it, and is clean after."""
    assert {one.promise for one in BREAKS} == set(TITLES)
    async with shop_with_orders(tmp_path) as (shop, sandbox_url, http):
        assert broken(await audited(shop, sandbox_url, http, PATIENCE)) == {}
        for one in BREAKS:
            change(tmp_path, one.service, one.harm)
            found = broken(await audited(shop, sandbox_url, http, 0.0))
            change(tmp_path, one.service, one.mend)
            if one.promise not in found:
                pytest.fail(f"{one.harm}: the audit finds only {found}")
        assert broken(await audited(shop, sandbox_url, http, PATIENCE)) == {}


async def test_the_audit_looks_again_at_what_is_only_under_way(tmp_path: Path) -> None:
    """What is mended while the audit is patient is no finding."""
    async with shop_with_orders(tmp_path) as (shop, sandbox_url, http):
        one = BREAKS[0]
        change(tmp_path, one.service, one.harm)
        asyncio.get_running_loop().call_later(1.0, change, tmp_path, one.service, one.mend)
        assert broken(await audited(shop, sandbox_url, http, PATIENCE)) == {}


async def test_a_difference_on_the_list_of_breaks_is_none(tmp_path: Path) -> None:
    """What the list of breaks tells a person is no broken promise any more."""
    async with shop_with_orders(tmp_path) as (shop, sandbox_url, http):
        change(tmp_path, SANDBOX, "UPDATE trades SET refunded = 100")
        assert set(broken(await audited(shop, sandbox_url, http, 0.0))) == {"P12"}
        listed = "SELECT 7, 'k', 'refund_unknown', channel, payment_id, trade_no, 100, 0, '' FROM payments"
        change(tmp_path, "payments", f"INSERT INTO breaks {listed}")
        assert broken(await audited(shop, sandbox_url, http, 0.0)) == {}


async def test_a_look_that_takes_longer_than_the_patience_is_not_the_only_one(tmp_path: Path) -> None:
    """In a large shop a look takes long: what was only under way then is still looked at again."""
    async with shop_with_orders(tmp_path) as (shop, sandbox_url, http):
        one = BREAKS[0]
        change(tmp_path, one.service, one.harm)
        asyncio.get_running_loop().call_later(0.3, change, tmp_path, one.service, one.mend)
        assert broken(await audited(shop, sandbox_url, http, 0.001)) == {}


async def test_a_platform_that_is_away_hides_no_other_break(tmp_path: Path) -> None:
    """Without the platform its part cannot be checked, which is said; all the rest is."""
    async with shop_with_orders(tmp_path) as (shop, _, http):
        change(tmp_path, "stock", BREAKS[0].harm)
        nobody, no_platform = "http://127.0.0.1:9", f"{http.base_url}/?"
        for url in (nobody, no_platform):
            found = broken(await audited(shop, url, http, 0.0))
            assert set(found) == {"P1", "P12"}
            assert "does not answer" in found["P12"][0]


async def test_an_order_that_never_heard_of_its_refund_is_found(tmp_path: Path) -> None:
    """Refunded at the platform, and still waiting for that: its event is lost, and nobody will send it again."""
    async with shop_with_orders(tmp_path) as (shop, sandbox_url, http):
        order_id = await place(http, "carol")
        await pay(http, order_id)
        assert (await http.post(f"/api/orders/{order_id}/refund")).status_code == 200
        await until(http, order_id, "REFUNDED")
        assert broken(await audited(shop, sandbox_url, http, PATIENCE)) == {}
        waits = f"UPDATE orders SET payment_status = 'REFUNDING', status = 'CONFIRMED' WHERE order_id = {order_id}"
        change(tmp_path, "orders", waits)
        assert set(broken(await audited(shop, sandbox_url, http, 0.0))) == {"P4"}
