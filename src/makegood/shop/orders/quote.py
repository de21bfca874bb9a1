"""What an order would cost now; nothing is taken, so placing it may still be refused."""

import asyncio

from makegood.engine.deadline import Deadline
from makegood.engine.service import Engine
from makegood.shop.accounts import contracts as accounts
from makegood.shop.coupons import contracts as coupons
from makegood.shop.orders.contracts import Quote, Quoted
from makegood.shop.orders.settings import OrdersSettings
from makegood.shop.stock import contracts as stock


async def quote(engine: Engine, settings: OrdersSettings, request: Quote, deadline: Deadline) -> Quoted:
    """The amounts, or what stands in the way. Raises what `Engine.call` raises when somebody does not answer."""
    found = await engine.call(stock.FIND, stock.FindGoods(tuple(line.sku for line in request.lines)), deadline)
    prices = {good.sku: good.price for good in found.goods}
    if any(line.sku not in prices for line in request.lines):
        return Quoted("unknown_sku")
    goods_amount = sum(line.quantity * prices[line.sku] for line in request.lines)
    used, available = await asyncio.gather(
        _discount(engine, request, goods_amount, deadline), _available(engine, request, deadline)
    )
    if used.refusal:
        return Quoted(used.refusal)
    return _sums(request, goods_amount, settings.fee_for(goods_amount), used.discount, available)


def _sums(request: Quote, goods_amount: int, shipping_fee: int, discount: int, available: int) -> Quoted:
    due = goods_amount - discount + shipping_fee
    balance = min(due, available if request.balance is None else request.balance)
    if balance > available:
        return Quoted("insufficient_balance")
    return Quoted("", goods_amount, shipping_fee, discount, balance, due - balance)


async def _discount(engine: Engine, request: Quote, goods_amount: int, deadline: Deadline) -> coupons.CouponUsed:
    if request.coupon_id is None:
        return coupons.CouponUsed()
    question = coupons.FindCoupon(request.user, request.coupon_id, goods_amount)
    return await engine.call(coupons.FIND, question, deadline)


async def _available(engine: Engine, request: Quote, deadline: Deadline) -> int:
    if request.balance == 0:
        return 0
    return (await engine.call(accounts.FIND, accounts.FindAccount(request.user), deadline)).balance
