"""Decides one batch of deductions over the goods it locks."""

from collections.abc import Sequence

from makegood.engine.database.transaction import Transaction
from makegood.shop.stock.contracts import DeductStock
from makegood.shop.stock.limits import BoughtSoFar, limit_of
from makegood.shop.stock.tables import GOODS, GoodRow, Taken


class Deduction:
    """The goods of a batch, locked once, decided in memory, written once each if they changed."""

    def __init__(self, tx: Transaction, requests: Sequence[DeductStock], buyer_limit: int | None) -> None:
        self._tx = tx
        self._goods = tx.lock(GOODS, [line.sku for request in requests for line in request.lines])
        self._changed: dict[str, GoodRow] = {}
        limits = {sku: limit for sku, good in self._goods.items() if (limit := limit_of(good, buyer_limit)) is not None}
        # Stock only falls within a batch: what is sold out now is refused without asking what its buyer has.
        pairs = [
            (request.user, line.sku)
            for request in (requests if limits else ())
            for line in request.lines
            if line.sku in limits and self._goods[line.sku].stock >= line.quantity
        ]
        self._bought = BoughtSoFar(tx, limits, pairs)

    def refusal(self, request: DeductStock) -> str:
        """Why this order cannot be served now, or an empty string."""
        refusal = ""
        for line in request.lines:
            good = self._goods.get(line.sku)
            if good is None:
                return "unknown_sku"
            if good.price != line.unit_price:
                refusal = "price_changed"
            elif good.stock < line.quantity:
                refusal = refusal or "out_of_stock"
        if not refusal and self._bought.exceeded(request.user, request.lines):
            return "limit_exceeded"
        return refusal

    def take(self, request: DeductStock) -> Taken:
        """Takes every line; the order was not refused."""
        for line in request.lines:
            good = self._goods[line.sku]
            good.stock -= line.quantity
            assert good.stock >= 0, f"order {request.order_id} names {line.sku} twice, which the door refuses"
            self._changed[line.sku] = good
        return Taken(request.user, request.lines, self._bought.count(request.user, request.lines))

    def store(self) -> None:
        """Writes what changed."""
        self._tx.update(GOODS, self._changed.values())
        self._bought.store()
