"""Waits until a cluster has nothing left to do."""

import asyncio

from tests.support.shop_client import ShopClient

DRAINED = 120.0
"""Seconds within which all messages must be consumed after the last fault."""

LOOKS = 3
"""Looks in a row that find nothing."""


async def drained(shop: ShopClient) -> None:
    """Every consumer group has handled every message.

    Services are looked at one after another, and what one has handled may be a message of another's by then: so nothing
    is left when nothing is seen three times in a row.
    """
    quiet = 0
    async with asyncio.timeout(DRAINED):
        while quiet < LOOKS:
            busy = any(service["lag"] or service["outbox"] for service in await _services(shop))
            quiet = 0 if busy else quiet + 1
            await asyncio.sleep(0.5)


async def _services(shop: ShopClient) -> list[dict[str, int]]:
    answer = await shop.ops("GET", "/api/ops/services")
    assert answer.is_success, answer.text
    return answer.json()["services"]
