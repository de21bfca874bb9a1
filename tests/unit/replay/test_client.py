"""The client, against a peer that fails in every way a shop can."""

import asyncio

import pytest
from yarl import URL

from makegood.replay.client import ShopClient
from makegood.replay.errors import ShopError, ShopUnavailableError
from makegood.replay.placing import Buyer
from makegood.replay.transport import Request, Transport
from makegood.replay.wire import OrderView, Refusal

from .peer import OPERATORS, Peer
from .rows import loaded, nothing, row

ROWS = [row(1, sales=1_000, coupon=100), row(2, quantity=3, sales=1_000, at=1), row(3, household=2, at=2)]


@pytest.mark.parametrize("failure", ["reset", "lost", "busy"])
async def test_an_order_survives_a_failure(peer: Peer, shop: ShopClient, transport: Transport, failure: str) -> None:
    """A reset, a lost answer and a busy shop cost a retry, and the order is placed once."""
    (order, *_) = await loaded(shop, ROWS)
    await shop.me(order.user)
    peer.plan.extend([failure] * 3)
    placed = await shop.place(order, str(order.basket))
    assert isinstance(placed, OrderView)
    assert placed.fingerprint() == order.fingerprint()
    assert transport.retries == 3
    assert peer.keys == ["1"]


async def test_an_undecided_order_is_asked_again(peer: Peer, shop: ShopClient) -> None:
    """202 is no answer: the same key is asked until the shop has decided."""
    (order, *_) = await loaded(shop, ROWS)
    await shop.me(order.user)
    peer.plan.extend(["undecided", "undecided"])
    assert isinstance(await shop.place(order, str(order.basket)), OrderView)
    assert peer.requests.count("POST /api/orders") == 3
    assert peer.keys == ["1"]


async def test_a_session_that_ended_is_renewed(peer: Peer, shop: ShopClient) -> None:
    """401 signs in again, once, and asks again."""
    (order, *_) = await loaded(shop, ROWS)
    await shop.me(order.user)
    peer.plan.append("expired")
    assert isinstance(await shop.place(order, str(order.basket)), OrderView)
    assert peer.requests.count("POST /api/ops/sessions") == 2


async def test_a_refusal_is_a_value(peer: Peer, shop: ShopClient) -> None:
    """409 comes back with its code; it is neither raised nor asked again."""
    (order, *_) = await loaded(shop, ROWS)
    peer.refuse_keys["1"] = "out_of_stock"
    refused = await shop.place(order, str(order.basket))
    assert isinstance(refused, Refusal)
    assert str(refused) == "out_of_stock (HTTP 409): out_of_stock"
    assert peer.requests.count("POST /api/orders") == 1


async def test_a_bug_in_the_shop_is_a_refusal(peer: Peer, shop: ShopClient) -> None:
    """500 is not waited out: the basket is refused."""
    (order, *_) = await loaded(shop, ROWS)
    await shop.me(order.user)
    peer.plan.append("broken")
    refused = await shop.place(order, str(order.basket))
    assert isinstance(refused, Refusal)
    assert refused.status == 500


async def test_a_shop_that_comes_back_is_waited_for(peer: Peer, shop: ShopClient) -> None:
    """While connections are refused the client waits, and goes on when the shop is back."""
    orders = await loaded(shop, ROWS)
    await peer.stop()
    placing = asyncio.create_task(shop.place(orders[0], "1"))
    await asyncio.sleep(0.2)
    await peer.start()
    assert isinstance(await placing, OrderView)


async def test_a_shop_that_stays_away_ends_the_wait(peer: Peer, shop: ShopClient) -> None:
    """When patience ends the error says where, why, and what to do."""
    await peer.stop()
    with pytest.raises(ShopUnavailableError, match=r"http://127.0.0.1:\d+ was away for 2 s .*run the same"):
        await shop.me("household-1")


async def test_a_catalogue_the_shop_refuses_stops(peer: Peer, transport: Transport) -> None:
    """A wrong operators' token is an error that names the shop's code."""
    with pytest.raises(ShopError, match=r"refuses the catalogue: forbidden \(HTTP 403\)"):
        await loaded(ShopClient(peer.url, "wrong", transport), ROWS)


async def test_an_answer_of_another_kind_is_refused(transport: Transport) -> None:
    """A server that answers with something else than the shop's JSON is named as such."""

    async def hello(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(hello, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(ShopError, match="the shop's answer is no Session"):
            await ShopClient(f"http://127.0.0.1:{port}", OPERATORS, transport).me("household-1")


async def test_what_is_no_http_is_refused(transport: Transport) -> None:
    """A server that speaks something else is not waited for."""

    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"220 mail.example ready\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(babble, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(ShopError, match="does not speak HTTP"):
            await transport.send(Request("GET", URL(f"http://127.0.0.1:{port}/"), {}))


async def test_lists_are_read_to_their_end(shop: ShopClient) -> None:
    """A household with more orders than a page holds gets them all, and goods likewise."""
    rows = [row(n, product=n, at=n) for n in range(1, 251)]
    for order in await loaded(shop, rows):
        await shop.place(order, str(order.basket))
    assert len(await shop.orders("household-1")) == 250
    assert len([good async for good in shop.goods("household-1")]) == 250


async def test_everything_is_paid_in_order(peer: Peer, shop: ShopClient) -> None:
    """Each household's baskets are placed in order of time, all are paid, and no more than allowed at once."""
    rows = [row(n, household=n % 3, at=n, sales=n * 10) for n in range(1, 61)]
    buyer = Buyer(shop, 4, nothing)
    await buyer.buy_all(await loaded(shop, rows))
    assert (buyer.outcome.bought, buyer.outcome.refused) == (60, 0)
    for household in range(3):
        mine = [int(key) for key in peer.keys if int(key) % 3 == household]
        assert mine == sorted(mine)
        assert len(mine) == 20
    assert 1 < peer.most_in_flight <= 4


async def test_paying_again_what_is_paid_is_well(peer: Peer, shop: ShopClient) -> None:
    """A second replay finds its orders placed and paid, and takes nothing a second time."""
    orders = await loaded(shop, ROWS)
    await Buyer(shop, 2, nothing).buy_all(orders)
    points = dict(peer.points)
    again = Buyer(shop, 2, nothing)
    await again.buy_all(orders)
    assert (again.outcome.bought, again.outcome.refused) == (3, 0)
    assert peer.points == points
    assert sorted(peer.keys) == ["1", "2", "3"]


async def test_an_order_with_nothing_due_is_not_paid(peer: Peer, shop: ShopClient) -> None:
    """Where nothing is due no payment is opened."""
    (order,) = await loaded(shop, [row(sales=10_000, coupon=10_000)])
    assert order.amount_due == 0
    buyer = Buyer(shop, 1, nothing)
    await buyer.buy_all([order])
    assert buyer.outcome.bought == 1
    assert "POST /api/payments" not in peer.requests


async def test_the_first_error_stops_the_buying(peer: Peer, shop: ShopClient) -> None:
    """When the shop stays away, buying ends with that error itself."""
    orders = await loaded(shop, ROWS)
    await peer.stop()
    with pytest.raises(ShopUnavailableError):
        await Buyer(shop, 2, nothing).buy_all(orders)


@pytest.mark.parametrize("url", ["", "127.0.0.1:8000", "ftp://127.0.0.1", "http://[", "http://"])
async def test_what_is_no_address_is_refused(transport: Transport, url: str) -> None:
    """A URL that is none is refused before anything is sent."""
    with pytest.raises(ShopError, match="is no http address"):
        ShopClient(url, OPERATORS, transport)
