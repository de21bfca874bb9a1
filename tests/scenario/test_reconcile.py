"""`makegood reconcile`: a day of real payments on every channel against the platforms' bills of it, the day after.

The shop and its sandbox live yesterday, then today (`tests/support/yesterday.py`). What differs is made as it is in
life: somebody else has the merchant's keys, or a platform's clock is not ours.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any, NamedTuple

import pytest
import pytest_asyncio

from tests.support.shop_client import Buyer, Json, Line, ShopClient, good, product, shop_client
from tests.support.yesterday import Yesterday, another_system, at_cashier, shop_of_yesterday, until_break

PRICE = 12_000
"""Fen of one good, shipped free."""
CHANNELS = ("alipay", "alipay_page", "wechatpay", "wechatpay_h5", "stripe")


class Past(NamedTuple):
    """The shop the day after: which day is over, and the payments that are talked of."""

    process: Yesterday
    date: str
    refunded: str
    odd: str
    late: str


@pytest.fixture(scope="module")
def yesterday(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yesterday]:
    """A shop of the day before."""
    with shop_of_yesterday(tmp_path_factory.mktemp("reconciled")) as process:
        yield process
    assert "Traceback" not in process.process.log(), process.process.log()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def past(yesterday: Yesterday) -> Past:
    """Its day, and what went wrong on it, is over."""
    async with shop_client(yesterday.process) as shop:
        await shop.load(goods=[product("tea", PRICE)])
        buyer = await shop.new_buyer("paula")
        paid = {channel: await _paid(buyer, channel) for channel in CHANNELS}
        await _refund(shop, paid["alipay"], 500)
        await _refund(shop, paid["stripe"], 700)
        odd = await _strange_things(shop, yesterday, buyer, paid["alipay"])
        # From here on the platforms' clock is a day ahead of the shop's.
        await shop.control("POST", "clock", json={"advance_seconds": 86_400})
        await _refund(shop, paid["wechatpay"], 900)
        date = yesterday.day.isoformat()
        yesterday.becomes_today()
        return Past(yesterday, date, paid["alipay"], odd, paid["wechatpay"])


@pytest.fixture
async def shop(past: Past) -> AsyncIterator[ShopClient]:
    """A client of the shop, which keeps its promises."""
    async with shop_client(past.process.process) as client:
        yield client
        assert await client.broken_promises() == []
        assert await client.dead_letters() == []


async def _paid(buyer: Buyer, channel: str) -> str:
    """The id of a payment on this channel that paid its order."""
    order = await buyer.placed(Line("tea", 1, PRICE))
    payment = good(await buyer.open_payment(order["order_id"], channel))
    await at_cashier(buyer.shop, payment["pay_url"])
    await buyer.until(order["order_id"], payment_status="PAID")
    return payment["payment_id"]


async def _refund(shop: ShopClient, payment_id: str, amount: int) -> None:
    """An operator refunds a part, and the platform has done so."""
    good(await shop.refund_part(payment_id, amount, f"part-{payment_id}"))
    order_id = good(await shop.ops("GET", f"/api/ops/orders/{payment_id}/timeline"))["order_id"]
    async with asyncio.timeout(20):
        while "payments: refund succeeded" not in await shop.timeline(order_id):
            await asyncio.sleep(0.1)


async def _strange_things(shop: ShopClient, yesterday: Yesterday, buyer: Buyer, refunded: str) -> str:
    """Another system takes a payment, takes one with a number of ours and another amount, and refunds one of ours.

    Gives the number that it took.
    """
    order = await buyer.placed(Line("tea", 1, PRICE))
    odd: str = good(await buyer.open_payment(order["order_id"], "alipay_page"))["payment_id"]
    async with another_system(shop, yesterday.now) as other, asyncio.timeout(20):
        await other.takes("old_shop_1", 4_200)
        await until_break(shop, "unknown_payment", "old_shop_1")
        await other.takes(odd, PRICE - 1)
        await until_break(shop, "amount_mismatch", odd)
        assert (await other.gives_back(refunded, 300, PRICE)).status == "succeeded"
        await until_break(shop, "refund_unknown", refunded)
    return odd


async def _reconcile(past: Past, channel: str, *options: str, date: str = "") -> tuple[int, str, str]:
    """The command's exit status, and what it prints."""
    arguments = ("reconcile", "--channel", channel, "--date", date or past.date, *options)
    done = await asyncio.to_thread(past.process.process.run, *arguments)
    return done.returncode, done.stdout, done.stderr


async def _listed(past: Past, channel: str) -> tuple[int, Json]:
    status, output, _ = await _reconcile(past, channel, "--json")
    return status, json.loads(output)


async def _compared(shop: ShopClient, channel: str, date: str) -> Json:
    """A comparison that was begun over HTTP, once it has ended."""
    done = good(await shop.ops("POST", "/api/ops/reconciliations", json={"channel": channel, "date": date}))
    async with asyncio.timeout(20):
        while done["state"] == "RUNNING":
            await asyncio.sleep(0.05)
            done = good(await shop.ops("GET", f"/api/ops/reconciliations/{channel}/{date}"))
    return done


async def test_every_difference_of_a_bill(past: Past, shop: ShopClient) -> None:
    """Alipay's bill has both products' payments: what is only theirs and what has another amount is listed, with
    both amounts, and a second run lists the same; the exit status says that something differs."""
    for run in (1, 2):
        status, done = await _listed(past, "alipay")
        assert (status, done["state"], done["run"], done["differences"]) == (1, "DONE", run, 3)
        # Two payments of ours, a refund of ours, and three lines that another system made.
        assert (done["lines"], done["captured"], done["refunded"]) == (6, 2 * PRICE + 4_200 + PRICE - 1, 800)
        found = {(one["kind"], one["number"], one["ours"], one["theirs"]) for one in done["listed"]}
        assert found == {
            ("theirs_only", "old_shop_1", 0, 4_200),
            ("amount_differs", past.odd, PRICE, PRICE - 1),
            ("theirs_only", past.refunded, 0, 300),
        }
    same = good(await shop.ops("GET", f"/api/ops/reconciliations/alipay_page/{past.date}"))
    assert (same["run"], same["differences"]) == (2, 3)


async def test_the_table(past: Past) -> None:
    """What is printed for people names each line that differs in full, with its amounts, on any width of screen."""
    status, output, _ = await _reconcile(past, "alipay")
    assert status == 1
    assert "6 lines" in output
    assert "3 differences" in output
    for text in ("theirs only", "amount differs", "old_shop_1", past.odd, past.refunded, "4,200", "11,999", "12,000"):
        assert text in output, output


async def test_what_only_we_have(past: Past, shop: ShopClient) -> None:
    """A refund that the platform dates otherwise is ours alone on its day."""
    status, done = await _listed(past, "wechatpay_h5")
    assert (status, done["lines"], done["captured"]) == (1, 2, 2 * PRICE)
    [line] = done["listed"]
    assert (line["kind"], line["number"], line["ours"], line["theirs"]) == ("ours_only", past.late, 900, 0)
    timeline = good(await shop.ops("GET", f"/api/ops/orders/{past.late}/timeline"))
    settlement = [one for one in timeline["moments"] if one["kind"] == "settlement"]
    assert [one["what"] for one in settlement] == ["bill ours_only", "bill done"]
    assert settlement[0]["detail"]["refund_id"] == line["refund_number"]


async def test_a_bill_that_fits(past: Past) -> None:
    """Where nothing differs the exit status is 0, and no table is printed."""
    status, output, _ = await _reconcile(past, "stripe")
    assert (status, output.splitlines()[1:]) == (0, [])
    assert f"{past.date}: 2 lines, 12,000 fen captured, 700 fen refunded; 0 differences" in output


async def test_an_empty_day(shop: ShopClient) -> None:
    """The bill of a day on which nothing was sold has no lines, and nothing differs."""
    for channel in ("alipay", "wechatpay", "stripe"):
        done = await _compared(shop, channel, "2024-02-29")
        assert (done["state"], done["lines"], done["differences"]) == ("DONE", 0, 0), done


async def test_what_cannot_be_compared(past: Past) -> None:
    """A channel or a day that is none is one line that says what to do, and exit status 1."""
    refused = [
        ("nopay", "", "configured"),
        ("alipay", "2024-02-30", "YYYY-MM-DD"),
        ("alipay", "2999-01-01", "Platforms bill a day on the next one"),
    ]
    for channel, date, says in refused:
        status, output, errors = await _reconcile(past, channel, date=date)
        assert (status, output, len(errors.splitlines())) == (1, "", 1), errors
        assert says in errors


async def test_a_platform_that_is_away(past: Past, shop: ShopClient) -> None:
    """The command says why there is no bill yet, and does not wait; asked again when there is one, it has it."""
    await shop.control("POST", "faults", json={"rules": [{"kind": "server_error", "platform": "alipay"}]})
    try:
        status, output, errors = await _reconcile(past, "alipay", date="2024-03-01")
    finally:
        await shop.control("POST", "faults", json={})
    assert (status, "2024-03-01: RUNNING: " in output) == (1, True), output + errors
    assert "is tried again by itself" in output
    assert (await _compared(shop, "alipay", "2024-03-01"))["state"] == "DONE"


async def test_the_order_of_a_line(past: Past, shop: ShopClient) -> None:
    """A line leads to its order, whose timeline has the break, the line and the bill that was compared."""
    await _compared(shop, "alipay", past.date)
    lines: list[Any] = good(await shop.ops("GET", "/api/ops/differences"))["differences"]
    by_number = {one["number"]: one["order_id"] for one in lines}
    assert by_number["old_shop_1"] is None
    timeline = good(await shop.ops("GET", f"/api/ops/orders/{by_number[past.odd]}/timeline"))
    settlement = [one["what"] for one in timeline["moments"] if one["kind"] == "settlement"]
    assert sorted(settlement) == ["bill amount_differs", "break amount_mismatch"]
    assert timeline["moments"][0]["what"] == "placed"
    timeline = good(await shop.ops("GET", f"/api/ops/orders/{past.refunded}/timeline"))
    settlement = [one["what"] for one in timeline["moments"] if one["kind"] == "settlement"]
    assert sorted(settlement) == ["bill done", "bill theirs_only", "break refund_unknown"]


async def test_a_shop_that_does_not_run(past: Past) -> None:
    """The command works on the folder of a stopped shop too, and finds the same."""
    process = past.process.process
    assert process.stop() == 0
    try:
        status, done = await _listed(past, "alipay")
        assert (status, done["state"], done["differences"]) == (1, "DONE", 3)
    finally:
        process.start()
