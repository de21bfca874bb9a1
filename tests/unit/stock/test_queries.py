"""Looking at goods and at reservations."""

import msgspec

from makegood.shop.reservation_contracts import ReservationFound, ReservationOf
from makegood.shop.stock.contracts import FindGoods, Good, GoodsPage
from makegood.shop.stock.settings import StockSettings
from tests.unit.stock.stockroom import Stockroom, good, line


def test_pages_of_goods() -> None:
    """Pages follow each other in SKU order and end; stock is what is on hand."""
    room = Stockroom(good("b"), good("c", limit=2), good("a"))
    room.take(1, line("b", 4))
    first, second, third = room.database.read(
        lambda reader: room.stock.goods(reader, [GoodsPage(None, 2), GoodsPage("b", 2), GoodsPage("c", 2)])
    )
    assert [(one.sku, one.stock) for one in first.goods] == [("a", 10), ("b", 6)]
    assert first.next == "b"
    assert second.goods == (Good("c", "Good c", 100, 10, 2),)
    assert second.next is None
    assert third.goods == ()


def test_a_full_last_page_has_no_next() -> None:
    """A page that ends with the last of the goods says so."""
    room = Stockroom(good("a"), good("b"))
    [page] = room.database.read(lambda reader: room.stock.goods(reader, [GoodsPage(None, 2)]))
    assert len(page.goods) == 2
    assert page.next is None


def test_find_goods() -> None:
    """Known SKUs are answered once each in SKU order, unknown ones left out; the shop's limit is shown."""
    room = Stockroom(good("b"), good("c", limit=2), good("a"), settings=StockSettings(buyer_limit=7))
    requests = [FindGoods(("c", "b", "x", "b")), FindGoods(("a",)), FindGoods(())]
    found = room.database.read(lambda reader: room.stock.find(reader, requests))
    assert [[(one.sku, one.limit) for one in goods.goods] for goods in found] == [[("b", 7), ("c", 2)], [("a", 7)], []]


def test_reservation_of_an_order() -> None:
    """The timeline sees what an order holds, was refused or gave back; of an unknown order it sees nothing."""
    room = Stockroom(good("a"))
    began = room.world.now()
    room.take(1, line("a", 2))
    room.take(2, line("a", 20))
    room.world.advance(10)
    room.cancel(1, 3)
    requests = [ReservationOf(id) for id in (1, 2, 3, 4)]
    taken, refused, cancelled, unknown = room.database.read(lambda reader: room.stock.reservation(reader, requests))
    assert (taken.state, taken.at, taken.changed_at) == ("RETURNED", began, began + 10)
    assert msgspec.json.decode(taken.taken)["lines"] == [{"sku": "a", "quantity": 2, "unit_price": 100}]
    assert (refused.state, refused.taken, refused.answer) == ("REFUSED", "", '{"refusal":"out_of_stock"}')
    assert (cancelled.state, cancelled.taken, cancelled.answer) == ("CANCELLED", "", "")
    assert unknown == ReservationFound()
