"""A flash sale: many more buyers than pieces, all at once."""

import asyncio

from tests.support.shop_client import Buyer, Line, ShopClient, eventually, good, order_body, product

BUYERS, PIECES = 200, 50


async def test_never_oversold(shop: ShopClient, name: str) -> None:
    """Of two hundred buyers of fifty pieces exactly fifty get one; the others are told that it is sold out."""
    await shop.load(goods=[product(name, 10_000, PIECES)])
    buyers = await _crowd(shop, name)
    body = order_body(Line(name, 1, 10_000))
    answers = await asyncio.gather(*[buyer.place(body) for buyer in buyers])
    codes = [answer.json().get("code", "confirmed") for answer in answers]
    assert (codes.count("confirmed"), codes.count("out_of_stock")) == (PIECES, BUYERS - PIECES)
    assert await shop.stock(name) == 0


async def test_what_is_cancelled_is_sold_again(shop: ShopClient, name: str) -> None:
    """Pieces of cancelled orders are sold to others, and never twice."""
    await shop.load(goods=[product(name, 10_000, PIECES)])
    buyers = await _crowd(shop, name)
    body = order_body(Line(name, 1, 10_000))
    first = await asyncio.gather(*[buyer.place(body) for buyer in buyers])
    lucky = [(buyer, one.json()) for buyer, one in zip(buyers, first, strict=True) if one.status_code == 201]
    cancelling = [buyer.change(order["order_id"], "cancel") for buyer, order in lucky[:20]]
    second = [buyer.place(body) for buyer, one in zip(buyers, first, strict=True) if one.status_code == 409]
    cancelled, again = await asyncio.gather(asyncio.gather(*cancelling), asyncio.gather(*second))
    assert {good(answer)["status"] for answer in cancelled} == {"CANCELLED"}
    resold = sum(answer.status_code == 201 for answer in again)
    await eventually(lambda: shop.stock(name), 20 - resold)


async def _crowd(shop: ShopClient, name: str) -> list[Buyer]:
    users = [f"{name}-{number}" for number in range(BUYERS)]
    await shop.load(users=[{"user": user, "balance": 0} for user in users])
    return await asyncio.gather(*[shop.buyer(user) for user in users])
