"""The whole shop as separate processes on the real servers."""

import time
from typing import Any

import httpx

from tests.cluster.servers import OwnShop

SERVICES = ("orders", "stock", "coupons", "accounts", "payments", "points", "journal", "gateway")
WAIT = 120.0
"""Seconds for what travels by message, on a loaded machine."""


def test_it_sells_with_one_process_of_each_service() -> None:
    """It comes up and sells; after kill -9 of one process of each service, and of one ZooKeeper, it still does."""
    with OwnShop() as shop, httpx.Client(trust_env=False, timeout=30.0) as http:
        rows = {
            "goods": [{"sku": "tea", "title": "Tea", "price": 1000, "stock": 10}],
            "users": [{"user": "ann", "password": "a long password", "balance": 500}],
        }
        operator = {"Authorization": f"Bearer {shop.token}"}
        http.post(f"{shop.gateways[0]}/api/ops/load", headers=operator, json=rows).raise_for_status()
        _buy_and_pay(http, shop.gateways[0], "first", balance=100)
        for name in SERVICES:
            shop.kill(f"{name}-1")
        shop.kill("zookeeper-1")
        # The sandbox notifies the first gateway.
        shop.start("gateway-1")
        _buy_and_pay(http, shop.gateways[1], "second", balance=400)
        left = http.get(f"{shop.gateways[1]}/api/goods/tea", headers=operator).json()["stock"]
        assert left == 8


def _buy_and_pay(http: httpx.Client, url: str, key: str, balance: int) -> None:
    session = _json(http.post(f"{url}/api/session", json={"user": "ann", "password": "a long password"}))
    user = {"Authorization": f"Bearer {session['token']}"}
    order = {
        "lines": [{"sku": "tea", "quantity": 1, "unit_price": 1000}],
        "balance": balance,
        "shipping_fee": 600,
        "amount_due": 1600 - balance,
    }
    placed = http.post(f"{url}/api/orders", headers=user | {"Idempotency-Key": key}, json=order)
    order_id = _json(placed)["order_id"]
    _await(http, f"{url}/api/orders/{order_id}", user, "status", "CONFIRMED")
    asked = {"order_id": order_id, "channel": "alipay"}
    payment = _json(http.post(f"{url}/api/payments", headers=user, json=asked))
    http.post(payment["pay_url"], data={"action": "pay"}).raise_for_status()
    _await(http, f"{url}/api/orders/{order_id}", user, "payment_status", "PAID")


def _await(http: httpx.Client, url: str, user: dict[str, str], field: str, wanted: str) -> None:
    until = time.monotonic() + WAIT
    while (seen := _json(http.get(url, headers=user))[field]) != wanted:
        assert time.monotonic() < until, f"{field} is still {seen}"
        time.sleep(0.2)


def _json(answer: httpx.Response) -> dict[str, Any]:
    assert answer.is_success, f"{answer.status_code}: {answer.text}"
    return answer.json()
