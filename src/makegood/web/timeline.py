"""All that is known about one order, from every service, in the order in which it happened."""

import asyncio
from collections.abc import Iterator
from typing import Any, Literal, TypeVar

import msgspec

from makegood.engine.contracts import Operation
from makegood.engine.deadline import Deadline
from makegood.engine.errors import EngineError
from makegood.shop.accounts import contracts as accounts
from makegood.shop.coupons import contracts as coupons
from makegood.shop.journal import contracts as journal
from makegood.shop.journal.contracts import Entry
from makegood.shop.orders import contracts as orders
from makegood.shop.orders.contracts import Order
from makegood.shop.payments import contracts as payments
from makegood.shop.payments.contracts import Payment
from makegood.shop.reservation_contracts import ReservationFound, ReservationOf
from makegood.shop.stock import contracts as stock
from makegood.times import rfc3339
from makegood.web.port import Shop
from makegood.web.problems import Problem
from makegood.web.views import OrderView

TIMEOUT = 5.0
"""Seconds to wait for the services."""
Source = Literal["orders", "payments", "journal", "stock", "coupons", "accounts"]
RESERVATIONS: tuple[tuple[Source, Operation[ReservationOf, ReservationFound]], ...] = (
    ("stock", stock.RESERVATION),
    ("coupons", coupons.RESERVATION),
    ("accounts", accounts.RESERVATION),
)
Q = TypeVar("Q")
A = TypeVar("A")


class Moment(msgspec.Struct, frozen=True):
    """Something that happened around the order: when, in which service, what; `detail` differs with the source: in it,
    `payload`, `taken` and `answer` are JSON text as the service stored it."""

    at: str
    source: Source
    what: str
    detail: dict[str, Any]


class Timeline(msgspec.Struct, frozen=True):
    """The order and all moments, the oldest first; `missing` names the services that did not answer."""

    order_id: str
    order: OrderView | None
    moments: list[Moment]
    missing: list[Source]


Timed = tuple[int, Moment]


async def timeline(shop: Shop, order_id: int) -> Timeline:
    """Asks every service about the order; raises Problem not_found when none of them knows it."""
    reader = _Reader(shop, order_id)
    await asyncio.gather(
        reader.read_order(),
        reader.read_payments(),
        reader.read_journal(),
        *[reader.read_reservation(source, operation) for source, operation in RESERVATIONS],
    )
    if not reader.timed and not reader.missing:
        raise Problem("not_found")
    reader.timed.sort(key=lambda one: one[0])
    order = reader.order and OrderView.of(reader.order)
    return Timeline(str(order_id), order, [moment for _, moment in reader.timed], sorted(reader.missing))


class _Reader:
    """Asks services, collects what they say, and notes which of them do not answer."""

    def __init__(self, shop: Shop, order_id: int) -> None:
        self._shop = shop
        self._order_id = order_id
        self._deadline = Deadline.after(TIMEOUT)
        self.order: Order | None = None
        self.timed: list[Timed] = []
        self.missing: list[Source] = []

    async def read_order(self) -> None:
        answer = await self._ask("orders", orders.FIND, orders.FindOrder(self._order_id))
        if answer and answer.order:
            self.order = answer.order
            self.timed += _of_order(answer.order)

    async def read_payments(self) -> None:
        answer = await self._ask("payments", payments.OF_ORDER, payments.PaymentsOfOrder(self._order_id))
        for payment in answer.payments if answer else ():
            self.timed += _of_payment(payment)

    async def read_journal(self) -> None:
        answer = await self._ask("journal", journal.OF_ORDER, journal.EntriesOfOrder(self._order_id))
        self.timed += [_of_entry(entry) for entry in (answer.entries if answer else ())]

    async def read_reservation(self, source: Source, operation: Operation[ReservationOf, ReservationFound]) -> None:
        answer = await self._ask(source, operation, ReservationOf(self._order_id))
        if answer and answer.state:
            self.timed += _of_reservation(source, answer)

    async def _ask(self, source: Source, operation: Operation[Q, A], request: Q) -> A | None:
        try:
            return await self._shop.call(operation, request, self._deadline)
        except EngineError:
            self.missing.append(source)
            return None


def _of_order(order: Order) -> Iterator[Timed]:
    for change in order.changes:
        detail = {
            "status": change.status,
            "payment_status": change.payment_status,
            "shipping_status": change.shipping_status,
        }
        yield change.at, Moment(rfc3339(change.at), "orders", change.why, detail)


def _of_payment(payment: Payment) -> Iterator[Timed]:
    detail: dict[str, Any] = {
        "payment_id": str(payment.payment_id),
        "channel": payment.channel,
        "amount": payment.amount,
        "state": payment.state,
        "captured": payment.captured,
        "refunded": payment.refunded,
        "trade_no": payment.trade_no,
    }
    yield payment.created_at, Moment(rfc3339(payment.created_at), "payments", "opened", detail)
    if payment.captured_at is not None:
        # Platforms tell the time in whole seconds: nothing is captured before it was opened.
        captured_at = max(payment.captured_at, payment.created_at)
        yield captured_at, Moment(rfc3339(captured_at), "payments", "captured", detail)
    for refund in payment.refunds:
        yield from _of_refund(payment, refund)


def _of_refund(payment: Payment, refund: payments.Refund) -> Iterator[Timed]:
    detail: dict[str, Any] = {
        "payment_id": str(payment.payment_id),
        "refund_id": str(refund.refund_id),
        "amount": refund.amount,
        "reason": refund.reason,
    }
    yield refund.at, Moment(rfc3339(refund.at), "payments", "refund requested", detail)
    if refund.state != "REQUESTED":
        what = f"refund {refund.state.lower()}"
        yield refund.changed_at, Moment(rfc3339(refund.changed_at), "payments", what, detail)


def _of_entry(entry: Entry) -> Timed:
    detail: dict[str, Any] = {
        "entry_id": str(entry.entry_id),
        "payment_id": None if entry.payment_id is None else str(entry.payment_id),
        "payload": entry.detail,
    }
    return entry.at, Moment(rfc3339(entry.at), "journal", f"{entry.topic}: {entry.tag}", detail)


def _of_reservation(source: Source, found: ReservationFound) -> Iterator[Timed]:
    detail: dict[str, Any] = {"taken": found.taken, "answer": found.answer}
    first = "TAKEN" if found.state == "RETURNED" else found.state
    yield found.at, Moment(rfc3339(found.at), source, first.lower(), detail)
    if first != found.state:
        yield found.changed_at, Moment(rfc3339(found.changed_at), source, found.state.lower(), detail)
