"""What is sold out costs one commit, and is never taken for sold out when it is not."""

import asyncio
from collections.abc import Sequence

import pytest

from makegood.shop.orders import steps
from makegood.shop.orders.contracts import PLACE, Order
from makegood.shop.orders.sold_out import LOOK, MAX_REMEMBERED, SoldOut
from makegood.shop.stock import contracts as stock
from makegood.shop.types import Line
from tests.unit.orders.shop import POT, Shop, wanted

ALL_TEA = (Line("tea", 1_000, 1_000),)
TEA_FOR_ONE = (Line("tea", 1, 1_000),)


@pytest.fixture
def shop() -> Shop:
    """A shop with a thousand teas and a thousand pots."""
    return Shop()


async def outcome(shop: Shop, key: str, lines: Sequence[Line]) -> str:
    """What came of an order: the refusal's code, or `confirmed`."""
    placed = await shop.place(wanted(key, lines=lines))
    return placed.refusal or placed.outcome


async def sell_out(shop: Shop) -> Order:
    """The order that bought all tea; one buyer has heard that there is none."""
    order = await shop.paid(wanted("all", lines=ALL_TEA))
    assert await outcome(shop, "late", TEA_FOR_ONE) == "out_of_stock"
    return order


def give_back(shop: Shop, order: Order) -> None:
    """The order is refunded, and its goods are back."""
    shop.change("refund", order.order_id)
    shop.deliver()
    assert shop.on_hand("tea") == 1_000


async def test_the_next_refusal_is_one_commit(shop: Shop) -> None:
    """Once a good was refused, an order for it is refused in the commit that opens it: nobody is asked to take."""
    await sell_out(shop)
    calls = len(shop.wires.called)
    assert await outcome(shop, "later", TEA_FOR_ONE) == "out_of_stock"
    assert shop.wires.called[calls:] == [str(PLACE), str(stock.FIND), str(steps.OPEN)]


async def test_the_refusal_is_stored(shop: Shop) -> None:
    """It uses up the key: a repeat is answered from the stored order, whatever came back into stock."""
    order = await sell_out(shop)
    placed = await shop.place(wanted("later", lines=TEA_FOR_ONE))
    assert placed.order is not None
    assert shop.order(placed.order.order_id).decision == "out_of_stock"
    give_back(shop, order)
    assert await outcome(shop, "later", TEA_FOR_ONE) == "out_of_stock"


async def test_what_comes_back_can_be_bought_at_once(shop: Shop) -> None:
    """Stock is looked at anew for each order: the first one after goods came back is served."""
    order = await sell_out(shop)
    assert await outcome(shop, "later", TEA_FOR_ONE) == "out_of_stock"
    give_back(shop, order)
    assert await outcome(shop, "first", TEA_FOR_ONE) == "confirmed"
    calls = len(shop.wires.called)
    assert await outcome(shop, "second", TEA_FOR_ONE) == "confirmed"
    assert str(stock.FIND) not in shop.wires.called[calls:]


async def test_other_goods_are_not_looked_at(shop: Shop) -> None:
    """An order for goods that nobody was refused is placed as ever."""
    await sell_out(shop)
    calls = len(shop.wires.called)
    assert await outcome(shop, "pots", (POT,)) == "confirmed"
    assert str(stock.FIND) not in shop.wires.called[calls:]


async def test_a_confirmed_order_is_repeated_from_memory(shop: Shop) -> None:
    """The repeat of an order that was confirmed is confirmed, though its goods are sold out by now."""
    await sell_out(shop)
    assert await outcome(shop, "all", ALL_TEA) == "confirmed"


async def test_stock_names_its_own_reasons(shop: Shop) -> None:
    """A changed price and an unknown good come before sold out, as they do when stock itself refuses."""
    await sell_out(shop)
    assert await outcome(shop, "cheap", (Line("tea", 1, 999),)) == "price_changed"
    assert await outcome(shop, "strange", (Line("tea", 1, 1_000), Line("moon", 1, 1))) == "unknown_sku"


async def test_a_look_that_fails_refuses_nobody(shop: Shop) -> None:
    """When stock does not answer the look, the deduction tells."""
    await sell_out(shop)
    shop.wires.break_next(stock.FIND, "lost")
    assert await outcome(shop, "later", TEA_FOR_ONE) == "out_of_stock"
    assert str(stock.DEDUCT) in shop.wires.called[-2:]


async def test_a_look_takes_no_time_from_the_order(shop: Shop) -> None:
    """When stock's reads stand still, the order is opened a moment later, with all its time to be decided."""
    await sell_out(shop)
    shop.wires.break_next(stock.FIND, "silence")
    clock = asyncio.get_running_loop().time
    began = clock()
    assert await outcome(shop, "later", TEA_FOR_ONE) == "out_of_stock"
    assert clock() - began < 2 * LOOK


async def test_wrong_sums_come_first(shop: Shop) -> None:
    """An order whose sums are wrong is refused for them."""
    await sell_out(shop)
    placed = await shop.place(wanted("sums", lines=TEA_FOR_ONE, due=1))
    assert placed.refusal == "amount_mismatch"


def test_memory_is_bounded() -> None:
    """At most 10,000 SKUs are remembered, the latest of them."""
    sold_out = SoldOut()
    for number in range(MAX_REMEMBERED + 5):
        sold_out.remember([Line(f"sku-{number}", 1, 1)])
    assert len(sold_out) == MAX_REMEMBERED
    assert "sku-4" not in sold_out
    assert "sku-5" in sold_out
