"""`kill -9` at every kind of moment: what the shop has answered stays true, and nothing happens twice.

`python -m tests.scenario.hundred_kills` does more of it.
"""

import asyncio
import os
import random
import signal
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.scenario.kill_at_random import kill_at_random
from tests.scenario.kill_points import COMMAND, EVERY_POINT, SOON, Life, die_at
from tests.support.crashing_shop import Point
from tests.support.shop_client import Line, ShopClient, good, product, shop_client
from tests.support.shop_process import ShopProcess, running_shop

SEED = 20_261_122
KILLS = 4
SAMPLE = 8
"""Of all named points; `hundred_kills` meets every one."""
FIRST_STARTS = 3
DEMO_GOODS = 12


@pytest.fixture(scope="module")
def crashing_shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ShopProcess]:
    """A shop that dies where it is told."""
    with running_shop(tmp_path_factory.mktemp("crashing"), SOON, COMMAND) as process:
        yield process


@pytest.fixture
async def shop(crashing_shop: ShopProcess) -> AsyncIterator[ShopClient]:
    """A client of that shop."""
    async with shop_client(crashing_shop) as client:
        yield client


@pytest.mark.parametrize(
    ("life", "point"),
    [
        pytest.param(life, point, id=f"{life.__name__}-{point}".replace(" ", "-"))
        for life, point in random.Random(SEED).sample(EVERY_POINT, SAMPLE)
    ],
)
async def test_killed_at_a_point(shop: ShopClient, name: str, life: Life, point: Point) -> None:
    """Killed just before or after a commit, or beside the broker, the order goes on to its right end."""
    await die_at(shop, life, point, f"{name}-user")


async def test_killed_at_random(tmp_path: Path) -> None:
    """Killed again and again under load, the shop keeps every answer it gave, and every promise."""
    with running_shop(tmp_path, SOON) as process:
        async with shop_client(process) as client:
            lives = await kill_at_random(client, SEED, KILLS, "load", lambda _: None)
    assert lives[-1].confirmed > 50, "there was hardly any load"


@pytest.mark.parametrize("seed", range(FIRST_STARTS))
async def test_killed_at_its_first_start(tmp_path: Path, seed: int) -> None:
    """A shop killed while it makes its folder starts all the same, with all demo goods."""
    process = ShopProcess(tmp_path / "shop")
    chance = random.Random(seed)
    process.launch()
    _await_file(process.data / chance.choice(("orders.db", "coupons.db", "payments.db", "journal.db")))
    await asyncio.sleep(chance.uniform(0.0, 0.05))
    process.kill9()
    try:
        process.start()
        async with shop_client(process) as client:
            goods = good(await client.ops("GET", "/api/goods"))["goods"]
            assert len(goods) == DEMO_GOODS
            assert await client.broken_promises() == []
    finally:
        process.kill9()


async def test_its_sandbox_outlives_it(tmp_path: Path) -> None:
    """A shop that is started again while the sandbox of its last life still ends waits for it, and keeps its address:
    whoever was about to pay still can."""
    with running_shop(tmp_path, SOON) as process:
        async with shop_client(process) as client:
            await client.load(goods=[product("tea")])
            buyer = await client.new_buyer("buyer")
            order = await buyer.placed(Line("tea", 1, 1_000))
            payment = good(await buyer.open_payment(order["order_id"]))
            [sandbox] = process.children()
            os.kill(sandbox, signal.SIGSTOP)
            process.kill9()
            starting = asyncio.create_task(asyncio.to_thread(process.start))
            await asyncio.sleep(3)
            os.kill(sandbox, signal.SIGCONT)
            await starting
            assert (await client.at_cashier(payment["pay_url"])).status_code == 200
            await buyer.until(order["order_id"], payment_status="PAID")


def _await_file(file: Path) -> None:
    until = time.monotonic() + 60
    while not file.exists():
        assert time.monotonic() < until, f"{file} never came"
        time.sleep(0.001)
