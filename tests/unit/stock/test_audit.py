"""The audit finds what is broken, and nothing else."""

import pytest

from makegood.shop.audit_types import MAX_FINDINGS
from makegood.shop.stock import audit as stock_audit
from makegood.shop.stock.audit import SLICE
from tests.unit.stock.stockroom import Stockroom, good, line


def _sold() -> Stockroom:
    room = Stockroom(good("a"), good("b", limit=5), good("c"))
    room.take(1, line("a", 2), line("b", 3))
    room.take(2, line("a", 1), line("b", 1), user="bob")
    room.take(3, line("c", 20))
    room.take(4, line("c", 5))
    room.cancel(4, 5)
    assert [room.findings(size) for size in (1, 2, SLICE)] == [[], [], []]
    return room


@pytest.mark.parametrize("slice_size", [1, 2, SLICE])
@pytest.mark.parametrize(
    ("corruption", "promise", "subject"),
    [
        ("UPDATE goods SET stock = stock + 1 WHERE sku = 'a'", "P1", "a"),
        ("UPDATE goods SET stock = stock - 1 WHERE sku = 'c'", "P1", "c"),
        ("UPDATE goods SET stock = -1, loaded = 2 WHERE sku = 'a'", "P1", "a"),
        ("UPDATE goods SET loaded = 9 WHERE sku = 'b'", "P1", "b"),
        ("DELETE FROM goods WHERE sku = 'a'", "P1", "a"),
        ("UPDATE reservations SET state = 'TAKEN' WHERE order_id = 4", "P1", "c"),
        ("UPDATE bought SET quantity = 4 WHERE user = 'ann'", "P6", "ann b"),
        ("DELETE FROM bought WHERE user = 'bob'", "P6", "bob b"),
        ("INSERT INTO bought VALUES ('bob', 'c', 1)", "P6", "bob c"),
        ("INSERT INTO bought VALUES ('zoe', 'c', 0)", "P6", "zoe c"),
    ],
)
def test_corruption_is_found(corruption: str, promise: str, subject: str, slice_size: int) -> None:
    """Each thing that could go wrong with a row is one finding about it, however many passes are made."""
    room = _sold()
    room.corrupt(corruption)
    assert [(finding.promise, finding.subject) for finding in room.findings(slice_size)] == [(promise, subject)]


@pytest.mark.parametrize("change", ["state = 'RETURNED'", "state = 'REFUSED', taken = x''"])
def test_lost_reservation_is_found(change: str) -> None:
    """Stock that was taken and is held by nobody is found, with the limit it counts for."""
    room = _sold()
    room.corrupt(f"UPDATE reservations SET {change} WHERE order_id = 2")
    found = [(finding.promise, finding.subject) for finding in room.findings()]
    assert found == [("P1", "a"), ("P1", "b"), ("P6", "bob b")]


def test_findings_are_capped_and_counted() -> None:
    """Of many findings a hundred are kept and all are counted."""
    room = Stockroom(*(good(f"{number:04}") for number in range(1_500)))
    room.corrupt("UPDATE goods SET stock = 11")
    checked = room.database.read(stock_audit.audit)[0]
    assert (checked.examined, checked.count, len(checked.findings)) == (1_500, 1_500, MAX_FINDINGS)


def test_held_orders_are_in_order() -> None:
    """The orders that hold stock come by id, from behind where one left off, over many pages."""
    room = Stockroom(good("a", 5_000))
    for start in range(1, 2_600, 200):
        room.deduct(*(room.request(id, line("a")) for id in range(start, start + 200)))
    room.cancel(2, 1_001, 4_000)
    expected = [id for id in range(1, 2_601) if id not in (2, 1_001)]
    assert room.database.read(lambda reader: list(stock_audit.held(reader))) == expected
    assert room.database.read(lambda reader: list(stock_audit.held(reader, 2_598))) == [2_599, 2_600]
