"""The bench against real shops: its figures add up, and it notices when they do not."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import apsw
import msgspec
import pytest

from makegood.bench.cases import Case
from makegood.bench.history import with_orders
from makegood.bench.house import House, build
from makegood.bench.orders import OrdersBench
from makegood.bench.progress import Steps
from makegood.bench.results import CallbacksReport, Cost, OrdersReport, SqlFloor
from tests.support.shop_process import clean_environment

LONGEST = 240.0
"""Seconds that a command may take on a machine with other work to do."""
Done = subprocess.CompletedProcess[str]


class Benches(NamedTuple):
    """Both commands when they have ended, and the folder they worked in."""

    orders: Done
    callbacks: Done
    place: Path
    output: Path


def makegood(*arguments: str) -> Done:
    """Runs the command to its end."""
    command = [sys.executable, "-m", "makegood", *arguments]
    return subprocess.run(
        command, env=clean_environment(), capture_output=True, text=True, timeout=LONGEST, check=False
    )


def check_same_work(cost: Cost, sql: SqlFloor) -> None:
    """The floor wrote the shop's rows, in as many commits, but for less than one for each table."""
    for file, rows in sql.rows.items():
        assert abs(rows - cost.rows[file]) * sql.orders < 10, file
        assert abs(sql.commits[file] - cost.commits[file]) * sql.orders <= 1, file


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    """A shop with goods and users."""
    return asyncio.run(build(tmp_path_factory.mktemp("bench")))


@pytest.fixture(scope="module")
def benches(tmp_path_factory: pytest.TempPathFactory) -> Benches:
    """Both at once: what they do is checked, not how fast, and each waits for much of its time."""
    folder = tmp_path_factory.mktemp("benches")
    output, place = folder / "report.json", folder / "place"
    place.mkdir()
    orders = ("--buyers", "4", "--kind", "coupon", "--seconds", "0.2", "--output", str(output))
    callbacks = ("--connections", "4", "--callbacks", "200", "--seconds", "0.5")
    rest = ("--folder", str(place), "--json")
    with ThreadPoolExecutor(2) as threads:
        ordering = threads.submit(makegood, "bench", "orders", *orders, *rest)
        calling = threads.submit(makegood, "bench", "callbacks", *callbacks, *rest)
        return Benches(ordering.result(), calling.result(), place, output)


def test_orders(benches: Benches) -> None:
    """Every order answered is stored, every answer is the case's, and the floor does the same work; nothing stays."""
    done = benches.orders
    assert done.returncode == 0, done.stderr
    report = msgspec.json.decode(done.stdout, type=OrdersReport)
    assert msgspec.json.decode(benches.output.read_bytes(), type=OrdersReport) == report
    [one] = report.results
    assert one.answers == {"201": one.orders}
    assert one.stored == {"confirmed": one.orders}
    check_same_work(one.cost, one.sql)
    assert {"orders.Open", "stock.Deduct", "coupons.Use", "accounts.Deduct", "orders.Settle"} <= set(one.cost.batches)
    assert list(benches.place.iterdir()) == []


def test_wrong_answers_fail(house: House, tmp_path: Path) -> None:
    """A shop that answers something else than its case says is reported as failed, with what it said."""
    wrong = House(tmp_path, house.copy("wrong"), house.tokens)
    connection = apsw.Connection(str(wrong.template / "stock.db"))
    connection.execute("UPDATE goods SET price = price + 1")
    connection.close()
    case = Case(4, "spread", 1, False)

    async def measured() -> Sequence[str]:
        with Steps(3) as steps:
            bench = OrdersBench(tmp_path, 0.3, steps)
            [result] = await bench.run(wrong, await bench.count(wrong, [case]), 0)
            return result.failures

    failures = asyncio.run(measured())
    assert "409, not 201" in failures[0]
    assert "price_changed" in failures[0]


def test_a_history_keeps_every_promise(house: House) -> None:
    """A shop with many paid orders made of one passes the audit: each has all that belongs to it, everywhere."""
    old = asyncio.run(with_orders(house, "audited", 2_500, lambda _: None, paid=True))
    done = makegood("audit", "--data", str(old.template), "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    checked = {one["promise"]: one["checked"] for one in json.loads(done.stdout)["promises"]}
    assert checked["P12"] == 2_501
    assert min(checked.values()) > 0


def test_callbacks(benches: Benches) -> None:
    """Every callback is answered `success` and takes effect once; the floor does the same work; nothing stays."""
    done = benches.callbacks
    assert done.returncode == 0, done.stderr
    report = msgspec.json.decode(done.stdout, type=CallbacksReport)
    [one] = report.results
    assert one.answers == {"200": one.callbacks}
    assert set(one.stored.values()) == {one.callbacks}
    check_same_work(one.cost, one.sql)
    assert list(benches.place.iterdir()) == []


def test_options_that_are_wrong() -> None:
    """A wrong option is one line that says what it may be, before anything is started."""
    done = makegood("bench", "orders", "--goods", "cold")
    assert done.returncode == 1
    assert done.stderr == "makegood: --goods cold: give some of spread, hot, sold-out, with commas\n"
