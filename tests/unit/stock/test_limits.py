"""The limit for each buyer."""

import pytest

from makegood.shop.stock.settings import StockSettings
from tests.unit.stock.stockroom import Stockroom, good, line


def test_limit_counts_all_orders_of_a_buyer() -> None:
    """A buyer gets at most the limit over all their orders; another buyer has a limit of their own."""
    room = Stockroom(good("a", limit=3))
    assert room.take(1, line("a", 2)) == ""
    assert room.take(2, line("a", 2)) == "limit_exceeded"
    assert room.take(3, line("a", 1)) == ""
    assert room.take(4, line("a", 3), user="bob") == ""
    assert room.bought() == {("ann", "a"): 3, ("bob", "a"): 3}
    assert room.findings() == []


def test_limit_holds_within_a_batch() -> None:
    """Orders of one buyer in one batch share the limit, in the order in which they came."""
    room = Stockroom(good("a", limit=3))
    room.take(1, line("a"))
    requests = [room.request(id, line("a", quantity)) for id, quantity in ((2, 3), (3, 1), (4, 2), (5, 1))]
    assert room.deduct(*requests) == ["limit_exceeded", "", "limit_exceeded", ""]
    assert room.bought() == {("ann", "a"): 3}


def test_limit_holds_within_a_first_batch() -> None:
    """It does so too when the buyer has bought nothing before."""
    room = Stockroom(good("a", limit=3))
    assert room.deduct(*(room.request(id, line("a", 2)) for id in (1, 2))) == ["", "limit_exceeded"]
    assert room.deduct(*(room.request(id, line("a", 1), user="bob") for id in (3, 4))) == ["", ""]
    assert room.bought() == {("ann", "a"): 2, ("bob", "a"): 2}


def test_cancel_gives_the_limit_back() -> None:
    """What a cancelled order counted no longer counts, and leaves no row behind."""
    room = Stockroom(good("a", limit=3), good("b", limit=3), good("c"))
    room.take(1, line("a", 2), line("b", 3), line("c", 5))
    room.take(2, line("a", 1))
    room.cancel(1)
    assert room.bought() == {("ann", "a"): 1}
    assert room.take(3, line("b", 3)) == ""
    assert room.findings() == []


def test_no_limit_writes_no_row() -> None:
    """Without a limit nothing is counted."""
    room = Stockroom(good("a"))
    assert room.take(1, line("a", 10)) == ""
    assert room.bought() == {}


def test_limit_of_the_shop() -> None:
    """The shop's limit holds for goods that have none of their own."""
    room = Stockroom(good("a"), good("b", limit=5), settings=StockSettings(buyer_limit=2))
    assert room.take(1, line("a", 3)) == "limit_exceeded"
    assert room.take(2, line("a", 2), line("b", 5)) == ""
    assert room.take(3, line("b", 1)) == "limit_exceeded"


def test_limit_counts_from_when_it_was_set() -> None:
    """An order that was placed before the limit takes nothing off the count when it is cancelled."""
    room = Stockroom(good("a"))
    room.take(1, line("a", 2))
    room.load(good("a", limit=3))
    assert room.take(2, line("a", 3)) == ""
    room.cancel(1)
    assert room.bought() == {("ann", "a"): 3}
    room.load(good("a"))
    room.cancel(2)
    assert room.bought() == {}
    assert room.findings() == []


@pytest.mark.parametrize("limit", [0, -1])
def test_limit_below_one_is_refused(limit: int) -> None:
    """A setting under which nobody could buy anything is refused."""
    with pytest.raises(ValueError, match="leave it out"):
        StockSettings(buyer_limit=limit)
