"""Buys: one basket after another in order of time, many households at once, each household's own in turn."""

import asyncio
from collections.abc import Callable, Iterable

import msgspec

from makegood.replay.baskets import Order
from makegood.replay.client import ShopClient
from makegood.replay.parallel import spread
from makegood.replay.wire import OrderView, Refusal

KEPT_REFUSALS = 1_000
_PAY_WAITS = (0.0, 0.2, 0.5, 1.0, 2.0, 5.0)


class RefusedBasket(msgspec.Struct, frozen=True):
    """A basket the shop would not sell, or the sandbox would not take money for."""

    basket: int
    refusal: Refusal


class Outcome(msgspec.Struct):
    """What came of placing and paying; keeps the first 1,000 refusals and the number of all."""

    placed: int = 0
    paid: int = 0
    refused: int = 0
    refusals: list[RefusedBasket] = []

    def refuse(self, basket: int, refusal: Refusal) -> None:
        """Enters a refusal."""
        self.refused += 1
        if len(self.refusals) < KEPT_REFUSALS:
            self.refusals.append(RefusedBasket(basket, refusal))


class Buyer:
    """Places and pays orders, at most `concurrency` of them at a time."""

    def __init__(self, shop: ShopClient, concurrency: int, on_order: Callable[[], None]) -> None:
        self._shop = shop
        self._concurrency = concurrency
        self._on_order = on_order
        self._turns: dict[int, asyncio.Lock] = {}
        self.outcome = Outcome()

    async def buy_all(self, orders: Iterable[Order]) -> None:
        """Buys every order; raises ReplayError when the shop, or the data set, does not let it go on."""
        await spread(orders, self._in_turn, self._concurrency)

    async def _in_turn(self, order: Order) -> None:
        # A lock serves those who wait in the order in which they came, which is the order of time.
        async with self._turns.setdefault(order.household, asyncio.Lock()):
            await self._buy(order)
        self._on_order()

    async def _buy(self, order: Order) -> None:
        placed = await self._shop.place(order)
        if isinstance(placed, Refusal):
            self.outcome.refuse(order.basket, placed)
            return
        self.outcome.placed += 1
        refusal = await self._pay(order, placed) if order.amount_due else None
        if refusal is not None:
            self.outcome.refuse(order.basket, refusal)
            return
        self.outcome.paid += 1

    async def _pay(self, order: Order, placed: OrderView) -> Refusal | None:
        refusal: Refusal | None = None
        for wait in _PAY_WAITS:
            await asyncio.sleep(wait)
            refusal = await self._pay_once(order, placed)
            if refusal is None:
                return None
            # An earlier run, or a request whose answer was lost, may have paid it.
            if (await self._shop.order(order.user, placed.order_id)).payment_status == "PAID":
                return None
        return refusal

    async def _pay_once(self, order: Order, placed: OrderView) -> Refusal | None:
        payment = await self._shop.open_payment(order.user, placed.order_id)
        return payment if isinstance(payment, Refusal) else await self._shop.pay(payment)
