"""What operators do when something has failed: they see it, mend it, and have it tried again."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Generator, Iterator
from typing import Any

import apsw
import pytest

from tests.support.shop_client import Line, ShopClient, eventually, good, problem, product, shop_client
from tests.support.shop_process import ShopProcess, running_shop


@pytest.fixture(scope="module")
def broken_shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ShopProcess]:
    """A shop in which something breaks."""
    with running_shop(tmp_path_factory.mktemp("broken")) as process:
        yield process


@pytest.fixture
async def shop(broken_shop: ShopProcess) -> AsyncIterator[ShopClient]:
    """A client of that shop; in the end everything is mended."""
    async with shop_client(broken_shop) as client:
        yield client
        assert await client.broken_promises() == []
        assert await client.dead_letters() == []


@contextlib.contextmanager
def _points_refused(process: ShopProcess) -> Generator[None]:
    """Somebody has spoilt the database of points: it takes no entry."""
    connection = apsw.Connection(str(process.data / "points.db"))
    connection.set_busy_timeout(5_000)
    connection.execute("CREATE TRIGGER spoilt BEFORE INSERT ON entries BEGIN SELECT RAISE(ABORT, 'spoilt'); END")
    try:
        yield
    finally:
        connection.execute("DROP TRIGGER spoilt")
        connection.close()


async def test_dead_letters_are_listed_and_replayed(shop: ShopClient, name: str) -> None:
    """An event that a consumer cannot handle holds nobody up, is listed with its reason, and takes effect when it is
    replayed."""
    await shop.load(goods=[product(name)])
    buyer = await shop.new_buyer(name)
    with _points_refused(shop.process):
        order = await buyer.paid(Line(name, 1, 1_000))
        await eventually(lambda: _letters(shop), [("points", "payments", "succeeded", order["order_id"])])
        [letter] = await shop.dead_letters()
        assert "spoilt" in letter["error"]
        assert letter["tries"] >= 1
        await eventually(lambda: _tries(shop), 2)
    assert problem(await shop.ops("POST", "/api/ops/dead-letters/none/replay")) == (404, "not_found")
    again = await shop.ops("POST", f"/api/ops/dead-letters/{letter['id']}/replay")
    assert again.status_code == 202
    await buyer.has(points=16)
    await eventually(lambda: _letters(shop), [])
    assert problem(await shop.ops("POST", f"/api/ops/dead-letters/{letter['id']}/replay")) == (404, "not_found")


async def test_dead_letters_on_the_command_line(shop: ShopClient, name: str) -> None:
    """The same by `makegood dead-letters` and `makegood audit`, while the shop runs."""
    await shop.load(goods=[product(name)])
    buyer = await shop.new_buyer(name)
    with _points_refused(shop.process):
        order = await buyer.paid(Line(name, 1, 1_000))
        await eventually(lambda: _letters(shop), [("points", "payments", "succeeded", order["order_id"])])
        listed = await _command(shop, 0, "dead-letters", "list", "--json")
        assert [letter["key"] for letter in listed["dead_letters"]] == [order["order_id"]]
        audit = await _command(shop, 1, "audit", "--json")
        assert [one["promise"] for one in audit["promises"] if one["broken"]] == ["P8"]
    [replayed] = await _command(shop, 0, "dead-letters", "replay", "--all", "--json")
    assert replayed == {"id": listed["dead_letters"][0]["id"], "replayed": True}
    await buyer.has(points=16)
    await _command(shop, 1, "dead-letters", "replay", replayed["id"], "--json")


async def test_services_show_what_they_do(shop: ShopClient, name: str) -> None:
    """Figures of each service grow with what it does."""
    await shop.load(goods=[product(name)])
    buyer = await shop.new_buyer(name)
    before = await _requests(shop)
    await buyer.paid(Line(name, 1, 1_000))
    after = await _requests(shop)
    assert all(after[service] > before[service] for service in ("orders", "stock", "payments"))


async def _letters(shop: ShopClient) -> list[tuple[str, str, str, str]]:
    return [(one["group"], one["topic"], one["tag"], one["key"]) for one in await shop.dead_letters()]


async def _tries(shop: ShopClient) -> int:
    """Tries of the only letter, at most two."""
    [letter] = await shop.dead_letters()
    return min(2, letter["tries"])


async def _requests(shop: ShopClient) -> dict[str, int]:
    services = good(await shop.ops("GET", "/api/ops/services"))["services"]
    return {one["service"]: one["requests"] for one in services}


async def _command(shop: ShopClient, status: int, *arguments: str) -> Any:
    done = await asyncio.to_thread(shop.process.run, *arguments)
    assert done.returncode == status, done.stdout + done.stderr
    return json.loads(done.stdout)
