"""Waits until a cluster has nothing left to do."""

import asyncio

from tests.support.shop_client import ShopClient

DRAINED = 120.0
"""Seconds within which all messages must be consumed after the last fault."""


async def drained(shop: ShopClient) -> None:
    """Every consumer group has handled every message."""
    async with asyncio.timeout(DRAINED):
        while any(service["lag"] or service["outbox"] for service in await _services(shop)):
            await asyncio.sleep(0.5)


async def _services(shop: ShopClient) -> list[dict[str, int]]:
    answer = await shop.ops("GET", "/api/ops/services")
    assert answer.is_success, answer.text
    return answer.json()["services"]
