"""Reads the reservations of a participant: those of an order, and all of them in the order of their ids."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

import msgspec

from makegood.engine.database.transaction import Reader
from makegood.engine.reservations import Answer, Reservation, Reservations
from makegood.shop.audit_types import stream
from makegood.shop.reservation_contracts import ReservationFound, ReservationOf

T = TypeVar("T", bound=msgspec.Struct)
A = TypeVar("A", bound=Answer)


def find_reservations(
    reservations: Reservations[T, A], reader: Reader, requests: Sequence[ReservationOf]
) -> list[ReservationFound]:
    """One answer for each request, in its order."""
    rows = reader.select(reservations.table, [request.order_id for request in requests])
    return [_found(rows.get(request.order_id)) for request in requests]


def taken_rows(
    reservations: Reservations[T, A], reader: Reader, after: int | None = None
) -> Iterator[tuple[Reservation, T]]:
    """The reservations in state TAKEN with what they hold, by order id, behind `after`; memory stays flat."""
    for row in stream(reader, reservations.table, after):
        if row.state == "TAKEN":
            yield row, reservations.taken(row)


def held(reservations: Reservations[T, A], reader: Reader, after: int | None = None) -> Iterator[int]:
    """The orders that hold something, by order id, behind `after`; memory stays flat."""
    # Paging by the index on state would sort every such row again for each page.
    return (row.order_id for row in stream(reader, reservations.table, after) if row.state == "TAKEN")


def _found(row: Reservation | None) -> ReservationFound:
    if row is None:
        return ReservationFound()
    return ReservationFound(row.state, row.taken.decode(), row.answer.decode(), row.at, row.changed_at)
