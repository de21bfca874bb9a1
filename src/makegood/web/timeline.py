"""All that is known about one order, from every service, in the order in which it happened."""

import asyncio
from collections.abc import Iterator
from typing import Literal, TypeVar

import msgspec

from makegood.engine.contracts import Operation
from makegood.engine.dead_letters import TASK
from makegood.engine.deadline import Deadline
from makegood.engine.errors import EngineError
from makegood.shop.accounts import contracts as accounts
from makegood.shop.coupons import contracts as coupons
from makegood.shop.journal import contracts as journal
from makegood.shop.orders import contracts as orders
from makegood.shop.payments import bill_contracts as bills
from makegood.shop.payments import contracts as payments
from makegood.shop.payments.contracts import Payment, PaymentTrail
from makegood.shop.points import contracts as points
from makegood.shop.reservation_contracts import ReservationFound, ReservationOf
from makegood.shop.stock import contracts as stock
from makegood.times import rfc3339
from makegood.web import moments
from makegood.web.hearings import Known, of_events
from makegood.web.links import orders_of
from makegood.web.moments import Moment, Source, Timed
from makegood.web.port import Shop
from makegood.web.problems import Problem
from makegood.web.views import OrderView
from makegood.web.waiting import in_time

TIMEOUT = 5.0
"""Seconds to wait for the services."""
MOST = 500
"""Most moments that are shown, the oldest first."""
Missing = Source | Literal["tasks"]
"""Who did not answer; `tasks` are work that waits and events that were set aside."""
RESERVATIONS: tuple[tuple[Source, Operation[ReservationOf, ReservationFound]], ...] = (
    ("stock", stock.RESERVATION),
    ("coupons", coupons.RESERVATION),
    ("accounts", accounts.RESERVATION),
)
Q = TypeVar("Q")
A = TypeVar("A")


class PaymentSeen(msgspec.Struct, frozen=True):
    """A payment as operators see it: amounts in fen.

    `refundable` is what was captured and is neither refunded nor asked to be. `told_by` says whether the platform told
    us of the capture by itself (`notice`) or when asked (`query`); `asked` questions were asked, the next at `ask_at`.
    """

    payment_id: str
    channel: str
    state: payments.PaymentState
    amount: int
    captured: int
    refunded: int
    refundable: int
    trade_no: str
    told_by: payments.ToldBy | None
    asked: int | None
    ask_at: str | None

    @classmethod
    def of(cls, payment: Payment, trail: PaymentTrail | None) -> "PaymentSeen":
        """The payment as operators see it; without its trail some of it is not known."""
        promised = sum(refund.amount for refund in payment.refunds if refund.state != "FAILED")
        return cls(
            payment_id=str(payment.payment_id),
            channel=payment.channel,
            state=payment.state,
            amount=payment.amount,
            captured=payment.captured,
            refunded=payment.refunded,
            refundable=payment.captured - promised,
            trade_no=payment.trade_no,
            told_by=trail.told_by if trail else None,
            asked=trail.asked if trail else None,
            ask_at=rfc3339(trail.ask_at) if trail and trail.ask_at is not None else None,
        )


class Timeline(msgspec.Struct, frozen=True):
    """The order and its buyer, its payments, and all moments, the oldest first.

    `missing` names who did not answer. Not `complete`: there is more than is shown, or than was looked through.
    """

    order_id: str
    user: str | None
    order: OrderView | None
    payments: list[PaymentSeen]
    moments: list[Moment]
    missing: list[Missing]
    complete: bool


async def timeline(shop: Shop, number: int) -> Timeline:
    """Asks every service about the order; `number` is its id, or that of one of its payments.

    Raises Problem not_found when nobody knows it.
    """
    found = await _of_order(shop, number)
    if found is None:
        order_id = (await orders_of(shop, [number])).get(number)
        found = None if order_id is None else await _of_order(shop, order_id)
    if found is None:
        raise Problem("not_found")
    return found


async def _of_order(shop: Shop, order_id: int) -> Timeline | None:
    reader = _Reader(shop, order_id)
    await reader.read()
    timed = list(_moments(reader.known))
    if not timed and not reader.missing:
        return None
    known = reader.known
    return Timeline(
        order_id=str(order_id),
        user=known.order and known.order.user,
        order=known.order and OrderView.of(known.order),
        payments=[PaymentSeen.of(one, known.trails.get(one.payment_id)) for one in known.payments.values()],
        moments=moments.in_order(timed)[:MOST],
        missing=sorted(reader.missing),
        complete=known.complete and known.traces.complete and len(timed) <= MOST,
    )


def _moments(known: Known) -> Iterator[Timed]:
    # A capture comes before the change of its order, should both be of the same millisecond.
    for payment in known.payments.values():
        yield from moments.of_payment(payment, known.trails.get(payment.payment_id))
    if known.order is not None:
        yield from moments.of_order(known.order)
    for source, found in known.reservations.items():
        yield from moments.of_reservation(_source(source), found)
    yield from map(moments.of_refused, known.refused)
    yield from map(moments.of_break, known.breaks)
    yield from map(moments.of_reconciliation, known.bills.reconciliations)
    opened = {str(id): payment.created_at for id, payment in known.payments.items()}
    for one in known.bills.differences:
        yield moments.of_difference(one, opened.get(one.number, 0))
    yield from of_events(known)
    yield from map(moments.of_points, known.points)
    yield from map(moments.of_entry, known.entries)
    yield from map(moments.of_work, known.traces.work)
    yield from (moments.of_letter(letter) for letter in known.traces.letters if letter.tag != TASK)


def _source(name: str) -> Source:
    return next(source for source, _ in RESERVATIONS if source == name)


class _Reader:
    """Asks services, collects what they say, and notes which of them do not answer."""

    def __init__(self, shop: Shop, order_id: int) -> None:
        self._shop = shop
        self._order_id = order_id
        self._deadline = Deadline.after(TIMEOUT)
        self.known = Known()
        self.missing: list[Missing] = []

    async def read(self) -> None:
        """Asks those who know the order, then those who know its payments and refunds."""
        await asyncio.gather(
            self._read_order(),
            self._read_payments(),
            self._read_trail(),
            self._read_bills(),
            self._read_journal(),
            *[self._read_reservation(source, operation) for source, operation in RESERVATIONS],
        )
        if self.known.order is not None or self.known.payments or self.known.entries:
            await asyncio.gather(self._read_points(), self._read_traces())

    async def _read_order(self) -> None:
        answer = await self._ask("orders", orders.FIND, orders.FindOrder(self._order_id))
        self.known.order = answer.order if answer else None

    async def _read_payments(self) -> None:
        answer = await self._ask("payments", payments.OF_ORDER, payments.PaymentsOfOrder(self._order_id))
        self.known.payments = {one.payment_id: one for one in (answer.payments if answer else ())}

    async def _read_trail(self) -> None:
        answer = await self._ask("payments", payments.TRAIL, payments.TrailOfOrder(self._order_id))
        if answer:
            self.known.trails = {one.payment_id: one for one in answer.payments}
            self.known.refused, self.known.breaks = answer.refused, answer.breaks

    async def _read_bills(self) -> None:
        answer = await self._ask("payments", bills.OF_ORDER, bills.BillsOfOrder(self._order_id))
        if answer:
            self.known.bills = answer

    async def _read_journal(self) -> None:
        answer = await self._ask("journal", journal.OF_ORDER, journal.EntriesOfOrder(self._order_id))
        if answer:
            self.known.entries, self.known.complete = answer.entries, answer.complete

    async def _read_reservation(self, source: Source, operation: Operation[ReservationOf, ReservationFound]) -> None:
        answer = await self._ask(source, operation, ReservationOf(self._order_id))
        if answer and answer.state:
            self.known.reservations[source] = answer

    async def _read_points(self) -> None:
        ids = tuple(self.known.payments)
        answer = await self._ask("points", points.OF_PAYMENTS, points.EntriesOfPayments(ids)) if ids else None
        self.known.points = answer.entries if answer else ()

    async def _read_traces(self) -> None:
        refunds = [refund.refund_id for payment in self.known.payments.values() for refund in payment.refunds]
        keys = [str(id) for id in (self._order_id, *self.known.payments, *refunds)]
        try:
            self.known.traces = await in_time(self._shop.traces(keys), self._deadline.remaining())
        except (EngineError, TimeoutError):
            self.missing.append("tasks")

    async def _ask(self, source: Source, operation: Operation[Q, A], request: Q) -> A | None:
        try:
            return await self._shop.call(operation, request, self._deadline)
        except EngineError:
            if source not in self.missing:
                self.missing.append(source)
            return None
