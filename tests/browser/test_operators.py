"""The operators' page: what they see of the shop, and what they mend."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from playwright.async_api import Locator, Page, Route, expect

from tests.browser.soundness import defects
from tests.browser.visiting import DESKTOP, PHONE, Scheme, Size, Visitors
from tests.support.shop_client import Line, ShopClient, eventually, good, product, shop_client
from tests.support.shop_process import ShopProcess, running_shop
from tests.support.spoilt import points_refused

TEA = 12_000
POINTS = 120
"""What a tea costs, in fen, shipped free, and the points that it brings."""


@pytest.fixture(scope="module")
def broken_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ShopProcess]:
    """A shop in which something breaks."""
    with running_shop(tmp_path_factory.mktemp("operated")) as process:
        yield process


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def shop(broken_process: ShopProcess) -> AsyncIterator[ShopClient]:
    """Its operator; in the end everything is mended."""
    async with shop_client(broken_process) as client:
        yield client
        assert await client.broken_promises() == []
        assert await client.dead_letters() == []


async def _console(visitors: Visitors, shop: ShopClient, section: str) -> Page:
    """The console with a section open."""
    page = await visitors.open(f"/ops#/{section}")
    await _sign_in(page, shop.process.token)
    await expect(page.get_by_role("heading", level=1)).not_to_have_text("Operators")
    return page


async def _sign_in(page: Page, token: str) -> None:
    await page.get_by_label("Operators' token").fill(token)
    await page.get_by_role("button", name="Open the console").click()


async def _paid(shop: ShopClient, name: str, count: int) -> list[str]:
    """The ids of so many paid orders of tea."""
    await shop.load(goods=[product(name, TEA)])
    buyer = await shop.new_buyer(name)
    return [(await buyer.paid(Line(name, 1, TEA)))["order_id"] for _ in range(count)]


def _row(page: Page, order_id: str) -> Locator:
    return page.get_by_role("row").filter(has=page.get_by_role("link", name=order_id))


async def test_signing_in(visitors: Visitors, shop: ShopClient) -> None:
    """A wrong token is refused in words, the right one opens the console; it never stands in the address."""
    visitors.forgive("401 (Unauthorized)")
    page = await visitors.open("/ops")
    await _sign_in(page, "wrong")
    await expect(page.get_by_role("alert")).to_have_text("This is not the operators' token.")
    await _sign_in(page, shop.process.token)
    await expect(page.get_by_role("heading", name="Live", exact=True)).to_be_focused()
    await page.reload()
    await expect(page.get_by_role("heading", name="Live", exact=True)).to_be_visible()
    assert shop.process.token not in page.url
    await page.get_by_role("button", name="Close").click()
    await expect(page.get_by_label("Operators' token")).to_be_focused()


async def test_live_figures(visitors: Visitors, shop: ShopClient, name: str) -> None:
    """The lines and the table follow what the shop does; a service opens to its functions and its groups."""
    page = await _console(visitors, shop, "live")
    rate = page.get_by_role("figure").filter(has=page.get_by_role("heading", name="Orders a second"))
    await expect(rate).to_contain_text("Now 0;")
    await _paid(shop, name, 3)
    await expect(rate).not_to_contain_text("most 0 orders")
    await expect(rate.get_by_role("img")).to_be_visible()
    opener = page.get_by_role("button", name="orders", exact=True)
    await opener.click()
    await expect(opener).to_have_attribute("aria-expanded", "true")
    await expect(page.get_by_role("row", name="Settle")).to_be_visible()
    await expect(page.get_by_text("Consumer group orders")).to_be_visible()


async def test_a_dead_letter_is_replayed(visitors: Visitors, shop: ShopClient, name: str) -> None:
    """An operator sees why an event failed, replays it in vain, and sees it handled once the cause is mended."""
    with points_refused(shop.process):
        [order_id] = await _paid(shop, name, 1)
        await eventually(lambda: _failed(shop, [order_id]), [order_id])
        page = await _console(visitors, shop, "dead-letters")
        row = _row(page, order_id)
        await expect(row).to_contain_text("spoilt")
        await expect(row).to_contain_text("payments: succeeded")
        await row.get_by_role("button", name="Replay").click()
        await expect(row).to_contain_text("Failed again")
    await row.get_by_role("button", name="Replay").click()
    await expect(row).to_contain_text("Handled")
    buyer = await shop.buyer(name)
    await buyer.has(points=POINTS)
    await page.get_by_role("button", name="Refresh").click()
    await expect(page.get_by_text("There are none.")).to_be_visible()


async def test_many_are_replayed_with_an_outcome_each(visitors: Visitors, shop: ShopClient, name: str) -> None:
    """Of the chosen ones each shows what became of it, also the one that somebody else has replayed meanwhile."""
    with points_refused(shop.process):
        ids = await _paid(shop, name, 3)
        await eventually(lambda: _failed(shop, ids), ids)
    page = await _console(visitors, shop, "dead-letters")
    await page.get_by_label("Consumer group").select_option("stock")
    await expect(page.get_by_text("There are none.")).to_be_visible()
    await page.get_by_label("Consumer group").select_option("points")
    await expect(_row(page, ids[0])).to_contain_text("buried")
    first = next(one for one in await shop.dead_letters() if one["order_id"] == ids[0])
    assert (await shop.ops("POST", f"/api/ops/dead-letters/{first['id']}/replay")).status_code == 202
    await eventually(lambda: _failed(shop, ids), ids[1:])
    await page.get_by_label("Choose all that are shown").check()
    await page.get_by_role("button", name="Replay chosen").click()
    await expect(page.get_by_text("Of 3 replayed: 2 handled, 1 gone.")).to_be_visible()
    for order_id, outcome in zip(ids, ("Gone", "Handled", "Handled"), strict=True):
        await expect(_row(page, order_id)).to_contain_text(outcome)
    assert await shop.dead_letters() == []


async def test_audit(visitors: Visitors, shop: ShopClient, name: str) -> None:
    """At the press of a button every promise is checked, and each says that it is kept."""
    await _paid(shop, name, 1)
    page = await _console(visitors, shop, "audit")
    await page.get_by_role("button", name="Check the promises").click()
    await expect(page.get_by_text("All promises are kept.")).to_be_visible()
    rows = page.get_by_role("table", name="The promises").get_by_role("row")
    assert await rows.count() > 5
    assert await rows.filter(has_text="kept").count() == await rows.count() - 1


async def test_timeline(visitors: Visitors, shop: ShopClient, name: str) -> None:
    """An order's timeline tells what was asked and answered, what was published and who heard it, and who called."""
    [order_id] = await _paid(shop, name, 1)
    page = await _console(visitors, shop, "orders")
    await page.get_by_label("Order or payment number").fill(order_id)
    await page.get_by_role("button", name="Show").click()
    moments = page.get_by_role("listitem")
    await expect(moments.filter(has_text="Agreed, and took the goods.")).to_contain_text("operation")
    await expect(moments.filter(has_text="It made the payment paid.")).to_contain_text("verified")
    succeeded = moments.filter(has_text="published succeeded")
    await expect(succeeded).to_contain_text("event")
    for group in ("orders", "points", "journal"):
        await expect(succeeded.get_by_role("listitem").filter(has_text=group)).to_contain_text("heard it")
    journal = page.get_by_role("button", name="Journal")
    await expect(moments.filter(has_text="The journal wrote the event down.").first).to_be_hidden()
    await journal.click()
    await expect(moments.filter(has_text="The journal wrote the event down.").first).to_be_visible()


async def test_shipping_and_refunding(visitors: Visitors, shop: ShopClient, name: str) -> None:
    """An order is shipped and a part of its payment refunded, once, though the button is pressed twice."""
    [order_id] = await _paid(shop, name, 1)
    page = await _console(visitors, shop, f"orders/{order_id}")
    await page.get_by_role("button", name="Ship").click()
    await expect(page.get_by_text("The goods have left.")).to_be_visible()
    await page.get_by_role("button", name="Refund…").click()
    await page.get_by_label("Amount in yuan").fill("12.34")
    await page.get_by_role("button", name="Refund", exact=True).dblclick()
    await expect(page.get_by_text("¥12.34 given back.")).to_be_visible()
    timeline = good(await shop.ops("GET", f"/api/ops/orders/{order_id}/timeline"))
    assert [one["what"] for one in timeline["moments"]].count("refund requested") == 1
    assert [one["refundable"] for one in timeline["payments"]] == [TEA - 1_234]


async def test_a_refund_whose_answer_is_lost(visitors: Visitors, shop: ShopClient, name: str) -> None:
    """When the shop's answer does not arrive the page says that nothing is known, and asking again is one refund."""
    visitors.forgive("ERR_FAILED")
    [order_id] = await _paid(shop, name, 1)
    page = await _console(visitors, shop, f"orders/{order_id}")
    await page.route("**/refund", _lose_the_answer, times=1)
    await page.get_by_role("button", name="Refund…").click()
    await page.get_by_label("Amount in yuan").fill("5")
    await page.get_by_role("button", name="Refund", exact=True).click()
    await expect(page.get_by_role("alert")).to_contain_text("It is not known whether the refund of ¥5.00 was begun.")
    await expect(page.get_by_label("Amount in yuan")).not_to_be_editable()
    await page.reload()
    await page.get_by_role("button", name="Refund", exact=True).click()
    await expect(page.get_by_text("¥5.00 given back.")).to_be_visible()
    timeline = good(await shop.ops("GET", f"/api/ops/orders/{order_id}/timeline"))
    assert [one["what"] for one in timeline["moments"]].count("refund requested") == 1


async def _lose_the_answer(route: Route) -> None:
    """The shop gets the request and answers; the page hears nothing of it."""
    answer = await route.fetch()
    assert answer.status == 202
    await route.abort()


@pytest.mark.parametrize(("size", "scheme"), [(PHONE, "dark"), (DESKTOP, "light")])
async def test_every_section_is_sound(
    visitors: Visitors, shop: ShopClient, name: str, size: Size, scheme: Scheme
) -> None:
    """Each section has names for its controls, headings in order, enough contrast, and no need to scroll sideways."""
    with points_refused(shop.process):
        [order_id] = await _paid(shop, name, 1)
        await eventually(lambda: _failed(shop, [order_id]), [order_id])
    page = await visitors.open(f"/ops#/orders/{order_id}", size=size, scheme=scheme)
    assert await defects(page) == []
    await _sign_in(page, shop.process.token)
    await expect(page.get_by_text("It made the payment paid.")).to_be_visible()
    await page.get_by_role("button", name="Refund…").click()
    await page.get_by_text("Details").first.click()
    assert await defects(page) == []
    await _go(page, "live")
    await page.get_by_role("button", name="points", exact=True).click()
    await expect(page.get_by_text("Consumer group points")).to_be_visible()
    assert await defects(page) == []
    await _go(page, "dead-letters")
    await expect(_row(page, order_id)).to_contain_text("buried")
    assert await defects(page) == []
    await _row(page, order_id).get_by_role("button", name="Replay").click()
    await expect(_row(page, order_id)).to_contain_text("Handled")
    assert await defects(page) == []
    await _go(page, "audit")
    await page.get_by_role("button", name="Check the promises").click()
    await expect(page.get_by_text("All promises are kept.")).to_be_visible()
    assert await defects(page) == []
    await _go(page, "settle")
    await expect(page.get_by_text("There are none.").first).to_be_visible()
    assert await defects(page) == []


async def _go(page: Page, section: str) -> None:
    await page.locator(f"#sections [href='#/{section}']").click()
    await expect(page.locator("#sections [aria-current=page]")).to_have_attribute("href", f"#/{section}")
    await expect(page.get_by_role("heading", level=1)).to_be_focused()


async def _failed(shop: ShopClient, order_ids: list[str]) -> list[str]:
    """Which of these orders have a dead letter."""
    letters = [one["order_id"] for one in await shop.dead_letters()]
    return [order_id for order_id in order_ids if order_id in letters]
