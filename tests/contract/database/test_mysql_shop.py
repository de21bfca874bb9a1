"""The whole shop on MySQL: the scenarios that need its database most, and a database that dies under load."""

import asyncio
import os
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import httpx
import pytest

from makegood.shop.assembly import CLASSES
from tests.cluster.servers import MariaDb, OwnMariaDb, mariadb
from tests.contract.database.mysql_server import drop
from tests.scenario import test_buying, test_cancelling, test_flash_sale, test_idempotency, test_refunds, test_refusals
from tests.support.shop_client import Line, ShopClient, eventually, order_body, product, shop_client
from tests.support.shop_process import ShopProcess, running_shop

pytestmark = pytest.mark.cluster
COMMAND = ("-m", "tests.contract.database.mysql_shop")
NAMES = count(1)
SECONDS = 60.0
SCENARIOS = (
    test_buying.test_many_lines,
    test_buying.test_nothing_due_is_paid_at_once,
    test_buying.test_orders_are_listed_page_by_page,
    test_buying.test_place_and_pay,
    test_buying.test_ship_and_receive,
    test_buying.test_timeline_tells_the_whole_story,
    test_cancelling.test_cancel_and_payment_at_once,
    test_cancelling.test_cancel_gives_everything_back,
    test_cancelling.test_many_cancels_at_once,
    test_flash_sale.test_never_oversold,
    test_flash_sale.test_what_is_cancelled_is_sold_again,
    test_idempotency.test_equal_keys_at_once_are_one_order,
    test_idempotency.test_equal_keys_with_other_bodies_at_once,
    test_idempotency.test_keys_are_each_users_own,
    test_refunds.test_partial_refunds,
    test_refunds.test_refund_and_ship_at_once,
    test_refunds.test_refund_before_shipping,
    test_refunds.test_refunds_at_once_stay_within_what_was_captured,
    test_refusals.test_a_balance_is_spent_once,
    test_refusals.test_a_coupon_is_used_once,
)
"""Run here again, with this module's shop."""
globals().update({scenario.__name__: scenario for scenario in SCENARIOS})


@contextmanager
def shop_on(server: MariaDb, tmp: Path) -> Generator[ShopProcess]:
    """A shop with schemas of its own on this server."""
    prefix = f"makegood_test_{os.getpid()}_{os.urandom(3).hex()}"
    try:
        with running_shop(tmp, {"MYSQL_URL": server.url(prefix)}, COMMAND) as process:
            yield process
    finally:
        drop(server, prefix, [service.name for service in CLASSES])


@pytest.fixture(scope="module")
def mysql_shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ShopProcess]:
    """One shop for the scenarios; nothing fails in it that it did not foresee."""
    with shop_on(mariadb(), tmp_path_factory.mktemp("mysql")) as process:
        yield process
    assert "Traceback" not in process.log(), process.log()


@pytest.fixture
async def shop(mysql_shop: ShopProcess) -> AsyncIterator[ShopClient]:
    """A client of that shop; when the test is over every promise is kept, and nothing has failed."""
    async with shop_client(mysql_shop) as client:
        yield client
        assert await client.broken_promises() == []
        assert await client.dead_letters() == []


@pytest.fixture
def name() -> str:
    """A name that no other test uses, for goods and users."""
    return f"m{next(NAMES)}"


async def test_database_killed_under_load(tmp_path: Path) -> None:
    """kill -9 of MySQL while buyers buy: what was answered 201 is there afterwards, and every promise is kept."""
    with OwnMariaDb() as own, shop_on(own.address, tmp_path) as process:
        async with shop_client(process) as shop:
            await shop.load(goods=[product("lamp", 1_000, 1_000_000)])
            buyers = [await shop.new_buyer(f"buyer-{number}") for number in range(8)]
            confirmed: list[tuple[int, str]] = []
            enough = asyncio.Event()

            async def buy(number: int) -> None:
                while not enough.is_set():
                    try:
                        answer = await buyers[number].place(order_body(Line("lamp", 1, 1_000)))
                    except httpx.HTTPError:
                        continue
                    if answer.status_code == 201:
                        confirmed.append((number, answer.json()["order_id"]))
                    else:
                        assert answer.status_code in (202, 409, 503, 504), answer.text
                        await asyncio.sleep(0.1)

            buying = [asyncio.create_task(buy(number)) for number in range(len(buyers))]
            for _ in range(2):
                await _reached(confirmed, 50)
                await asyncio.to_thread(own.kill, "mariadb")
                await asyncio.sleep(0.5)
                await asyncio.to_thread(own.start, "mariadb")
            await _reached(confirmed, 50)
            enough.set()
            await asyncio.gather(*buying)
            await eventually(shop.broken_promises, [])
            for number, order_id in confirmed[::10]:
                assert (await buyers[number].order(order_id))["status"] == "CONFIRMED"
            assert await shop.dead_letters() == []


async def _reached(confirmed: list[tuple[int, str]], more: int) -> None:
    """Returns when so many more orders are confirmed."""
    wanted = len(confirmed) + more
    async with asyncio.timeout(SECONDS):
        while len(confirmed) < wanted:
            await asyncio.sleep(0.05)
