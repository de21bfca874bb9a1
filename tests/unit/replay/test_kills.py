"""Replays into real shops that are killed with -9 half way, or whose own process is: the year still comes out."""

import asyncio
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from makegood.replay.command import replay
from makegood.replay.report import Report
from tests.support.crashing_shop import Point
from tests.support.shop_process import ShopProcess, running_shop

BASKETS = 60
HALF_WAY = 15
"""Orders that are paid when something is killed."""
COMMAND = ("-m", "tests.support.crashing_shop")
SOON = {"MAKEGOOD_PAYMENTS_FIRST_ASK": "1"}
"""A callback that met a dead shop is asked for soon, rather than sent again after four minutes."""
WAIT = 60.0


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[ShopProcess]:
    """A shop that dies where it is told."""
    with running_shop(tmp_path, SOON, COMMAND) as process:
        yield process


async def replayed(shop: ShopProcess, capsys: pytest.CaptureFixture[str], baskets: int = BASKETS) -> Report:
    """The report of a replay, which must have found no difference."""
    status = await replay(
        shop.url, shop.token, baskets=baskets, concurrency=16, json_output=True, sandbox_url=shop.sandbox_url
    )
    report = msgspec.json.decode(capsys.readouterr().out, type=Report)
    assert (status, report.listed, report.outcome.refusals) == (0, [], [])
    assert report.actual == report.expected
    return report


async def revived(shop: ShopProcess) -> None:
    """Waits until the shop has died, and starts it again."""
    assert await asyncio.to_thread(shop.await_death, WAIT) == -9
    await asyncio.to_thread(shop.start)


def audited(shop: ShopProcess) -> None:
    """Every promise is kept."""
    done = shop.run("audit")
    assert done.returncode == 0, done.stdout + done.stderr


async def test_the_shop_is_killed_between_orders(shop: ShopProcess, capsys: pytest.CaptureFixture[str]) -> None:
    """The same run waits for the shop and goes on: orders that nobody could decide are placed under fresh keys."""
    report = await through_death_at(Point("orders", "INSERT INTO orders ", "after", 5), shop, capsys)
    assert report.outcome.placed_again > 0


async def test_the_shop_is_killed_at_a_callback(shop: ShopProcess, capsys: pytest.CaptureFixture[str]) -> None:
    """What was paid at the platform while the shop died is heard of later, and paid once."""
    await through_death_at(Point("payments", "INSERT INTO notifications", "before", 4), shop, capsys)


async def through_death_at(point: Point, shop: ShopProcess, capsys: pytest.CaptureFixture[str]) -> Report:
    """The report of a replay during which the shop dies there, and is started again."""
    point.arm(shop.data)
    reviving = asyncio.create_task(revived(shop))
    report = await replayed(shop, capsys)
    await reviving
    assert report.outcome.bought == BASKETS
    assert report.retries > 0
    audited(shop)
    return report


async def test_the_sandbox_is_killed(shop: ShopProcess, capsys: pytest.CaptureFixture[str]) -> None:
    """The shop starts its sandbox again, what was paid there stays paid, and the run goes on."""
    replaying = asyncio.create_task(replayed(shop, capsys))
    await asyncio.to_thread(_sold, shop, HALF_WAY)
    shop.kill9_sandbox()
    report = await replaying
    assert report.outcome.bought == BASKETS
    audited(shop)


async def test_both_are_killed(shop: ShopProcess, capsys: pytest.CaptureFixture[str]) -> None:
    """Killed together with its shop, a replay goes on when both run again, and buys nothing twice."""
    arguments = ["-m", "makegood", "replay", "--data", str(shop.data), "--baskets", str(BASKETS)]
    client = await asyncio.create_subprocess_exec(sys.executable, *arguments, stderr=asyncio.subprocess.DEVNULL)
    await asyncio.to_thread(_sold, shop, HALF_WAY)
    client.kill()
    shop.kill9()
    assert await client.wait() == -9
    await asyncio.to_thread(shop.start)
    report = await replayed(shop, capsys)
    assert report.outcome.sold_before > 0
    assert report.outcome.sold_before + report.outcome.bought == BASKETS
    again = await replayed(shop, capsys)
    assert (again.outcome.sold_before, again.outcome.bought) == (BASKETS, 0)
    audited(shop)


def test_a_shop_that_does_not_run_is_one_line(tmp_path: Path) -> None:
    """Without a shop the command says in one line what to start."""
    command = [sys.executable, "-m", "makegood", "replay", "--baskets", "1", "--data", str(tmp_path / "nowhere")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT, check=False)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "start it with `makegood run" in done.stderr


def _sold(shop: ShopProcess, orders: int) -> None:
    """Waits until the shop's database holds so many orders."""
    until = time.monotonic() + WAIT
    with sqlite3.connect(f"file:{shop.data / 'orders.db'}?mode=ro", uri=True) as database:
        while database.execute("SELECT count(*) FROM orders WHERE payment_status = 'PAID'").fetchone()[0] < orders:
            assert time.monotonic() < until, "the replay does not get on"
            time.sleep(0.02)
    database.close()
