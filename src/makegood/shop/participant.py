"""What stock, coupons and accounts have in common: an order takes something, and may give it back.

Putting back follows the messages of orders. Should one be lost for good (a broker keeps messages for days, not
for ever), the participant asks orders itself about every reservation it has heard nothing of for an hour.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar, Generic, NamedTuple, TypeVar

import msgspec

from makegood.engine.database.transaction import Reader, Transaction
from makegood.engine.deadline import Deadline
from makegood.engine.reservations import UNHEARD, Answer, Reservations
from makegood.engine.service import Service, listener, periodic, sweep
from makegood.shop.orders import contracts as orders
from makegood.shop.types import Participant as Name

T = TypeVar("T", bound=msgspec.Struct)
A = TypeVar("A", bound=Answer)

INQUIRY = 256
"""Most orders asked about at once."""
INQUIRIES = 1_000
"""Most questions in a row while there is more to ask about."""
INQUIRY_TIMEOUT = 10.0
"""Seconds to wait for orders' answer; then it is asked again next time."""


class Inquiry(NamedTuple):
    """What orders answered about the orders it was asked about."""

    asked: tuple[int, ...]
    outcomes: orders.Outcomes


class Participant(Service, Generic[T, A]):
    """A service that orders ask to take something."""

    participant: ClassVar[Name]
    reservations: Reservations[T, A]

    @abstractmethod
    def put_back(self, tx: Transaction, returned: Mapping[int, T]) -> None:
        """Undoes what these orders took; called once for each, in the transaction that marks it returned."""

    @listener(orders.CANCELLED, idempotent=True)
    def restore(self, tx: Transaction, cancelled: Sequence[orders.Cancelled]) -> None:
        """Puts back what cancelled orders took; an order not seen yet is remembered as cancelled."""
        self._give_back(tx, [order.order_id for order in cancelled if self.participant in order.participants])

    @listener(orders.REFUND_REQUESTED, idempotent=True)
    def restore_refunded(self, tx: Transaction, refunds: Sequence[orders.RefundRequested]) -> None:
        """Puts back what refunded orders took, as far as the refund says so."""
        self._give_back(tx, [refund.order_id for refund in refunds if self.participant in refund.participants])

    @periodic(every=60.0)
    async def inquire(self) -> None:
        """Asks orders about reservations whose outcome should have been heard an hour ago."""
        # Nobody says that an order is kept, so each is asked about once: as many as were placed an hour ago.
        for _ in range(INQUIRIES):
            [due] = await self.engine.read(self.unheard, [INQUIRY])
            if due:
                question = orders.AskOutcomes(self.participant, due)
                answer = await self.engine.call(orders.OUTCOMES, question, Deadline.after(INQUIRY_TIMEOUT))
                await self.engine.write(self.conclude, [Inquiry(due, answer)])
            if len(due) < INQUIRY:
                return

    @sweep(every=60.0)
    def forget(self, tx: Transaction, limit: int) -> int:
        """Forgets refusals and cancels of a week ago."""
        return self.reservations.forget(tx, limit)

    def unheard(self, reader: Reader, limits: Sequence[int]) -> list[tuple[int, ...]]:
        """The orders to ask about, at most as many as the limit says."""
        return [self.reservations.unheard(reader, limit) for limit in limits]

    def conclude(self, tx: Transaction, inquiries: Sequence[Inquiry]) -> list[None]:
        """Gives back what is not kept; what is kept is asked about no more, what is undecided in an hour again."""
        for inquiry in inquiries:
            self._give_back(tx, inquiry.outcomes.give_back)
            kept = frozenset(inquiry.outcomes.keep)
            rows = tx.lock(self.reservations.table, inquiry.asked)
            held = [row for row in rows.values() if row.state == "TAKEN"]
            for row in held:
                row.due_at = None if row.order_id in kept else tx.now + UNHEARD
            tx.update(self.reservations.table, held)
        return [None for _ in inquiries]

    def _give_back(self, tx: Transaction, order_ids: Sequence[int]) -> None:
        returned = self.reservations.give_back(tx, order_ids)
        if returned:
            self.put_back(tx, returned)
