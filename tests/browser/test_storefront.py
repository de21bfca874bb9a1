"""Buying in the storefront: goods, basket, order, payment, and what may come between."""

from playwright.async_api import Locator, Page, Route, expect

from tests.browser.buying import add, card, line, open_payment, orders_of, place, shown_order, visit, ways_to_pay
from tests.browser.visiting import PHONE, Visitors
from tests.support.shop_client import Line, ShopClient, coupon, product


async def test_buys_with_coupon_and_balance(visitors: Visitors, shop: ShopClient, name: str) -> None:
    """Who pays at the cashier sees the order become paid, with its points, without loading the page again."""
    await shop.load(goods=[product(name, 20_000)])
    buyer = await shop.new_buyer(name, 5_000, [coupon(f"{name}-c", 2_000, 10_000), coupon(f"{name}-d", 9_000, 50_000)])
    page = await visitors.open(user=name)
    await add(page, name)
    await expect(page.get_by_role("radio", name="¥90.00 off")).to_be_disabled()
    await expect(page.get_by_text("From ¥500.00: add goods worth ¥300.00 to use it.")).to_be_visible()
    await page.get_by_role("radio", name="¥20.00 off").check()
    await page.get_by_label("¥ to use").fill("12.50")
    await expect(page.locator("#amount-due")).to_have_text("¥167.50")
    order_id = await place(page)
    await expect(page.locator("#standing")).to_have_text("Waiting for payment")
    cashier = await open_payment(page)
    await page.wait_for_function("() => document.querySelector('.qr img').naturalWidth > 0")
    platform = await visit(page, cashier)
    await platform.get_by_role("button", name="Pay ¥167.50").click()
    await expect(platform.get_by_role("status")).to_have_text("Paid. The shop is being told.")
    await expect(page.locator("#standing")).to_have_text("Paid")
    await expect(page.locator(".history li").first).to_contain_text("Paid")
    await expect(page.locator("#account")).to_contain_text("167 points")
    order = await buyer.order(order_id)
    assert (order["discount"], order["balance"], order["amount_due"]) == (2_000, 1_250, 16_750)


async def test_sold_out_in_the_basket(visitors: Visitors, shop: ShopClient, name: str) -> None:
    """What others take meanwhile is told at its line, before an order is refused for it; the rest can be bought."""
    gone, left = f"{name}-gone", f"{name}-left"
    await shop.load(goods=[product(gone, 9_900, stock=1), product(left, 9_900)])
    await shop.new_buyer(name)
    page = await visitors.open(user=name)
    await add(page, gone, left)
    other = await shop.new_buyer(f"{name}-other")
    await other.placed(Line(gone, 1, 9_900))
    await expect(line(page, gone)).to_contain_text("Sold out")
    await expect(line(page, left).locator(".trouble")).to_be_hidden()
    await expect(card(page, gone).get_by_role("button")).to_be_disabled()
    await expect(page.locator("#place")).to_have_attribute("aria-disabled", "true")
    await line(page, gone).get_by_role("button", name="Take it out").click()
    order_id = await place(page)
    assert [(one["order_id"], one["lines"][0]["sku"]) for one in await orders_of(page)] == [(order_id, left)]


async def test_refused_for_stock(visitors: Visitors, shop: ShopClient, name: str) -> None:
    """An order that comes too late is refused in words, and its line says how many are left."""
    visitors.forgive("409 (Conflict)")
    await shop.load(goods=[product(name, 9_900, stock=3)])
    await shop.new_buyer(name)
    other = await shop.new_buyer(f"{name}-other")
    page = await visitors.open(user=name)
    await add(page, name)
    await line(page, name).get_by_label("Quantity of").fill("3")
    await expect(page.locator("#amount-due")).to_have_text("¥297.00")

    async def faster(route: Route) -> None:
        await other.placed(Line(name, 2, 9_900))
        await route.continue_()

    await page.route("**/api/orders", faster, times=1)
    await page.locator("#place").click()
    await expect(page.get_by_role("alert")).to_contain_text("Somebody was faster")
    await expect(line(page, name)).to_contain_text("Only 1 left")
    await line(page, name).get_by_role("button", name="Take 1").click()
    await expect(page.get_by_role("alert")).to_be_hidden()
    await place(page)


async def test_lost_answer(visitors: Visitors, shop: ShopClient, name: str) -> None:
    """An answer that is lost on its way is asked for again with the same key, so there is one order."""
    visitors.forgive("ERR_FAILED")
    await shop.load(goods=[product(name, 9_900)])
    await shop.new_buyer(name)
    page = await visitors.open(user=name)
    keys: list[str] = []

    async def lost(route: Route) -> None:
        await route.fetch()
        await route.abort()

    page.on("request", lambda request: keys.append(request.headers.get("idempotency-key", "")))
    await page.route("**/api/orders", lost, times=1)
    await add(page, name)
    await expect(page.locator("#place")).to_have_attribute("aria-disabled", "false")
    await page.locator("#place").click()
    await expect(page.get_by_text("We do not know yet whether your order was placed.")).to_be_visible()
    await expect(page.locator("#place")).to_be_hidden()
    order_id = await shown_order(page)
    sent = [key for key in keys if key]
    assert len(sent) == 2
    assert len(set(sent)) == 1
    assert [order["order_id"] for order in await orders_of(page)] == [order_id]


async def test_reload_while_placing(visitors: Visitors, shop: ShopClient, name: str) -> None:
    """Who loads the page again while the answer is awaited gets the order that was placed, and no other."""
    await shop.load(goods=[product(name, 9_900)])
    await shop.new_buyer(name)
    page = await visitors.open(user=name)

    async def silent(route: Route) -> None:
        await route.fetch()
        await page.evaluate("() => { document.title = 'The shop has it' }")

    await page.route("**/api/orders", silent, times=1)
    await add(page, name)
    await expect(page.locator("#place")).to_have_attribute("aria-disabled", "false")
    await page.locator("#place").click()
    await expect(page).to_have_title("The shop has it")
    await page.reload()
    order_id = await shown_order(page)
    assert [order["order_id"] for order in await orders_of(page)] == [order_id]
    await page.get_by_role("link", name="Goods", exact=True).click()
    await expect(page.get_by_text("Your basket is empty")).to_be_visible()


async def test_no_second_offer_to_pay(visitors: Visitors, shop: ShopClient, name: str) -> None:
    """Once the cashier was visited nothing offers to pay, also after a reload, until the buyer says they have not."""
    page, cashier = await _paying(visitors, shop, name)
    platform = await visit(page, cashier)
    await page.bring_to_front()
    await expect(page.get_by_text("please do not pay again")).to_be_visible()
    await expect(ways_to_pay(page)).to_have_count(0)
    await page.reload()
    await expect(page.get_by_text("please do not pay again")).to_be_visible()
    await expect(ways_to_pay(page)).to_have_count(0)
    closed = page.get_by_role("button", name="I closed it without paying")
    await closed.click()
    await page.get_by_role("dialog").get_by_role("button", name="Back").click()
    await expect(closed).to_be_focused()
    await expect(ways_to_pay(page)).to_have_count(0)
    await closed.click()
    await page.get_by_role("button", name="I have not paid").click()
    await expect(page.get_by_role("link", name="Open the cashier")).to_have_attribute("href", platform.url)


async def test_no_offer_to_pay_without_sight(visitors: Visitors, shop: ShopClient, name: str) -> None:
    """While the page cannot see the order it offers no payment, and says so; when it sees it again, it does."""
    visitors.forgive("ERR_FAILED")
    await shop.load(goods=[product(name, 9_900)])
    buyer = await shop.new_buyer(name)
    order = await buyer.placed(Line(name, 1, 9_900))
    page = await visitors.open("/", user=name)
    await page.route("**/events", lambda route: route.abort(), times=1)
    await page.goto(f"/#/orders/{order['order_id']}")
    await expect(page.get_by_text("We cannot see right now whether this order is paid.")).to_be_visible()
    await expect(ways_to_pay(page)).to_have_count(0)
    await expect(page.get_by_role("button", name="Pay with Alipay")).to_be_visible()


async def test_price_changed_in_the_basket(visitors: Visitors, shop: ShopClient, name: str) -> None:
    """A price that has changed is told at its line, and nothing is ordered before the buyer agrees."""
    await shop.load(goods=[product(name, 9_900)])
    await shop.new_buyer(name)
    page = await visitors.open(user=name)
    kept = {"lines": [{"sku": name, "quantity": 2, "unit_price": 9_000}], "coupon_id": None, "balance": 0}
    script = "([name, basket]) => sessionStorage.setItem(`makegood.basket.${name}`, JSON.stringify(basket))"
    await page.evaluate(script, [name, kept])
    await page.reload()
    await expect(line(page, name)).to_contain_text("The price is now ¥99.00; it was ¥90.00.")
    await expect(page.locator("#place")).to_have_attribute("aria-disabled", "true")
    await page.get_by_role("button", name="Agree to the new prices").click()
    await expect(page.locator("#amount-due")).to_have_text("¥198.00")
    await place(page)


async def test_busy_shop(visitors: Visitors, shop: ShopClient, name: str) -> None:
    """A shop too busy to take the order is asked again after the time it names, with the same key."""
    visitors.forgive("503 (Service Unavailable)")
    await shop.load(goods=[product(name, 9_900)])
    await shop.new_buyer(name)
    page = await visitors.open(user=name)
    refusal = '{"type": "x", "title": "x", "status": 503, "code": "overloaded", "detail": ""}'
    await page.route(
        "**/api/orders",
        lambda route: route.fulfill(status=503, body=refusal, headers={"Retry-After": "1"}),
        times=1,
    )
    await add(page, name)
    await expect(page.locator("#place")).to_have_attribute("aria-disabled", "false")
    await page.locator("#place").click()
    await expect(page.get_by_text("The shop is very busy right now. Nothing was done.")).to_be_visible()
    await shown_order(page)


async def test_ended_session(visitors: Visitors, shop: ShopClient, name: str) -> None:
    """A session that ended says so, and the basket is there again after signing in."""
    visitors.forgive("401 (Unauthorized)")
    await shop.load(goods=[product(name, 9_900)], users=[{"user": name, "password": "secret", "balance": 0}])
    page = await visitors.open(user=name)
    await add(page, name)
    await page.evaluate("""() => {
      const session = JSON.parse(sessionStorage.getItem("makegood.session"));
      sessionStorage.setItem("makegood.session", JSON.stringify({ ...session, token: "old" }));
    }""")
    await page.reload()
    await expect(page.get_by_text("Your session has ended.")).to_be_visible()
    await page.get_by_label("User").fill(name)
    await page.get_by_label("Password").fill("secret")
    await page.get_by_role("button", name="Sign in").click()
    await expect(line(page, name)).to_be_visible()


async def test_cancel_refund_receive(visitors: Visitors, shop: ShopClient, name: str) -> None:
    """A buyer cancels an unpaid order, gets a paid one refunded, and says that a shipped one has arrived."""
    await shop.load(goods=[product(name, 9_900)])
    buyer = await shop.new_buyer(name)
    unpaid = await buyer.placed(Line(name, 1, 9_900))
    paid = await buyer.paid(Line(name, 1, 9_900))
    shipped = await buyer.paid(Line(name, 1, 9_900))
    await shop.ops("POST", f"/api/ops/orders/{shipped['order_id']}/ship")
    page = await visitors.open("/#/orders", user=name)
    await expect(page.locator(".entry")).to_have_count(3)
    steps = (
        (unpaid, "Cancel the order", "Cancel the order", "Cancelled"),
        (paid, "Ask for a refund", "Ask for the refund", "Refunded"),
        (shipped, "I have received it", "Yes, received", "Completed"),
    )
    for order, ask, agree, standing in steps:
        await page.goto(f"/#/orders/{order['order_id']}")
        await page.get_by_role("button", name=ask).click()
        await page.get_by_role("dialog").get_by_role("button", name=agree).click()
        await expect(page.locator("#standing")).to_have_text(standing)


async def test_stock_is_live(visitors: Visitors, shop: ShopClient, name: str) -> None:
    """Stock on the shelf follows what others buy, and the search and the order of the goods keep to what is asked."""
    await shop.load(goods=[product(f"{name}-a", 9_900, stock=50), product(f"{name}-b", 9_800)])
    other = await shop.new_buyer(name)
    page = await visitors.open(user=name, size=PHONE)
    await page.get_by_label("Find goods").fill(f"{name}-")
    await expect(page.locator(".product")).to_have_count(2)
    await page.get_by_label("Order of the goods").select_option("Cheapest first")
    await expect(page.locator(".product").first).to_have_attribute("data-sku", f"{name}-b")
    await expect(card(page, f"{name}-a")).to_contain_text("50 in stock")
    await other.placed(Line(f"{name}-a", 45, 9_900))
    await expect(card(page, f"{name}-a")).to_contain_text("Only 5 left")


async def _paying(visitors: Visitors, shop: ShopClient, name: str) -> tuple[Page, Locator]:
    """The page of an order whose payment is opened, and the way to the cashier."""
    await shop.load(goods=[product(name, 9_900)])
    buyer = await shop.new_buyer(name)
    order = await buyer.placed(Line(name, 1, 9_900))
    page = await visitors.open(f"/#/orders/{order['order_id']}", user=name)
    return page, await open_payment(page)
