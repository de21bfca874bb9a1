"""What an order would cost."""

import pytest

from makegood.engine.deadline import Deadline
from makegood.engine.errors import ServiceUnavailable
from makegood.shop.accounts import contracts as accounts
from makegood.shop.coupons import contracts as coupons
from makegood.shop.orders import contracts
from makegood.shop.orders.contracts import Quote, Quoted, QuoteLine
from makegood.shop.stock import contracts as stock
from makegood.shop.types import Line
from tests.unit.orders.shop import BALANCE, Shop, wanted

TEA, POT = QuoteLine("tea", 2), QuoteLine("pot", 1)


async def ask(shop: Shop, *lines: QuoteLine, coupon_id: str | None = None, balance: int | None = 0) -> Quoted:
    """A quote for alice."""
    return await shop.call(contracts.QUOTE, Quote("alice", lines, coupon_id, balance), Deadline.after(1.0))


async def test_a_quote_is_what_placing_then_costs(shop: Shop) -> None:
    """An order placed with the quoted amounts is confirmed."""
    quoted = await ask(shop, TEA, POT, coupon_id="alice-700", balance=1_000)
    assert quoted == Quoted("", 7_000, 600, 700, 1_000, 5_900)
    lines = (Line("tea", 2, 1_000), Line("pot", 1, 5_000))
    request = wanted(lines=lines, coupon_id="alice-700", discount=quoted.discount, balance=quoted.balance)
    assert (await shop.place(request)).outcome == "confirmed"


async def test_shipping_is_free_from_an_amount_of_goods(shop: Shop) -> None:
    """The fee follows the goods amount, before any discount."""
    assert (await ask(shop, QuoteLine("tea", 9))).shipping_fee == 600
    assert (await ask(shop, QuoteLine("tea", 10), coupon_id="alice-700")).shipping_fee == 0


async def test_as_much_balance_as_there_is_and_is_useful(shop: Shop) -> None:
    """Without a balance named, all of it is used, but not more than is due; a larger one named is cut to that."""
    assert await ask(shop, TEA, balance=None) == Quoted("", 2_000, 600, 0, 2_600, 0)
    assert await ask(shop, TEA, balance=BALANCE * 2) == Quoted("", 2_000, 600, 0, 2_600, 0)
    rich = await ask(shop, QuoteLine("pot", 50), balance=None)
    assert (rich.balance, rich.amount_due) == (BALANCE, 250_000 - BALANCE)


async def test_what_stands_in_the_way(shop: Shop) -> None:
    """An unknown SKU, a coupon of somebody else, more balance than there is."""
    assert await ask(shop, TEA, QuoteLine("rum", 1)) == Quoted("unknown_sku")
    assert await ask(shop, TEA, coupon_id="bob-300") == Quoted("coupon_unusable")
    assert await ask(shop, QuoteLine("pot", 50), balance=BALANCE + 1) == Quoted("insufficient_balance")


async def test_nobody_is_asked_for_what_the_quote_does_not_need(shop: Shop) -> None:
    """No coupon, no balance: only stock is asked; and nothing is taken by any quote."""
    await ask(shop, TEA)
    assert shop.wires.called == [str(contracts.QUOTE), str(stock.FIND)]
    await ask(shop, TEA, coupon_id="alice-700", balance=None)
    assert shop.wires.called[-2:] == [str(coupons.FIND), str(accounts.FIND)]
    assert (shop.on_hand(), shop.balance(), len(shop.usable_coupons())) == (1_000, BALANCE, 2)


async def test_who_is_away_is_not_guessed(shop: Shop) -> None:
    """Without stock's answer there is no quote."""
    shop.wires.break_next(stock.FIND, "lost")
    with pytest.raises(ServiceUnavailable):
        await ask(shop, TEA)
