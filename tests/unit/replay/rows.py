"""Made-up rows of the data set, and a shop's answers made from expectations."""

from collections.abc import Iterable

from makegood.replay.baskets import Order, ShippingRule, in_baskets, order_of
from makegood.replay.catalogue import documents
from makegood.replay.client import ShopClient
from makegood.replay.compare import HouseholdActual
from makegood.replay.dataset import Line
from makegood.replay.expected import expect
from makegood.replay.wire import Good, Me, OrderView

RULE = ShippingRule(fee=600, free_from=9900)


def row(
    basket: int = 1,
    product: int = 7,
    quantity: int = 1,
    sales: int = 100,
    *,
    household: int = 1,
    coupon: int = 0,
    match: int = 0,
    at: int = 0,
) -> Line:
    """One row; every value has a plain default."""
    return Line(household, basket, product, quantity, sales, coupon, match, at)


def orders_of(lines: Iterable[Line]) -> list[Order]:
    """The orders of the rows."""
    return [order for basket in in_baskets(lines) if (order := order_of(basket, RULE))]


def paid(order: Order) -> OrderView:
    """The shop's view of an order that is paid."""
    return OrderView(
        order_id=f"o{order.basket}",
        status="CONFIRMED",
        payment_status="PAID",
        lines=order.lines,
        goods_amount=order.goods_amount,
        discount=order.discount,
        shipping_fee=order.shipping_fee,
        balance=order.balance,
        amount_due=order.amount_due,
    )


def settled(orders: Iterable[Order]) -> HouseholdActual:
    """What a shop says that did everything right for one household's orders."""
    views = [paid(order) for order in orders]
    points = sum(view.amount_due // 100 for view in views)
    return HouseholdActual(Me(balance=0, points=points, coupons=[]), views)


def sold_out(orders: Iterable[Order]) -> list[Good]:
    """The goods of the orders, all of them sold."""
    prices = {line.sku: line.unit_price for order in orders for line in order.lines}
    return [Good(sku, price, 0) for sku, price in prices.items()]


def nothing() -> None:
    """No progress is shown."""


async def loaded(shop: ShopClient, rows: list[Line]) -> list[Order]:
    """The orders of the rows, after the shop has what they need."""
    for document in documents(expect(rows, RULE), {}):
        await shop.load(document)
    return orders_of(rows)
