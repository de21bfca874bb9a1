"""The shop on its real servers, under load, while each of its processes is killed and started again."""

import asyncio

from tests.cluster.draining import drained
from tests.cluster.servers import OwnShop
from tests.cluster.shops import configured, reached
from tests.scenario.kill_at_random import prove_promises
from tests.scenario.kill_load import Load
from tests.support.shop_client import shop_client

DEAD = 1.0
"""Seconds for which a process stays dead."""
ALIVE = 1.0
"""Seconds of load between two kills."""
SERVICES = ("orders-1", "stock-1", "coupons-1", "accounts-1", "payments-1", "points-1", "journal-1", "gateway-1")


async def test_kill_each_process() -> None:
    """After kill -9 of each in turn, every answer still holds, the sums are right and every promise is kept."""
    with configured(), OwnShop() as own:
        async with shop_client(reached(own)) as shop:
            load = Load(shop, 1, "kills")
            await load.start()
            for name in (*SERVICES, "broker", "name-server", own.leader(), "mariadb"):
                await asyncio.sleep(ALIVE)
                await _kill_and_start(own, name)
                assert await load.broken() == [], name
            await asyncio.sleep(ALIVE)
            await load.stop()
            assert load.confirmed > 0
            await drained(shop)  # what was on its way to a consumer that was cut off comes again after 30 s
            await load.prove_the_sums()
            await prove_promises(shop)
            assert await load.broken() == []


async def _kill_and_start(own: OwnShop, name: str) -> None:
    await asyncio.to_thread(own.kill, name)
    await asyncio.sleep(DEAD)
    await asyncio.to_thread(own.start, name)
