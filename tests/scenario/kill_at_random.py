"""A shop under load is killed at random moments, its starts included, and must keep every promise each time."""

import asyncio
import random
import time
from collections.abc import Callable

import msgspec

from tests.scenario.kill_load import Load
from tests.support.shop_client import SETTLE, ShopClient

LONGEST_LIFE = 1.6
"""Seconds from ready to kill, at most."""
EARLY = 0.2
"""How often the shop is killed while it is still starting."""
LONGEST_START = 2.0


class Life(msgspec.Struct, frozen=True):
    """One life of the shop: seconds it took to be ready, orders answered, and those answered 201, before and in it."""

    number: int
    ready: float
    lived: float
    asked: int
    confirmed: int
    broken: tuple[str, ...]


async def kill_at_random(
    shop: ShopClient, seed: int, kills: int, name: str, report: Callable[[Life], None]
) -> list[Life]:
    """Kills and restarts the shop so many times under load, and proves the promises. Raises AssertionError.

    `name` is of this load alone: a shop may bear several, one after the other.
    """
    chance = random.Random(seed)
    load = Load(shop, seed, name)
    await load.start()
    lives: list[Life] = []
    ready = 0.0
    for number in range(1, kills + 1):
        lived = chance.uniform(0.05, LONGEST_LIFE)
        await asyncio.sleep(lived)
        shop.process.kill9()
        ready = await _start_again(shop, chance)
        life = Life(number, ready, lived, load.asked, load.confirmed, tuple(await load.broken()))
        lives.append(life)
        report(life)
        assert not life.broken, life.broken
    await load.stop()
    await load.prove_the_sums()
    await prove_promises(shop)
    assert await load.broken() == []
    return lives


async def prove_promises(shop: ShopClient) -> None:
    """Every promise is kept on what the shop has stored, and nothing has failed for good."""
    broken = await shop.broken_promises()
    until = time.monotonic() + SETTLE
    while broken and time.monotonic() < until:
        broken = await shop.broken_promises()
    assert broken == []
    assert await shop.dead_letters() == []


async def _start_again(shop: ShopClient, chance: random.Random) -> float:
    if chance.random() < EARLY:
        shop.process.launch()
        await asyncio.sleep(chance.uniform(0.0, LONGEST_START))
        shop.process.kill9()
    return await asyncio.to_thread(shop.process.start)
