"""The buyer who pays before the shop knows that it has a trade."""

import asyncio
from typing import Final

from . import notifications, trades
from .cashier import Cashier
from .faults import Kind, Trouble
from .store import Store

MAX_WAIT_SECONDS: Final = 5.0
POLL_SECONDS: Final = 0.02


class Early:
    """Has a new trade paid, and its notification sent, before the call that made it is answered."""

    def __init__(self, store: Store, cashier: Cashier, trouble: Trouble) -> None:
        self._store = store
        self._cashier = cashier
        self._trouble = trouble

    async def __call__(self, platform: str, number: str) -> None:
        """Does so if the faults in force say it of this trade; waits five seconds for the notification at most."""
        if not any(rule.kind is Kind.EARLY for rule in self._trouble.faults.rules):
            return
        trade = await self._store.read(lambda tx: trades.by_out_trade_no(tx, number, platform))
        if trade is None or not self._trouble.happens(Kind.EARLY, platform, f"trade {self._trouble.name_of(trade)}"):
            return
        await self._cashier.act(trade.code, "pay")
        try:
            async with asyncio.timeout(MAX_WAIT_SECONDS):
                while not await self._store.read(lambda tx: notifications.was_tried(tx, trade.id)):
                    await asyncio.sleep(POLL_SECONDS)
        except TimeoutError:
            return
