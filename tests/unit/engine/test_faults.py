"""Whatever fails by chance, and whenever the process dies: each effect is there once, in the end."""

import asyncio
import hashlib
import os
import subprocess
import sys

import pytest

from tests.support.virtual_time import VirtualWorld, run
from tests.unit.engine.tills import Shop

NUMBERS = list(range(40))


async def ask_until_taken(shop: Shop, seconds: float = 600.0) -> None:
    """Asks for every number again until each was answered."""
    async with asyncio.timeout(seconds):
        left = NUMBERS
        while left:
            answers = await shop.take(*left[:5], seconds=5.0, printed=True)
            failed = [isinstance(answer, BaseException) for answer in answers]
            left = left[5:] + [number for number, again in zip(left[:5], failed, strict=True) if again]


def make_faulty(shop: Shop, rate: float) -> None:
    """From now on this part of all uses of databases and broker fails."""
    for database in shop.databases.values():
        database.faults.rate = rate
    shop.broker.faults.rate = rate


def is_complete(shop: Shop) -> bool:
    """Whether everything has taken effect and nothing is on its way."""
    waiting = any(shop.rows("till", table) for table in ("outbox", "tasks"))
    return shop.entries() == NUMBERS and shop.prints() == NUMBERS and not waiting


@pytest.mark.parametrize("seed", range(12))
def test_faults(seed: int) -> None:
    """With a third of all commits, publishes and acknowledgements failing, every event takes effect exactly once."""

    async def scenario(world: VirtualWorld) -> None:
        shop = Shop(world)
        await shop.host.start()
        make_faulty(shop, 0.33)
        await ask_until_taken(shop)
        make_faulty(shop, 0.0)
        await shop.until(lambda: is_complete(shop), seconds=600)
        assert shop.sums() == NUMBERS
        assert sum(database.faults.happened for database in shop.databases.values()) + shop.broker.faults.happened > 3
        await shop.host.stop()

    run(scenario, seed)


@pytest.mark.parametrize("seed", range(30))
def test_deaths(seed: int) -> None:
    """A process that dies at any moment, again and again, loses nothing and does nothing twice."""

    async def scenario(world: VirtualWorld) -> None:
        shop = Shop(world)
        for _ in range(4):
            shop.till.print_seconds = 0.05
            life = asyncio.create_task(a_life(shop))
            await asyncio.sleep(0.001 + 0.4 * world.jitter())
            shop.die()
            life.cancel()  # it asks no more; whatever else it began waits for ever
            shop.made()
        await shop.host.start()
        await ask_until_taken(shop)
        await shop.until(lambda: is_complete(shop), seconds=120)
        assert shop.sums() == NUMBERS
        await shop.host.stop()

    run(scenario, seed)


async def a_life(shop: Shop) -> None:
    """Starts, and takes orders in a world that fails now and then."""
    make_faulty(shop, 0.1)
    for database in shop.databases.values():
        database.delay = 0.004
    await shop.host.start()
    await ask_until_taken(shop)
    await asyncio.sleep(10)


def trace(seed: int) -> str:
    """All that a world with faults and a death comes to."""

    async def scenario(world: VirtualWorld) -> str:
        shop = Shop(world)
        life = asyncio.create_task(a_life(shop))
        await asyncio.sleep(0.2)
        shop.die()
        life.cancel()
        before = repr(shop.broker.published)
        shop.made()
        await shop.host.start()
        await ask_until_taken(shop)
        await shop.until(lambda: is_complete(shop), seconds=120)
        tables = [shop.rows("till", "sums"), shop.rows("till", "prints"), shop.rows("books", "entries")]
        return before + repr(shop.broker.published) + repr(tables)

    return hashlib.sha256(run(scenario, seed).encode()).hexdigest()


def test_one_seed_one_trace() -> None:
    """Two processes that hash differently come from one seed to the same end, and from another seed to another."""
    code = f"from {__name__} import trace; print(trace(1), trace(2))"
    children: list[subprocess.Popen[str]] = []
    for hash_seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        children.append(subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=-1, text=True))
    ends = [child.communicate(timeout=60)[0].split() for child in children]
    assert ends[0] == ends[1]
    assert ends[0][0] != ends[0][1]
