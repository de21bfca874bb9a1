"""Goods that were sold out a moment ago are looked at before an order for them is opened.

In a flash sale most orders are refused. One that finds its goods sold out is refused in the commit that opens it, and
asks nobody to take anything: one commit in place of three. Only a hint is kept here, of what to look at; the look is
stock's own answer of now, so what comes back into stock can be bought at once.
"""

from collections import OrderedDict
from collections.abc import Iterable, Sequence

from makegood.engine.deadline import Deadline
from makegood.engine.service import Engine
from makegood.shop.orders.asking import LOST, earlier
from makegood.shop.stock import contracts as stock
from makegood.shop.types import Line

OUT_OF_STOCK = "out_of_stock"
LOOK = 0.3
"""Seconds that a look may take before the order is placed without."""
MAX_REMEMBERED = 10_000
"""Most SKUs that are remembered; the one refused longest ago goes first."""


class SoldOut:
    """The SKUs of orders that stock refused, until one of them is seen in stock again."""

    def __init__(self) -> None:
        self._skus: OrderedDict[str, None] = OrderedDict()

    def __len__(self) -> int:
        """How many SKUs are remembered."""
        return len(self._skus)

    def __contains__(self, sku: str) -> bool:
        """Whether this one is."""
        return sku in self._skus

    def remember(self, lines: Iterable[Line]) -> None:
        """One of these was sold out."""
        for line in lines:
            self._skus[line.sku] = None
            self._skus.move_to_end(line.sku)
        while len(self._skus) > MAX_REMEMBERED:
            self._skus.popitem(last=False)

    def suspects(self, lines: Iterable[Line]) -> bool:
        """Whether there is a reason to look."""
        return bool(self._skus) and any(line.sku in self._skus for line in lines)

    async def refusal(self, engine: Engine, lines: Sequence[Line], deadline: Deadline) -> str:
        """`out_of_stock` when stock says so now; an empty string when it does not, or does not answer."""
        wanted = {line.sku: line for line in lines}
        try:
            found = await engine.call(
                stock.FIND, stock.FindGoods(tuple(wanted)), earlier(deadline, Deadline.after(LOOK))
            )
        except LOST:
            return ""  # the deduction will tell
        return self._judge(wanted, found.goods)

    def _judge(self, wanted: dict[str, Line], goods: Sequence[stock.Good]) -> str:
        refusal = ""
        for good in goods:
            line = wanted[good.sku]
            if good.price != line.unit_price:
                return ""  # stock names this first, in its own words
            if good.stock < line.quantity:
                refusal = OUT_OF_STOCK
            else:
                self._skus.pop(good.sku, None)
        return refusal if len(goods) == len(wanted) else ""  # an unknown SKU too is named first
