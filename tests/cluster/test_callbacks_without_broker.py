"""A platform waits five seconds for the answer to a callback, whether RocketMQ is there or not."""

import asyncio

from tests.cluster.draining import drained
from tests.cluster.servers import OwnShop
from tests.cluster.shops import reached
from tests.scenario.kill_at_random import prove_promises
from tests.support.burst import burst, captured, prove_fan_out
from tests.support.shop_client import shop_client

ORDERS = 300
PLATFORM_WAITS = 5.0
"""Seconds."""


async def test_burst_while_the_broker_is_dead() -> None:
    """Hundreds of callbacks at once, to both gateways, are taken in time; once the broker is back, everybody hears."""
    with OwnShop() as own:
        async with shop_client(reached(own)) as shop:
            paid = await captured(shop, "burst", ORDERS, own.site.folder)
            await asyncio.to_thread(own.kill, "broker")
            told = await burst(own.gateways, paid.callbacks)
            assert {(one.answer.status_code, one.answer.content) for one in told} == {(200, b"success")}
            assert max(one.seconds for one in told) < PLATFORM_WAITS
            # A platform that lost our answer says it again.
            again = await burst(own.gateways[::-1], paid.callbacks)
            assert {one.answer.content for one in again} == {b"success"}
            assert max(one.seconds for one in again) < PLATFORM_WAITS
            assert await paid.count_paid() == 0
            await asyncio.to_thread(own.start, "broker")
            await drained(shop)
            await prove_fan_out(shop, paid)
            await shop.control("POST", "faults", json={"notifications": "normal"})
            await prove_promises(shop)
