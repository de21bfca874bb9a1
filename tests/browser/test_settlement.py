"""Bills on the operators' page: compared there and again, with what differs; and what an order's timeline has of it."""

from collections.abc import AsyncIterator, Iterator
from typing import NamedTuple

import pytest
import pytest_asyncio
from playwright.async_api import Locator, Page, Route, expect

from tests.browser.soundness import defects
from tests.browser.visiting import DESKTOP, PHONE, Scheme, Size, Visitors
from tests.support.shop_client import Line, ShopClient, good, product, shop_client
from tests.support.yesterday import Yesterday, another_system, at_cashier, shop_of_yesterday, until_break

TEA = 12_000
"""What a tea costs, in fen, shipped free."""


class Past(NamedTuple):
    """What happened on the day that is over: an order that was paid rightly, and one for which somebody paid less."""

    date: str
    account: str
    paid: str
    odd: str
    number: str


@pytest.fixture(scope="module")
def yesterday(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yesterday]:
    """A shop of the day before."""
    with shop_of_yesterday(tmp_path_factory.mktemp("settled")) as process:
        yield process


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def past(yesterday: Yesterday) -> Past:
    """Its day is over."""
    async with shop_client(yesterday.process) as shop:
        await shop.load(goods=[product("tea", TEA)])
        buyer = await shop.new_buyer("paula")
        paid, odd = [await buyer.placed(Line("tea", 1, TEA)) for _ in range(2)]
        numbers = [await buyer.open_payment(one["order_id"], "alipay_page") for one in (paid, odd)]
        await at_cashier(shop, good(numbers[0])["pay_url"])
        await buyer.until(paid["order_id"], payment_status="PAID")
        number = good(numbers[1])["payment_id"]
        async with another_system(shop, yesterday.now) as other:
            await other.takes(number, TEA - 1)
            await until_break(shop, "amount_mismatch", number)
            await other.takes("old_shop_1", 4_200)
            await until_break(shop, "unknown_payment", "old_shop_1")
            account = other.account
        date = yesterday.day.isoformat()
        yesterday.becomes_today()
        return Past(date, account, paid["order_id"], odd["order_id"], number)


@pytest_asyncio.fixture(loop_scope="session")
async def shop(past: Past, yesterday: Yesterday) -> AsyncIterator[ShopClient]:
    """The operator of the shop, the day after."""
    del past
    async with shop_client(yesterday.process) as client:
        yield client


async def _console(visitors: Visitors, shop: ShopClient, section: str, size: Size, scheme: Scheme = "light") -> Page:
    page = await visitors.open(f"/ops#/{section}", size=size, scheme=scheme)
    await page.get_by_label("Operators' token").fill(shop.process.token)
    await page.get_by_role("button", name="Open the console").click()
    await expect(page.get_by_role("heading", level=1)).not_to_have_text("Operators")
    return page


async def _settle(visitors: Visitors, shop: ShopClient) -> Page:
    """What is to be settled, on a desktop."""
    return await _console(visitors, shop, "settle", DESKTOP)


def _card(page: Page, name: str) -> Locator:
    return page.get_by_role("region", name=name, exact=True)


async def _compared(page: Page, past: Past, channel: str = "alipay") -> Locator:
    """The row of the bill once it was compared with the form, or however often before."""
    bills = _card(page, "Bills")
    await bills.get_by_label("Channel").fill(channel)
    await bills.get_by_label("Day, by China's clock").fill(past.date)
    await bills.get_by_role("button", name="Compare", exact=True).click()
    await expect(page.locator("#says")).to_have_text(f"The bill of {past.date} is compared: 2 to settle.")
    await expect(bills.get_by_role("button", name="Compare", exact=True)).to_be_visible()
    row = bills.get_by_role("row").filter(has_text=past.account).filter(has_text=past.date)
    await expect(row).to_contain_text("done")
    return row


async def test_a_bill_is_compared(visitors: Visitors, shop: ShopClient, past: Past) -> None:
    """The form compares a bill and waits for its end; it is listed with its sums, and every line that differs."""
    page = await _settle(visitors, shop)
    await expect(_card(page, "Bills").get_by_label("Day, by China's clock")).to_have_value(past.date)
    row = await _compared(page, past)
    for text in ("¥281.99", "¥0.00", "3", "2"):
        await expect(row).to_contain_text(text)
    lines = _card(page, "Lines of bills that differ").get_by_role("row")
    await expect(lines).to_have_count(3)
    odd = lines.filter(has_text=past.number)
    for text in ("amount differs", "¥120.00", "¥119.99", past.account):
        await expect(odd).to_contain_text(text)
    stranger = lines.filter(has_text="old_shop_1")
    await expect(stranger).to_contain_text("theirs only")
    await expect(stranger).to_contain_text("¥42.00")
    await expect(stranger.get_by_role("link")).to_have_count(0)
    breaks = _card(page, "Differences to the platforms").get_by_role("row")
    await expect(breaks.filter(has_text=past.number)).to_contain_text("amount mismatch")
    await odd.get_by_role("link", name=past.odd).click()
    await expect(page.get_by_role("heading", name=f"Order {past.odd}")).to_be_visible()


async def test_compare_again(visitors: Visitors, shop: ShopClient, past: Past) -> None:
    """A bill that was compared is compared once more at the press of its button, which keeps the focus."""
    page = await _settle(visitors, shop)
    row = await _compared(page, past)
    run = (await _bill(shop, past))["run"]
    again = row.get_by_role("button", name="Compare again")
    await again.click()
    await expect(row.get_by_role("cell").nth(7)).to_have_text(str(run + 1))
    await expect(again).to_be_focused()
    assert (await _bill(shop, past))["differences"] == 2
    await expect(_card(page, "Lines of bills that differ").get_by_role("row")).to_have_count(3)


async def test_a_platform_that_is_away(visitors: Visitors, shop: ShopClient) -> None:
    """A bill that cannot be had yet says why, and that it goes on; pressed again when it is there it is compared."""
    page = await _settle(visitors, shop)
    bills = _card(page, "Bills")
    await bills.get_by_label("Day, by China's clock").fill("2024-03-01")
    row = bills.get_by_role("row").filter(has_text="2024-03-01")
    await shop.control("POST", "faults", json={"rules": [{"kind": "server_error", "platform": "alipay"}]})
    try:
        await bills.get_by_role("button", name="Compare", exact=True).click()
        await expect(page.locator("#says")).to_have_text("The bill of 2024-03-01 is still being compared.")
        await expect(row).to_contain_text("running")
    finally:
        await shop.control("POST", "faults", json={})
    await expect(row.get_by_role("cell").nth(2)).to_contain_text("Alipay answered")
    await row.get_by_role("button", name="Compare again").click()
    await expect(page.locator("#says")).to_have_text("The bill of 2024-03-01 is compared: nothing differs.")
    await expect(row).to_contain_text("done")


async def test_what_cannot_be_compared(visitors: Visitors, shop: ShopClient) -> None:
    """A channel that is none, and an answer that is lost, are told in words beside the form."""
    visitors.forgive("422 (Unprocessable", "ERR_FAILED")
    page = await _settle(visitors, shop)
    bills = _card(page, "Bills")
    await bills.get_by_label("Channel").fill("bank")
    await bills.get_by_role("button", name="Compare", exact=True).click()
    await expect(bills.get_by_role("alert")).to_contain_text("This shop has no such payment channel.")
    await page.route("**/api/ops/reconciliations", _lose, times=1)
    await bills.get_by_label("Channel").fill("stripe")
    await bills.get_by_role("button", name="Compare", exact=True).click()
    await expect(bills.get_by_role("alert")).to_contain_text("No answer came from the shop.")
    await bills.get_by_role("button", name="Compare", exact=True).click()
    await expect(bills.get_by_role("alert")).to_have_count(0)
    await expect(bills.get_by_role("row").filter(has_text="stripe:")).to_contain_text("done")


async def _lose(route: Route) -> None:
    await route.abort()


async def test_the_timeline_of_an_order(visitors: Visitors, shop: ShopClient, past: Past) -> None:
    """An order's timeline tells of its break, its line and its bill; a press leaves them out, another brings them."""
    page = await _settle(visitors, shop)
    await _compared(page, past)
    await page.goto(f"/ops#/orders/{past.odd}")
    moments = page.get_by_role("listitem").filter(has_text="settlement")
    differs = moments.filter(has_text=f"The bill of {past.date} has a payment of ¥119.99, we have ¥120.00:")
    listed = moments.filter(has_text="alipay_page says ¥119.99; listed for a person to settle:")
    await expect(differs).to_contain_text("to settle")
    await expect(listed).to_contain_text("break amount mismatch")
    chip = page.get_by_role("button", name="Settlement 2")
    await expect(chip).to_have_attribute("aria-pressed", "true")
    await chip.click()
    await expect(chip).to_have_attribute("aria-pressed", "false")
    await expect(differs).to_be_hidden()
    await expect(listed).to_be_hidden()
    await expect(page.get_by_text("was opened at alipay_page.")).to_be_visible()
    await chip.click()
    await expect(differs).to_be_visible()
    await differs.get_by_text("Details").click()
    await expect(differs.get_by_role("definition").filter(has_text="¥120.00")).to_be_visible()
    await page.goto(f"/ops#/orders/{past.paid}")
    done = page.get_by_role("listitem").filter(has_text="bill done")
    await expect(done).to_contain_text(f"The bill of {past.date} was compared: 2 of its lines differ, of all orders.")
    await expect(page.get_by_role("button", name="Settlement 1")).to_be_visible()


@pytest.mark.parametrize(("size", "scheme"), [(PHONE, "dark"), (PHONE, "light"), (DESKTOP, "light")])
async def test_it_is_sound(visitors: Visitors, shop: ShopClient, past: Past, size: Size, scheme: Scheme) -> None:
    """With bills, lines and breaks the page has names for its controls and contrast, and never scrolls sideways."""
    page = await _console(visitors, shop, "settle", size, scheme)
    await _compared(page, past)
    await expect(_card(page, "Lines of bills that differ").get_by_text("old_shop_1")).to_be_visible()
    await expect(page.locator("#says")).to_be_empty()
    assert await defects(page) == []
    await page.goto(f"/ops#/orders/{past.odd}")
    moment = page.get_by_role("listitem").filter(has_text="bill amount differs")
    await moment.get_by_text("Details").click()
    assert await defects(page) == []


async def _bill(shop: ShopClient, past: Past) -> dict[str, int]:
    return good(await shop.ops("GET", f"/api/ops/reconciliations/alipay/{past.date}"))
