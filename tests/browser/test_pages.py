"""Every page of the storefront is sound: for screen readers and keyboards, on a phone, and in the dark."""

from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.browser.buying import add, open_payment, place, visit, ways_to_pay
from tests.browser.soundness import defects
from tests.browser.visiting import Scheme, Size, Visitors
from tests.support.shop_client import Line, ShopClient, coupon, product

STATIC = Path(__file__).parents[2] / "src/makegood/web/static"
NARROW = Size(360, 740)
WIDE = Size(1440, 900)
COUPONS = ((500, 3_000), (9_000, 90_000))
MOST_KEYS = 150
"""Presses of Tab after which something is out of reach."""


@pytest.mark.parametrize(("size", "scheme"), [(NARROW, "light"), (NARROW, "dark"), (WIDE, "light")])
async def test_every_page_is_sound(visitors: Visitors, shop: ShopClient, name: str, size: Size, scheme: Scheme) -> None:
    """Each page has names for its controls, headings in order, enough contrast, and no need to scroll sideways."""
    await shop.load(goods=[product(name, 9_900), product(f"{name}-few", 9_900, stock=1)])
    held = [coupon(f"{name}-{value}", value, minimum) for value, minimum in COUPONS]
    other = await shop.new_buyer(f"{name}-other")
    await shop.new_buyer(name, 50_000, held)
    await _is_sound(await visitors.open(size=size, scheme=scheme), "Sign in")
    page = await visitors.open(user=name, size=size, scheme=scheme)
    await _is_sound(page, "Goods")
    await add(page, name, f"{name}-few")
    await expect(page.locator("#place")).to_contain_text("to pay")
    await other.placed(Line(f"{name}-few", 1, 9_900))
    await expect(page.get_by_role("button", name="Take it out")).to_be_visible()
    assert await defects(page) == []
    await page.get_by_role("button", name="Take it out").click()
    await place(page)
    await _is_sound(page, "Order")
    cashier = await open_payment(page)
    assert await defects(page) == []
    platform = await visit(page, cashier)
    await expect(platform.get_by_role("button", name="Decline")).to_be_visible()
    assert await defects(platform) == []
    await page.bring_to_front()
    await expect(ways_to_pay(page)).to_have_count(0)
    assert await defects(page) == []
    await page.get_by_role("button", name="Cancel the order").click()
    assert await defects(page) == []
    await page.get_by_role("dialog").get_by_role("button", name="Cancel the order").click()
    await expect(page.locator("#standing")).to_have_text("Cancelled")
    assert await defects(page) == []
    await page.goto("/#/orders")
    await expect(page.locator(".entry")).to_have_count(1)
    await _is_sound(page, "Your orders")


async def test_buys_by_keyboard_alone(visitors: Visitors, shop: ShopClient, name: str) -> None:
    """From signing in to the refund everything is reached by Tab, seen where it is, and pressed by Enter or Space."""
    user = {"user": name, "password": "secret", "balance": 0}
    await shop.load(goods=[product(name, 9_900)], users=[user], coupons=[coupon(f"{name}-c", 900) | {"user": name}])
    page = await visitors.open()
    await expect(page.get_by_label("User")).to_be_focused()
    await page.keyboard.type(name)
    await page.keyboard.press("Tab")
    await page.keyboard.type("secret")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Goods", exact=True)).to_be_focused()
    await _reach(page, "#filter")
    await page.keyboard.type(name)
    await _reach(page, f".product[data-sku={name}] button")
    await page.keyboard.press("Space")
    await _reach(page, ".stepper button:last-child")
    await page.keyboard.press("Enter")
    await _reach(page, "input[name=coupon]")
    await page.keyboard.press("ArrowDown")
    await expect(page.locator("#amount-due")).to_have_text("¥189.00")
    await _reach(page, "#place")
    await page.keyboard.press("Enter")
    await expect(page.locator("#standing")).to_have_text("Waiting for payment")
    await expect(page.get_by_role("heading", level=1)).to_be_focused()
    await _reach(page, "#pay-title ~ button")
    await page.keyboard.press("Space")
    await _reach(page, "#cashier")
    async with page.context.expect_page() as opened:
        await page.keyboard.press("Enter")
    platform = await opened.value
    await _reach(platform, "button[value=pay]")
    await platform.keyboard.press("Enter")
    await page.bring_to_front()
    await expect(page.locator("#standing")).to_have_text("Paid")
    await _reach(page, ".actions button")
    await page.keyboard.press("Enter")
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("button", name="Ask for a refund")).to_be_focused()
    await page.keyboard.press("Enter")
    await _reach(page, "dialog .danger")
    await page.keyboard.press("Enter")
    await expect(page.locator("#standing")).to_have_text("Refunded")


async def test_skip_link(visitors: Visitors) -> None:
    """The first Tab shows the way past the header."""
    page = await visitors.open(user="alice")
    await expect(page.get_by_role("heading", name="Goods", exact=True)).to_be_focused()
    await page.locator(".skip").focus()
    await expect(page.locator(".skip")).to_be_in_viewport()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Goods", exact=True)).to_be_focused()


async def test_pictures_follow_from_the_sku(visitors: Visitors) -> None:
    """The same goods look the same on every visit, and different goods differ."""
    seen: list[list[str]] = []
    for user in ("alice", "bob"):
        page = await visitors.open(user=user)
        await expect(page.locator(".product[data-sku=tea-puer] svg")).to_be_visible()
        seen.append(
            await page.locator(".product[data-sku^=tea] svg").evaluate_all("all => all.map(one => one.innerHTML)")
        )
    assert seen[0] == seen[1]
    assert len(set(seen[0])) == len(seen[0]) > 1


async def test_content_types(shop: ShopClient) -> None:
    """Every file says what it is, and its character set once."""
    expected = {
        ".js": "text/javascript; charset=utf-8",
        ".css": "text/css; charset=utf-8",
        ".html": "text/html; charset=utf-8",
        ".svg": "image/svg+xml",
    }
    for file in STATIC.iterdir():
        answer = await shop.http.get(f"{shop.process.url}/static/{file.name}")
        assert answer.headers.get_list("content-type") == [expected[file.suffix]], file.name


async def _is_sound(page: Page, title: str) -> None:
    await expect(page.get_by_role("heading", level=1)).to_contain_text(title)
    await expect(page.locator(".skeleton")).to_have_count(0)
    assert await defects(page) == []


async def _reach(page: Page, selector: str) -> None:
    """Presses Tab until this is in focus, where the focus can be seen."""
    await expect(page.locator(selector).first).to_be_visible()
    script = """selector => {
      const outlined = document.activeElement.closest(".coupon") ?? document.activeElement;
      const style = getComputedStyle(outlined);
      const shown = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
      return [document.activeElement.matches(selector), shown, document.activeElement.outerHTML.slice(0, 100)];
    }"""
    for _ in range(MOST_KEYS):
        await page.keyboard.press("Tab")
        reached, shown, element = await page.evaluate(script, selector)
        if reached:
            assert shown, f"the focus is not to be seen: {element}"
            return
    raise AssertionError(f"{MOST_KEYS} Tabs do not reach {selector}")
