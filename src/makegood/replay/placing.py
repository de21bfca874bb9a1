"""Buys: one basket after another in order of time, many households at once, each household's own in turn.

An order that was undecided when the shop was killed is cancelled when the shop is back, and its key answers so for
ever. Such a basket is placed again under a fresh key: its number, then `number-2`, `number-3` and so on. Every run
takes the keys in this order, so a run that goes on finds what the one before it did.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence

import msgspec

from makegood.replay.baskets import Order
from makegood.replay.client import ShopClient
from makegood.replay.finding import Sold
from makegood.replay.parallel import spread
from makegood.replay.wire import OrderView, Refusal

KEPT_REFUSALS = 1_000
HOPELESS = 16
"""Baskets refused under every key after which no more are placed again for want of what a cancelled order held."""
CANCELLED = "cancelled"
_WANTING = frozenset({"out_of_stock", "insufficient_balance", "coupon_unusable"})
KEY_WAITS = (0.0, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 10.0)
_PAY_WAITS = (0.0, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0)


class RefusedBasket(msgspec.Struct, frozen=True):
    """A basket the shop would not sell, or the sandbox would not take money for."""

    basket: int
    refusal: Refusal


class Outcome(msgspec.Struct):
    """What came of placing and paying; keeps the first 1,000 refusals and the number of all."""

    sold_before: int = 0
    """Baskets that an earlier run had bought."""
    bought: int = 0
    """Baskets this run bought, or found half bought and paid."""
    placed_again: int = 0
    """Keys that were used up by cancelled orders, so that the basket was placed under another."""
    refused: int = 0
    refusals: list[RefusedBasket] = []

    def refuse(self, basket: int, refusal: Refusal) -> None:
        """Enters a refusal."""
        self.refused += 1
        if len(self.refusals) < KEPT_REFUSALS:
            self.refusals.append(RefusedBasket(basket, refusal))


class Buyer:
    """Places and pays orders, at most `concurrency` of them at a time; what is `sold` already it leaves alone.

    `key_waits` are the seconds before each fresh key, as many as there are.
    """

    def __init__(
        self,
        shop: ShopClient,
        concurrency: int,
        on_order: Callable[[], None],
        sold: Sold | None = None,
        outcome: Outcome | None = None,
        key_waits: Sequence[float] = KEY_WAITS,
    ) -> None:
        self._shop = shop
        self._key_waits = key_waits
        self._concurrency = concurrency
        self._on_order = on_order
        self._sold = sold or Sold()
        self._turns: dict[int, asyncio.Lock] = {}
        self._cancelled = self._sold.cancelled
        self._hopeless = 0
        self.outcome = outcome or Outcome()

    async def buy_all(self, orders: Iterable[Order]) -> None:
        """Buys every order; raises ReplayError when the shop, or the data set, does not let it go on."""
        await spread(self._unsold(orders), self._in_turn, self._concurrency)

    def _unsold(self, orders: Iterable[Order]) -> Iterable[Order]:
        for order in orders:
            if order.basket in self._sold.baskets:
                self.outcome.sold_before += 1
                self._on_order()
            else:
                yield order

    async def _in_turn(self, order: Order) -> None:
        # A lock serves those who wait in the order in which they came, which is the order of time.
        async with self._turns.setdefault(order.household, asyncio.Lock()):
            refusal = await self._buy(order)
        if refusal is None:
            self.outcome.bought += 1
        else:
            self.outcome.refuse(order.basket, refusal)
        self._on_order()

    async def _buy(self, order: Order) -> Refusal | None:
        refusal = await self._buy_under(order, str(order.basket))
        for number, wait in enumerate(self._key_waits, 2):
            if refusal is None or not self._may_come_right(refusal):
                return refusal
            self.outcome.placed_again += 1
            await asyncio.sleep(wait)
            refusal = await self._buy_under(order, f"{order.basket}-{number}")
        self._hopeless += refusal is not None
        return refusal

    def _may_come_right(self, refusal: Refusal) -> bool:
        """A cancelled order puts back what it took, by a message that comes a little later: it is waited for."""
        if refusal.code == CANCELLED:
            self._cancelled = True
            return True
        return self._cancelled and refusal.code in _WANTING and self._hopeless < HOPELESS

    async def _buy_under(self, order: Order, key: str) -> Refusal | None:
        placed = await self._shop.place(order, key)
        if isinstance(placed, Refusal):
            return placed
        return await self._pay(order, placed) if order.amount_due else None

    async def _pay(self, order: Order, placed: OrderView) -> Refusal | None:
        refusal: Refusal | None = None
        for wait in _PAY_WAITS:
            await asyncio.sleep(wait)
            refusal = await self._pay_once(order, placed)
            if refusal is None:
                return None
            # An earlier run, or a request whose answer was lost, may have paid it; or it was cancelled unpaid.
            now = await self._shop.order(order.user, placed.order_id)
            if now.payment_status == "PAID":
                return None
            if now.is_put_back:
                return Refusal(409, CANCELLED, "the order was cancelled before it was paid")
        return refusal

    async def _pay_once(self, order: Order, placed: OrderView) -> Refusal | None:
        payment = await self._shop.open_payment(order.user, placed.order_id)
        return payment if isinstance(payment, Refusal) else await self._shop.pay(payment)
