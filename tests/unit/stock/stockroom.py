"""A stock service over a database in memory, called as plain functions."""

from collections.abc import Sequence

from makegood.shop.audit_types import Finding
from makegood.shop.orders import contracts as orders
from makegood.shop.stock import contracts
from makegood.shop.stock.audit import SLICE, audit
from makegood.shop.stock.service import Stock
from makegood.shop.stock.settings import StockSettings
from makegood.shop.stock.tables import BOUGHT, GOODS, SCHEMA
from makegood.shop.types import Line
from tests.support.memory import MemoryDatabase
from tests.support.world import ManualWorld

PATIENCE = 5_000
"""Milliseconds in which an order is decided."""


def good(sku: str, stock: int = 10, *, price: int = 100, limit: int | None = None) -> contracts.LoadGood:
    """A row of a load file."""
    return contracts.LoadGood(sku, f"Good {sku}", price, stock, limit)


def line(sku: str, quantity: int = 1, unit_price: int = 100) -> Line:
    """A line of an order."""
    return Line(sku, quantity, unit_price)


class Stockroom:
    """The service, its world, and what a test asks of them."""

    def __init__(self, *goods: contracts.LoadGood, settings: StockSettings | None = None) -> None:
        self.world = ManualWorld()
        self.database = MemoryDatabase(SCHEMA, self.world)
        self.stock = Stock(settings)
        if goods:
            assert self.load(*goods).problems == ()

    def load(self, *goods: contracts.LoadGood, apply: bool = True) -> contracts.Loaded:
        """What came of a load."""
        [loaded] = self.database.write(lambda tx: self.stock.load(tx, [contracts.LoadGoods(goods, apply)]))
        return loaded

    def request(
        self, order_id: int, *lines: Line, user: str = "ann", deadline: int | None = None
    ) -> contracts.DeductStock:
        """An order that is to be decided by `deadline` (ms UTC), in five seconds if not given."""
        return contracts.DeductStock(order_id, user, lines, deadline or self.world.now() + PATIENCE)

    def deduct(self, *requests: contracts.DeductStock) -> list[str]:
        """The refusals of one batch."""
        return [answer.refusal for answer in self.database.write(lambda tx: self.stock.deduct(tx, requests))]

    def take(self, order_id: int, *lines: Line, user: str = "ann") -> str:
        """The refusal of one order."""
        [refusal] = self.deduct(self.request(order_id, *lines, user=user))
        return refusal

    def cancel(self, *order_ids: int, participants: Sequence[orders.Participant] = ("stock",)) -> None:
        """Hears that orders were cancelled."""
        told = [orders.Cancelled(id, "ann", "asked", tuple(participants)) for id in order_ids]
        self.database.write(lambda tx: self.stock.restore(tx, told))

    def refund(self, *order_ids: int, participants: Sequence[orders.Participant] = ("stock",)) -> None:
        """Hears that orders are refunded."""
        told = [orders.RefundRequested(id, "ann", None, tuple(participants), "asked") for id in order_ids]
        self.database.write(lambda tx: self.stock.restore_refunded(tx, told))

    def on_hand(self) -> dict[str, int]:
        """Stock by SKU."""
        rows = self.database.read(lambda reader: reader.page(GOODS, limit=1_000))
        return {row.sku: row.stock for row in rows}

    def bought(self) -> dict[tuple[str, str], int]:
        """What buyers of limited goods have bought so far."""
        rows = self.database.read(lambda reader: reader.page(BOUGHT, limit=1_000))
        return {(row.user, row.sku): row.quantity for row in rows}

    def findings(self, slice_size: int = SLICE) -> list[Finding]:
        """What the audit finds."""
        result = self.database.read(lambda reader: audit(reader, slice_size))
        return [finding for checked in result for finding in checked.findings]

    def corrupt(self, statement: str) -> None:
        """Does to the database what no code of the service would."""
        self.database.connection.execute(statement)
