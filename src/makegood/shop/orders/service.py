"""The order service: who calls its functions. The rules are in the modules beside it, one for each way of an order."""

from collections.abc import Sequence

from makegood.engine.database.transaction import Reader, Transaction
from makegood.engine.deadline import Deadline
from makegood.engine.service import (
    Later,
    Service,
    TaskResult,
    async_operation,
    listener,
    operation,
    query,
    sweep,
    task,
)
from makegood.shop.orders import cancelling, contracts, moves, paying, reading, steps, tables
from makegood.shop.orders.changes import change
from makegood.shop.orders.place import place
from makegood.shop.orders.quote import quote
from makegood.shop.orders.settings import OrdersSettings
from makegood.shop.orders.sold_out import SoldOut
from makegood.shop.payments import contracts as payments


class Orders(Service):
    """Orders from the first click to the last refund; each is decided exactly once."""

    name = "orders"
    schema = tables.SCHEMA

    def __init__(self, settings: OrdersSettings | None = None) -> None:
        self.settings = settings or OrdersSettings()
        self._sold_out = SoldOut()

    @async_operation(contracts.PLACE)
    async def place(self, request: contracts.PlaceOrder, deadline: Deadline) -> contracts.Placed:
        """Places an order, or tells what came of the same order placed before."""
        return await place(self.engine, self.settings, self._sold_out, request, deadline)

    @operation(steps.OPEN, sheds=True)
    def open(self, tx: Transaction, requests: Sequence[steps.Open]) -> list[steps.Opened]:
        """Opens an order for each key not seen before."""
        return steps.open_orders(tx, requests, self.settings)

    @operation(steps.SETTLE)
    def settle(self, tx: Transaction, requests: Sequence[steps.Settle]) -> list[steps.Settled]:
        """Decides orders that are still OPEN."""
        return steps.settle_orders(tx, requests)

    @sweep(every=1.0)
    def look_after(self, tx: Transaction, limit: int) -> int:
        """Cancels undecided orders past their deadline, has unpaid ones closed past theirs."""
        return cancelling.sweep_due(tx, limit)

    @async_operation(contracts.CANCEL)
    async def cancel(self, request: contracts.ChangeOrder, deadline: Deadline) -> contracts.Changed:
        """Cancels an order that is not paid."""
        return await cancelling.cancel(self.engine, self.settings, request, deadline)

    @task(cancelling.CLOSE_UNPAID)
    async def close(self, work: cancelling.CloseUnpaid) -> cancelling.Outcome:
        """Asks payments to let no payment of an order succeed any more."""
        return await cancelling.close(self.engine, work)

    @close.done
    def closed(
        self, tx: Transaction, results: Sequence[TaskResult[cancelling.CloseUnpaid, cancelling.Outcome]]
    ) -> list[Later | None]:
        """Cancels the orders that payments closed."""
        return cancelling.record_closed(tx, results)

    @operation(contracts.REFUND)
    def refund(self, tx: Transaction, requests: Sequence[contracts.ChangeOrder]) -> list[contracts.Changed]:
        """Asks for the refund of paid orders."""
        return change(tx, requests, moves.request_refund)

    @operation(contracts.SHIP)
    def ship(self, tx: Transaction, requests: Sequence[contracts.ChangeOrder]) -> list[contracts.Changed]:
        """Paid orders leave the shop."""
        return change(tx, requests, moves.ship)

    @operation(contracts.RECEIVE)
    def receive(self, tx: Transaction, requests: Sequence[contracts.ChangeOrder]) -> list[contracts.Changed]:
        """Shipped orders have arrived."""
        return change(tx, requests, moves.receive)

    @listener(payments.SUCCEEDED, idempotent=True)
    def hear_succeeded(self, tx: Transaction, events: Sequence[payments.Succeeded]) -> None:
        """The payment that fits makes its order paid; any other is to be refunded."""
        paying.hear_succeeded(tx, events)

    @listener(payments.REFUNDED, idempotent=True)
    def hear_refunded(self, tx: Transaction, events: Sequence[payments.Refunded]) -> None:
        """An order whose payment is refunded to the last fen ends."""
        paying.hear_refunded(tx, events)

    @query(contracts.FIND)
    def find(self, reader: Reader, requests: Sequence[contracts.FindOrder]) -> list[contracts.FoundOrder]:
        """Orders by their ids."""
        return reading.find(reader, requests)

    @query(contracts.OF_USER)
    def of_user(self, reader: Reader, requests: Sequence[contracts.OrdersOfUser]) -> list[contracts.OrdersFound]:
        """Users' decided orders, the newest first."""
        return reading.of_user(reader, requests)

    @query(contracts.OUTCOMES)
    def outcomes(self, reader: Reader, requests: Sequence[contracts.AskOutcomes]) -> list[contracts.Outcomes]:
        """What came of orders a participant holds something for."""
        return reading.outcomes(reader, requests)

    @async_operation(contracts.QUOTE)
    async def quote(self, request: contracts.Quote, deadline: Deadline) -> contracts.Quoted:
        """What an order would cost now."""
        return await quote(self.engine, self.settings, request, deadline)
