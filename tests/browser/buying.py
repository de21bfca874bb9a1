"""What tests do with the storefront, as people do it."""

from playwright.async_api import Locator, Page, expect

from tests.support.shop_client import Json


def card(page: Page, sku: str) -> Locator:
    """One of the goods on the shelf."""
    return page.locator(f".product[data-sku={sku}]")


def line(page: Page, sku: str) -> Locator:
    """A line of the basket."""
    return page.locator(f".line[data-sku={sku}]")


async def add(page: Page, *skus: str) -> None:
    """Puts a piece of each into the basket."""
    for sku in skus:
        await card(page, sku).get_by_role("button").click()
        await expect(line(page, sku)).to_be_visible()


async def place(page: Page) -> str:
    """Places the order once its amount is known; its id, when its page is shown."""
    button = page.locator("#place")
    await expect(button).to_have_attribute("aria-disabled", "false")
    await button.click()
    return await shown_order(page)


async def shown_order(page: Page) -> str:
    """The id of the order whose page is shown, or soon will be."""
    await page.wait_for_url("**/#/orders/*")
    await expect(page.locator("#standing")).to_be_visible()
    return page.url.rpartition("/")[2]


async def open_payment(page: Page) -> Locator:
    """Asks for the payment; the way to the cashier."""
    await page.get_by_role("button", name="Pay with Alipay").click()
    cashier = page.get_by_role("link", name="Open the cashier")
    await expect(cashier).to_be_visible()
    return cashier


async def visit(page: Page, cashier: Locator) -> Page:
    """The cashier's page, in its own tab."""
    async with page.context.expect_page() as opened:
        await cashier.click()
    return await opened.value


def ways_to_pay(page: Page) -> Locator:
    """Whatever would let a buyer pay."""
    return page.locator(".qr, #cashier, button:has-text('Pay with'), button:has-text('Show the payment')")


async def orders_of(page: Page) -> list[Json]:
    """The orders that the shop has of who is signed in."""
    script = """async () => {
      const { token } = JSON.parse(sessionStorage.getItem("makegood.session"));
      const answer = await fetch("/api/orders", { headers: { Authorization: `Bearer ${token}` } });
      return (await answer.json()).orders;
    }"""
    return await page.evaluate(script)
