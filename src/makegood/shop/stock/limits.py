"""The limit for each buyer: what they have bought so far, counted only where a limit is on."""

from collections.abc import Iterable, Mapping

from makegood.engine.database.transaction import Transaction
from makegood.shop.stock.tables import BOUGHT, BoughtRow, GoodRow, Taken
from makegood.shop.types import Line


def limit_of(good: GoodRow, default: int | None) -> int | None:
    """How many pieces one buyer may have: the good's own limit, else the shop's, else any number (None)."""
    return default if good.buyer_limit is None else good.buyer_limit


class BoughtSoFar:
    """What the buyers of one batch have bought of its limited goods; `limits` is by SKU."""

    def __init__(self, tx: Transaction, limits: Mapping[str, int], pairs: Iterable[tuple[str, str]]) -> None:
        self._tx = tx
        self._limits = limits
        self._stored = tx.lock(BOUGHT, pairs) if limits else {}
        self._new: dict[tuple[str, str], BoughtRow] = {}
        self._changed: dict[tuple[str, str], BoughtRow] = {}

    def exceeded(self, user: str, lines: Iterable[Line]) -> bool:
        """Whether this buyer would have more than the limit of any line."""
        return any(
            self._row(user, line.sku).quantity + line.quantity > self._limits[line.sku]
            for line in lines
            if line.sku in self._limits
        )

    def count(self, user: str, lines: Iterable[Line]) -> tuple[str, ...]:
        """Adds the limited lines to what the buyer has; answers their SKUs."""
        limited = [line for line in lines if line.sku in self._limits]
        for line in limited:
            row = self._row(user, line.sku)
            row.quantity += line.quantity
            (self._changed if (user, line.sku) in self._stored else self._new)[user, line.sku] = row
        return tuple(line.sku for line in limited)

    def store(self) -> None:
        """Writes what changed."""
        self._tx.insert(BOUGHT, list(self._new.values()))
        self._tx.update(BOUGHT, self._changed.values())

    def _row(self, user: str, sku: str) -> BoughtRow:
        pair = (user, sku)
        return self._stored.get(pair) or self._new.get(pair) or BoughtRow(user, sku, 0)


def uncount(tx: Transaction, returned: Iterable[Taken]) -> None:
    """Takes what these orders counted off what their buyers have bought."""
    counted = [
        (taken.user, line.sku, line.quantity)
        for taken in returned
        if taken.counted
        for line in taken.lines
        if line.sku in taken.counted
    ]
    if not counted:
        return
    rows = tx.lock(BOUGHT, [(user, sku) for user, sku, _ in counted])
    for user, sku, quantity in counted:
        rows[user, sku].quantity -= quantity
    tx.update(BOUGHT, [row for row in rows.values() if row.quantity])
    tx.delete(BOUGHT, [pair for pair, row in rows.items() if not row.quantity])
