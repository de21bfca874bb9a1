"""Loading goods: totals ever loaded, all rows or none."""

import msgspec
import pytest

from makegood.shop.stock.contracts import FindGoods, LoadGood, LoadGoods
from tests.unit.stock.stockroom import Stockroom, good, line


def test_load_again_changes_nothing() -> None:
    """The same load a second time adds and changes nothing."""
    room = Stockroom()
    assert (room.load(good("a"), good("b")).added, room.on_hand()) == (2, {"a": 10, "b": 10})
    again = room.load(good("a"), good("b"))
    assert (again.added, again.changed, again.problems) == (0, 0, ())
    assert room.on_hand() == {"a": 10, "b": 10}


def test_load_applies_the_difference() -> None:
    """A larger or smaller total changes what is on hand by the difference."""
    room = Stockroom(good("a"), good("b"), good("c"))
    room.take(1, line("a", 4), line("b", 4))
    loaded = room.load(good("a", 15), good("b", 4), good("c"))
    assert (loaded.added, loaded.changed) == (0, 2)
    assert room.on_hand() == {"a": 11, "b": 0, "c": 10}
    assert room.findings() == []


def test_load_below_what_is_sold_is_refused() -> None:
    """A total below what is sold refuses the whole load."""
    room = Stockroom(good("a"))
    room.take(1, line("a", 4))
    loaded = room.load(good("new"), good("a", 3))
    assert loaded.problems == ("SKU a: 3 ever loaded would leave stock below zero, for 4 are sold",)
    assert room.on_hand() == {"a": 6}


def test_other_price_is_refused() -> None:
    """A price that differs from what is there refuses the whole load."""
    room = Stockroom(good("a"))
    loaded = room.load(good("a", price=101), good("new"))
    assert loaded.problems == ("SKU a: its price is 100 fen, not 101; a price cannot be changed",)
    assert room.on_hand() == {"a": 10}


def test_sku_listed_twice_is_refused() -> None:
    """A SKU in two rows refuses the whole load, be it known or new."""
    room = Stockroom(good("a"))
    loaded = room.load(good("a"), good("b"), good("a"), good("b"))
    assert loaded.problems == tuple(f"SKU {sku}: it is listed twice; keep one row" for sku in ("a", "b"))
    assert room.on_hand() == {"a": 10}


def test_check_takes_nothing_in() -> None:
    """Without `apply` problems are found and nothing is written."""
    room = Stockroom(good("a"))
    assert room.load(good("a", 20), good("b"), apply=False).problems == ()
    assert len(room.load(good("a", 20, price=1), apply=False).problems) == 1
    assert room.on_hand() == {"a": 10}


def test_title_and_limit_may_change() -> None:
    """Title and limit follow the last load."""
    room = Stockroom(good("a"))
    assert room.load(LoadGood("a", "A new title", 100, 10, 4)).changed == 1
    [page] = room.database.read(lambda reader: room.stock.find(reader, [FindGoods(("a",))]))
    assert (page.goods[0].title, page.goods[0].limit) == ("A new title", 4)
    assert room.load(good("a")).changed == 1


def test_two_loads_in_one_batch() -> None:
    """The second of two loads of the same SKU in one transaction sees the first."""
    room = Stockroom()
    requests = [LoadGoods((good("a", 10),), apply=True), LoadGoods((good("a", 12), good("b")), apply=True)]
    first, second = room.database.write(lambda tx: room.stock.load(tx, requests))
    assert (first.added, second.added, second.changed) == (1, 1, 1)
    assert room.on_hand() == {"a": 12, "b": 10}


@pytest.mark.parametrize(
    "row",
    [
        {"sku": "", "title": "t", "price": 1, "stock": 1},
        {"sku": "a b", "title": "t", "price": 1, "stock": 1},
        {"sku": "a", "title": "t", "price": 0, "stock": 1},
        {"sku": "a", "title": "t", "price": 1, "stock": -1},
        {"sku": "a", "title": "t", "price": 1, "stock": 1, "limit": 0},
        {"sku": "a", "title": "t", "price": 1, "stock": 1, "colour": "red"},
    ],
)
def test_bad_rows_stop_at_the_door(row: dict[str, object]) -> None:
    """A row outside its bounds is not decoded."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"goods": [row], "apply": True}, LoadGoods)
