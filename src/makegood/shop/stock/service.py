"""The rules of stock."""

from collections.abc import Mapping, Sequence

from makegood.engine.database.transaction import Reader, Transaction
from makegood.engine.service import operation, query
from makegood.shop.participant import Participant
from makegood.shop.reservation_contracts import ReservationFound, ReservationOf
from makegood.shop.reservation_query import find_reservations
from makegood.shop.stock import contracts
from makegood.shop.stock.deduction import Deduction
from makegood.shop.stock.limits import limit_of, uncount
from makegood.shop.stock.loading import load_goods
from makegood.shop.stock.settings import StockSettings
from makegood.shop.stock.tables import GOODS, RESERVATIONS, SCHEMA, GoodRow, Taken


class Stock(Participant[Taken, contracts.StockDeducted]):
    """What the shop can sell; it never sells more than that."""

    name = "stock"
    schema = SCHEMA
    participant = "stock"
    reservations = RESERVATIONS

    def __init__(self, settings: StockSettings | None = None) -> None:
        self.settings = settings or StockSettings()

    @operation(contracts.DEDUCT)
    def deduct(self, tx: Transaction, requests: Sequence[contracts.DeductStock]) -> list[contracts.StockDeducted]:
        """Takes every line of an order, or none of them."""
        taking = self.reservations.begin(tx, requests)
        deduction = Deduction(tx, list(taking), self.settings.buyer_limit)
        for request in taking:
            if refusal := deduction.refusal(request):
                taking.refuse(request, refusal)
            else:
                taking.accept(request, deduction.take(request))
        deduction.store()
        return taking.answers()

    def put_back(self, tx: Transaction, returned: Mapping[int, Taken]) -> None:
        """Adds the lines to what is on hand again, and takes them off what their buyers have bought so far."""
        lines = [line for taken in returned.values() for line in taken.lines]
        goods = tx.lock(GOODS, [line.sku for line in lines])
        for line in lines:
            goods[line.sku].stock += line.quantity
        tx.update(GOODS, goods.values())
        uncount(tx, returned.values())

    @query(contracts.GOODS)
    def goods(self, reader: Reader, requests: Sequence[contracts.GoodsPage]) -> list[contracts.Goods]:
        """A page of goods in SKU order."""
        return [self._page(reader, request) for request in requests]

    @query(contracts.FIND)
    def find(self, reader: Reader, requests: Sequence[contracts.FindGoods]) -> list[contracts.Goods]:
        """The goods with these SKUs."""
        rows = reader.select(GOODS, [sku for request in requests for sku in request.skus])
        goods = {sku: self._good(row) for sku, row in rows.items()}
        wanted = [sorted(set(request.skus)) for request in requests]
        return [contracts.Goods(tuple(goods[sku] for sku in skus if sku in goods)) for skus in wanted]

    @operation(contracts.LOAD, limit=1)
    def load(self, tx: Transaction, requests: Sequence[contracts.LoadGoods]) -> list[contracts.Loaded]:
        """Checks a load file's goods, and takes them in if asked to."""
        return [load_goods(tx, request) for request in requests]

    @query(contracts.RESERVATION)
    def reservation(self, reader: Reader, requests: Sequence[ReservationOf]) -> list[ReservationFound]:
        """What an order holds, or held."""
        return find_reservations(self.reservations, reader, requests)

    def _page(self, reader: Reader, request: contracts.GoodsPage) -> contracts.Goods:
        rows = reader.page(GOODS, after=request.after, limit=request.limit + 1)
        goods = tuple(self._good(row) for row in rows[: request.limit])
        return contracts.Goods(goods, goods[-1].sku if len(rows) > request.limit else None)

    def _good(self, row: GoodRow) -> contracts.Good:
        return contracts.Good(row.sku, row.title, row.price, row.stock, limit_of(row, self.settings.buyer_limit))
