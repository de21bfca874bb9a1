"""Takes the storefront's pictures for the documentation anew: python -m tests.browser.screenshots [FOLDER]."""

import asyncio
import sys
import tempfile
from pathlib import Path

from playwright.async_api import Page, expect

from tests.browser.buying import add, open_payment, place, visit
from tests.browser.chromium import running_chromium
from tests.browser.visiting import DESKTOP, PHONE, Scheme, Size, Visitors
from tests.support.shop_client import shop_client
from tests.support.shop_process import running_shop

FOLDER = Path(__file__).parents[2] / "docs/screenshots"
VISITS: tuple[tuple[str, str, Size, Scheme], ...] = (
    ("desktop", "alice", DESKTOP, "light"),
    ("phone", "bob", PHONE, "light"),
    ("desktop-dark", "carol", DESKTOP, "dark"),
    ("phone-dark", "dave", PHONE, "dark"),
)
TO_THE_TOP = "basket => { basket.scrollTop = 0; basket.scrollIntoView({ block: 'start' }); }"


async def take(folder: Path) -> None:
    """Buys something on each kind of screen, and takes a picture of every step."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as data, running_shop(Path(data)) as process:
        async with shop_client(process) as shop, running_chromium() as browser:
            visitors = Visitors(browser, shop)
            for kind, user, size, scheme in VISITS:
                page = await visitors.open(user=user, size=size, scheme=scheme)
                await _buy(page, folder, kind)
            await visitors.close()
            assert visitors.errors == []


async def _buy(page: Page, folder: Path, kind: str) -> None:
    await expect(page.locator(".skeleton")).to_have_count(0)
    await _picture(page, folder / f"goods-{kind}.png")
    await add(page, "lamp-desk", "tea-longjing")
    await page.get_by_role("radio", name="¥50.00 off").check()
    await page.get_by_label("¥ to use").fill("12.50")
    await expect(page.locator("#amount-due")).to_have_text("¥414.50")
    await page.locator("#place").focus()
    await page.locator("#basket").evaluate(TO_THE_TOP)
    await _picture(page, folder / f"basket-{kind}.png")
    await place(page)
    cashier = await open_payment(page)
    await page.wait_for_function("() => document.querySelector('.qr img').naturalWidth > 0")
    await _picture(page, folder / f"payment-{kind}.png")
    platform = await visit(page, cashier)
    await platform.get_by_role("button", name="Pay").click()
    await page.bring_to_front()
    await expect(page.locator("#standing")).to_have_text("Paid")
    await expect(page.locator("#account")).to_contain_text("414 points")
    await _picture(page, folder / f"paid-{kind}.png")


async def _picture(page: Page, file: Path) -> None:
    """What is on the screen, once nothing moves and what was said in passing is gone."""
    await page.mouse.move(0, 0)
    await expect(page.locator("#says")).to_be_empty()
    await page.screenshot(path=file, animations="disabled")


if __name__ == "__main__":
    asyncio.run(take(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER))
