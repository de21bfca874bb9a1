"""A platform waits five seconds for the answer to a callback, whether the embedded broker can be written or not."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Iterator

import apsw
import pytest

from tests.support.burst import burst, captured, prove_fan_out
from tests.support.sharing_shop import COMMAND
from tests.support.shop_client import shop_client
from tests.support.shop_process import ShopProcess, running_shop

ORDERS = 300
PLATFORM_WAITS = 5.0
"""Seconds."""
HELD = 6.0
"""Seconds for which nobody can write to the broker: more than any platform waits."""


@pytest.fixture
def own_shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ShopProcess]:
    """A shop of this test's own, for no other can be told anything meanwhile."""
    with running_shop(tmp_path_factory.mktemp("without-broker"), command=COMMAND) as process:
        yield process


async def test_burst_while_the_broker_cannot_be_written(own_shop: ShopProcess) -> None:
    """Hundreds of callbacks at once are taken in time; once the broker can be written again, everybody hears."""
    async with shop_client(own_shop) as shop:
        paid = await captured(shop, "burst", ORDERS, own_shop.data)
        async with _held(own_shop):
            told = await burst([own_shop.url], paid.callbacks)
            assert {(one.answer.status_code, one.answer.content) for one in told} == {(200, b"success")}
            assert max(one.seconds for one in told) < PLATFORM_WAITS
            await asyncio.sleep(HELD)
            # A platform that lost our answer says it again.
            again = await burst([own_shop.url], paid.callbacks)
            assert {one.answer.content for one in again} == {b"success"}
            assert max(one.seconds for one in again) < PLATFORM_WAITS
            assert await paid.count_paid() == 0
        await prove_fan_out(shop, paid)
        await shop.control("POST", "faults", json={"notifications": "normal"})
        assert await shop.broken_promises() == []
        assert await shop.dead_letters() == []


@contextlib.asynccontextmanager
async def _held(process: ShopProcess) -> AsyncGenerator[None]:
    """Nobody else can write to the broker's file meanwhile."""
    connection = apsw.Connection(str(process.data / "broker.db"))
    connection.set_busy_timeout(5_000)
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")
        connection.close()
