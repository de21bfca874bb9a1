"""What operators do when something has failed: they see it, mend it, and have it tried again."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from tests.support.shop_client import Line, ShopClient, eventually, good, problem, product, shop_client
from tests.support.shop_process import ShopProcess, running_shop
from tests.support.spoilt import points_refused


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


async def test_dead_letters_are_listed_and_replayed(shop: ShopClient, name: str) -> None:
    """An event that a consumer cannot handle holds nobody up, is listed with its reason, and takes effect when it is
    replayed."""
    await shop.load(goods=[product(name)])
    buyer = await shop.new_buyer(name)
    with points_refused(shop.process):
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
    with points_refused(shop.process):
        order = await buyer.paid(Line(name, 1, 1_000))
        await eventually(lambda: _letters(shop), [("points", "payments", "succeeded", order["order_id"])])
        listed = await _command(shop, 0, "dead-letters", "list", "--json")
        assert [letter["key"] for letter in listed["dead_letters"]] == [order["order_id"]]
        audit, [failed] = await asyncio.gather(  # the audit looks again for ten seconds
            _command(shop, 1, "audit", "--json"), _command(shop, 1, "dead-letters", "replay", "--all", "--json")
        )
        assert [one["promise"] for one in audit["promises"] if one["broken"]] == ["P8"]
        assert (failed["replayed"], failed["outcome"]) == (True, "failed")
        assert "spoilt" in failed["error"]
    [replayed] = await _command(shop, 0, "dead-letters", "replay", "--all", "--json")
    id = listed["dead_letters"][0]["id"]
    assert replayed == {"id": id, "replayed": True, "outcome": "handled", "error": ""}
    await buyer.has(points=16)
    [gone] = await _command(shop, 1, "dead-letters", "replay", id, "--json")
    assert gone == {"id": id, "replayed": False, "outcome": "gone", "error": ""}


async def test_many_dead_letters_are_replayed_at_once(shop: ShopClient, name: str) -> None:
    """Many are found by their group and replayed together, and each one's outcome can be asked."""
    await shop.load(goods=[product(name)])
    buyer = await shop.new_buyer(name)
    with points_refused(shop.process):
        placed = [(await buyer.paid(Line(name, 1, 1_000)))["order_id"] for _ in range(3)]
        await eventually(lambda: _count(shop, "points"), 3)
    assert await _count(shop, "stock") == 0
    letters = (good(await shop.ops("GET", "/api/ops/dead-letters?service=points")))["dead_letters"]
    assert sorted(one["order_id"] for one in letters) == sorted(placed)
    asked = {"ids": [one["id"] for one in letters]}
    answer = good(await shop.ops("POST", "/api/ops/dead-letters/replay", json=asked))
    assert [one["outcome"] for one in answer["outcomes"]] == ["replayed"] * 3
    await buyer.has(points=48)
    await eventually(lambda: _outcomes(shop, asked), ["gone"] * 3)
    again = good(await shop.ops("POST", "/api/ops/dead-letters/replay", json=asked))
    assert [one["outcome"] for one in again["outcomes"]] == ["gone"] * 3


async def test_a_timeline_tells_who_heard_what(shop: ShopClient, name: str) -> None:
    """An event names the groups that have heard it and the one that has set it aside; the platform's callback and the
    set-aside event stand in the timeline, which is found by the payment's number too."""
    await shop.load(goods=[product(name)])
    buyer = await shop.new_buyer(name)
    with points_refused(shop.process):
        order = await buyer.paid(Line(name, 1, 1_000))
        await eventually(lambda: _count(shop, "points"), 1)
        await eventually(lambda: _hearing(shop, order["payment_id"], "heard"), ["orders", "journal"])
        assert await _hearing(shop, order["payment_id"], "set_aside") == ["points"]
        kinds = [one["kind"] for one in (await _timeline(shop, order["order_id"]))["moments"]]
        assert (kinds.count("callback"), kinds.count("set-aside")) == (1, 1)
    [letter] = await shop.dead_letters()
    good(await shop.ops("POST", "/api/ops/dead-letters/replay", json={"ids": [letter["id"]]}))
    await eventually(lambda: _hearing(shop, order["payment_id"], "heard"), ["orders", "points", "journal"])


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


async def _count(shop: ShopClient, group: str) -> int:
    return len(good(await shop.ops("GET", f"/api/ops/dead-letters?group={group}"))["dead_letters"])


async def _outcomes(shop: ShopClient, asked: dict[str, list[str]]) -> list[str]:
    answer = good(await shop.ops("POST", "/api/ops/dead-letters/outcomes", json=asked))
    return [one["outcome"] for one in answer["outcomes"]]


async def _timeline(shop: ShopClient, number: str) -> Any:
    return good(await shop.ops("GET", f"/api/ops/orders/{number}/timeline"))


async def _hearing(shop: ShopClient, number: str, what: str) -> list[str]:
    """The groups that have heard of a payment's success, or have set it aside."""
    moments = (await _timeline(shop, number))["moments"]
    details = [one["detail"] for one in moments if one["what"] == "published succeeded"]
    return [one if isinstance(one, str) else one["group"] for detail in details for one in detail[what]]


async def _requests(shop: ShopClient) -> dict[str, int]:
    services = good(await shop.ops("GET", "/api/ops/services"))["services"]
    return {one["service"]: one["requests"] for one in services}


async def _command(shop: ShopClient, status: int, *arguments: str) -> Any:
    done = await asyncio.to_thread(shop.process.run, *arguments)
    assert done.returncode == status, done.stdout + done.stderr
    return json.loads(done.stdout)
