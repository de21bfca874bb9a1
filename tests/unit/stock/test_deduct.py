"""Taking stock for orders, and putting it back."""

import pytest

from makegood.engine.reservations import SKEW
from makegood.shop.stock.contracts import DeductStock
from makegood.shop.types import Line
from tests.unit.stock.stockroom import PATIENCE, Stockroom, good, line


def test_takes_every_line() -> None:
    """An order that can be served takes each of its lines."""
    room = Stockroom(good("a"), good("b"), good("c"))
    assert room.take(1, line("a", 2), line("b", 3)) == ""
    assert room.on_hand() == {"a": 8, "b": 7, "c": 10}


def test_takes_none_when_one_line_is_refused() -> None:
    """An order with one line that cannot be served leaves all goods as they were."""
    room = Stockroom(good("a"), good("b"))
    assert room.take(1, line("a", 2), line("b", 11)) == "out_of_stock"
    assert room.on_hand() == {"a": 10, "b": 10}


@pytest.mark.parametrize("backwards", [False, True])
def test_refusals_have_an_order(backwards: bool) -> None:
    """unknown_sku comes before price_changed, out_of_stock and limit_exceeded, whatever the order of the lines."""
    room = Stockroom(good("a"), good("b"), good("c", limit=1))
    lines = [line("c", 2), line("b", 11), line("a", 1, 99), line("nothing")]
    refusals = [room.take(dropped + 1, *_turned(lines[: len(lines) - dropped], backwards)) for dropped in range(4)]
    assert refusals == ["unknown_sku", "price_changed", "out_of_stock", "limit_exceeded"]
    assert room.on_hand() == {"a": 10, "b": 10, "c": 10}


def _turned(lines: list[Line], backwards: bool) -> list[Line]:
    return lines[::-1] if backwards else lines


def test_last_piece_goes_to_the_first_who_asked() -> None:
    """In one batch the requests are decided in the order in which they came."""
    room = Stockroom(good("a", 3))
    requests = [room.request(id, line("a", 2)) for id in (9, 4, 7)] + [room.request(5, line("a", 1))]
    assert room.deduct(*requests) == ["", "out_of_stock", "out_of_stock", ""]
    assert room.on_hand() == {"a": 0}


def test_one_good_is_written_once_for_a_thousand_buyers() -> None:
    """A batch of buyers of one SKU reads and writes its row once."""
    room = Stockroom(good("a", 1_000))
    statements = _statements_of(room, [room.request(id, line("a")) for id in range(1, 257)])
    assert sum(statement.startswith("UPDATE goods") for statement in statements) == 1
    assert sum("FROM goods" in statement for statement in statements) == 1
    assert room.on_hand() == {"a": 744}


def test_sold_out_costs_nothing_but_its_reservation() -> None:
    """A batch of sold-out orders of a limited good looks once at the good, and writes only the refusals."""
    room = Stockroom(good("a", 0, limit=1))
    statements = _statements_of(room, [room.request(id, line("a"), user=f"buyer{id}") for id in range(1, 65)])
    assert sum("FROM goods" in statement for statement in statements) == 1
    assert not any("bought" in statement for statement in statements)
    writes = [statement for statement in statements if statement.startswith(("INSERT", "UPDATE", "DELETE"))]
    assert all(statement.startswith("INSERT INTO reservations") for statement in writes)


def _statements_of(room: Stockroom, requests: list[DeductStock]) -> list[str]:
    statements: list[str] = []

    def note(_cursor: object, statement: str, _marks: object) -> bool:
        statements.append(statement)
        return True

    room.database.connection.exec_trace = note
    room.deduct(*requests)
    room.database.connection.exec_trace = None
    return statements


def test_duplicate_takes_once() -> None:
    """The same request again, in the same batch or later, has one effect and the same answer."""
    room = Stockroom(good("a"))
    request = room.request(1, line("a", 4))
    assert room.deduct(request, request) == ["", ""]
    assert room.deduct(request) == [""]
    assert room.on_hand() == {"a": 6}


def test_duplicate_refusal_stays_a_refusal() -> None:
    """An order that was refused stays refused when stock has come in since."""
    room = Stockroom(good("a", 1))
    assert room.take(1, line("a", 2)) == "out_of_stock"
    room.load(good("a", 10))
    assert room.take(1, line("a", 2)) == "out_of_stock"
    assert room.on_hand() == {"a": 10}


def test_cancel_puts_back_once() -> None:
    """Cancels and refunds of one order, however many, put back what it took once."""
    room = Stockroom(good("a"), good("b"))
    room.take(1, line("a", 4), line("b", 1))
    room.take(2, line("a", 1))
    room.cancel(1, 1)
    room.cancel(1)
    room.refund(1)
    assert room.on_hand() == {"a": 9, "b": 10}


def test_cancel_of_others_puts_nothing_back() -> None:
    """A cancel or refund that does not name stock leaves what the order took."""
    room = Stockroom(good("a"))
    room.take(1, line("a", 4))
    room.cancel(1, participants=("coupons", "accounts"))
    room.refund(1, participants=())
    assert room.on_hand() == {"a": 6}


def test_null_compensation() -> None:
    """A cancel of an order that never asked, or was refused, puts nothing back."""
    room = Stockroom(good("a"))
    room.take(2, line("a", 11))
    room.cancel(1, 2)
    assert room.on_hand() == {"a": 10}


def test_hanging_behind_its_cancel() -> None:
    """A request that arrives after its order's cancel is refused and takes nothing."""
    room = Stockroom(good("a"))
    room.cancel(1)
    assert room.take(1, line("a")) == "cancelled"
    assert room.on_hand() == {"a": 10}


def test_hanging_past_its_deadline() -> None:
    """A request is served until its deadline plus the clocks' difference, and refused after it."""
    room = Stockroom(good("a"))
    first, second = room.request(1, line("a")), room.request(2, line("a"))
    room.world.advance(PATIENCE + SKEW)
    assert room.deduct(first) == [""]
    room.world.advance(1)
    assert room.deduct(second, first) == ["cancelled", ""]
    assert room.on_hand() == {"a": 9}


def test_sku_twice_is_a_bug_and_sells_nothing() -> None:
    """Should an order with a SKU twice pass the door, stock is still not oversold."""
    room = Stockroom(good("a", 3))
    with pytest.raises(AssertionError, match="names a twice"):
        room.take(1, line("a", 2), line("a", 2))
    assert room.on_hand() == {"a": 3}
