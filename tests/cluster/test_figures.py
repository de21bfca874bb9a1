"""What the processes of a cluster say of the calls between them."""

import asyncio
from collections import Counter
from collections.abc import Iterable

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.cluster.servers import OwnShop
from tests.cluster.shops import reached
from tests.support.shop_client import Line, product, shop_client

ORDERS = 40


async def test_calls_between_processes() -> None:
    """What the callers of an operation have counted, its providers have, too; orders at one time share frames."""
    with OwnShop() as own:
        async with shop_client(reached(own)) as shop:
            await shop.load(goods=[product("tea", 1_000, 1_000)])
            buyer = await shop.new_buyer("ann", 100_000)
            await asyncio.gather(*[buyer.placed(Line("tea", 1, 1_000)) for _ in range(ORDERS)])
            gateway, orders, stock = [await _figures(own, name) for name in ("gateway", "orders", "stock")]
    assert gateway["client_calls_total", "Place", "orders"] == orders["server_calls_total", "Place", "orders"] == ORDERS
    assert orders["client_calls_total", "Deduct", "stock"] == stock["server_calls_total", "Deduct", "stock"] == ORDERS
    frames = stock["server_frames_total", "stock"]
    assert 1 <= frames < stock["server_framed_calls_total", "stock"]
    assert stock["server_streams",] >= 1
    assert orders["providers", "stock"] == 2 * 2
    assert not [key for key in (*gateway, *orders, *stock) if "failures" in key[0]]


async def _figures(own: OwnShop, service: str) -> Counter[tuple[str, ...]]:
    """The sums over both of its processes, by name without `makegood_rpc_`, and labels."""
    found: Counter[tuple[str, ...]] = Counter()
    async with httpx.AsyncClient(trust_env=False) as http:
        for number in (1, 2):
            answer = await http.get(f"http://{own.site.address(f'{service}-{number}')}/metrics")
            found.update(dict(_samples(answer.raise_for_status().text)))
    return found


def _samples(text: str) -> Iterable[tuple[tuple[str, ...], int]]:
    for family in text_string_to_metric_families(text):
        for one in family.samples if family.name.startswith("makegood_rpc_") else ():
            labels = [value for _, value in sorted(one.labels.items())]
            yield (one.name.removeprefix("makegood_rpc_"), *labels), int(one.value)
