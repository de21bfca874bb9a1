"""Takes the operators' pictures for the documentation anew: python -m tests.browser.ops_screenshots [FOLDER]."""

import asyncio
import contextlib
import sys
import tempfile
from collections.abc import AsyncGenerator
from pathlib import Path

from playwright.async_api import Page, expect

from tests.browser.chromium import running_chromium
from tests.browser.visiting import DESKTOP, PHONE, Size, Visitors
from tests.support.shop_client import Buyer, Line, ShopClient, coupon, eventually, product, shop_client
from tests.support.shop_process import running_shop
from tests.support.spoilt import points_refused

FOLDER = Path(__file__).parents[2] / "docs/screenshots"
TEA, CUP = Line("tea-longjing", 2, 12_800), Line("cup", 1, 900)
BUYERS = 24
"""How many buy at the same time while the lines are drawn."""
DRAWN = 45.0
"""Seconds of traffic before the picture is taken."""


async def take(folder: Path) -> None:
    """Lets a shop work, breaks and mends it, and takes a picture of each section."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as data, running_shop(Path(data)) as process:
        async with shop_client(process) as shop, running_chromium() as browser:
            visitors = Visitors(browser, shop)
            page = await visitors.open("/ops")
            await page.get_by_label("Operators' token").fill(process.token)
            await page.get_by_role("button", name="Open the console").click()
            await _services(shop, page, folder)
            order_id = await _dead_letters(shop, page, folder)
            await _timeline(page, order_id, folder)
            await _audit(page, folder)
            await visitors.close()
            assert visitors.errors == []


async def _services(shop: ShopClient, page: Page, folder: Path) -> None:
    async with _traffic(shop):
        await asyncio.sleep(DRAWN)
        await page.get_by_role("button", name="orders", exact=True).click()
        await _picture(page, folder / "ops-services.png", whole=True)


@contextlib.asynccontextmanager
async def _traffic(shop: ShopClient) -> AsyncGenerator[None]:
    """Many buyers order cups, more and more of them at once, until the block ends."""
    await shop.load(goods=[product("cup", 900, 1_000_000)])
    buyers = [await shop.new_buyer(f"crowd-{number}") for number in range(BUYERS)]
    loop = asyncio.get_running_loop()
    tasks = [loop.create_task(_buying(one, DRAWN * at / BUYERS / 2)) for at, one in enumerate(buyers)]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _buying(buyer: Buyer, after: float) -> None:
    await asyncio.sleep(after)
    while True:
        await buyer.placed(CUP)


async def _dead_letters(shop: ShopClient, page: Page, folder: Path) -> str:
    """The id of an order that has lived through something."""
    buyer = await shop.new_buyer("wang", 5_000, [coupon("wang-spring", 2_000)])
    with points_refused(shop.process):
        orders = [await buyer.paid(TEA, coupon="wang-spring", discount=2_000, balance=1_500)]
        orders += [await buyer.paid(TEA) for _ in range(3)]
        await eventually(lambda: _count(shop), 4)
        await page.goto("/ops#/dead-letters")
        await page.get_by_label("Choose payments: succeeded for points, ").nth(0).check()
        await page.get_by_role("button", name="Replay chosen").click()
        await expect(page.get_by_text("Of 1 replayed: 1 failed again.")).to_be_visible()
    for place in (1, 2):
        await page.get_by_label("Choose payments: succeeded for points, ").nth(place).check()
    await page.get_by_role("button", name="Replay chosen").click()
    await expect(page.get_by_text("Of 2 replayed: 2 handled.")).to_be_visible()
    await _picture(page, folder / "ops-dead-letters.png")
    await _resize(page, PHONE)
    await _picture(page, folder / "ops-dead-letters-phone.png")
    await _resize(page, DESKTOP)
    payment_id = str(orders[0]["payment_id"])
    await shop.notify(f"out_trade_no={payment_id}&trade_status=TRADE_SUCCESS&sign=x&sign_type=RSA2".encode())
    await shop.refund_part(payment_id, 1_234, "a-broken-cup")
    return orders[0]["order_id"]


async def _timeline(page: Page, order_id: str, folder: Path) -> None:
    await page.get_by_role("link", name=order_id).click()
    await expect(page.get_by_text("¥12.34 given back.")).to_be_visible()
    await expect(page.get_by_text("-13 points.")).to_be_visible()
    await _picture(page, folder / "ops-timeline.png", whole=True)
    await page.emulate_media(color_scheme="dark")
    await _resize(page, PHONE)
    await _picture(page, folder / "ops-timeline-phone-dark.png")
    await _resize(page, DESKTOP)
    await page.emulate_media(color_scheme="light")


async def _audit(page: Page, folder: Path) -> None:
    await page.goto("/ops#/dead-letters")
    await page.get_by_role("button", name="Refresh").click()
    await page.get_by_role("button", name="Replay all that match").click()
    await page.get_by_role("button", name="Replay them").click()
    await expect(page.get_by_text("2 handled")).to_be_visible()
    await page.goto("/ops#/audit")
    await page.get_by_role("button", name="Check the promises").click()
    await expect(page.get_by_text("All promises are kept.")).to_be_visible(timeout=60_000)
    await _picture(page, folder / "ops-audit.png")


async def _resize(page: Page, size: Size) -> None:
    await page.set_viewport_size({"width": size.width, "height": size.height})


async def _count(shop: ShopClient) -> int:
    return len(await shop.dead_letters())


async def _picture(page: Page, file: Path, *, whole: bool = False) -> None:
    """What is on the screen, or the whole page, once what was said in passing is gone."""
    await expect(page.locator("#says")).to_be_empty()
    await page.screenshot(path=file, animations="disabled", full_page=whole)


if __name__ == "__main__":
    asyncio.run(take(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER))
