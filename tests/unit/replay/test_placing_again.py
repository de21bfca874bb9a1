"""What a crash of the shop left undecided or unpaid is bought again, once."""

from collections.abc import Sequence

import pytest

from makegood.replay.baskets import Order
from makegood.replay.client import ShopClient
from makegood.replay.compare import HouseholdActual, compare_household
from makegood.replay.expected import expect
from makegood.replay.finding import Sold, find_sold
from makegood.replay.placing import Buyer, Outcome
from makegood.replay.proof import Prover

from .peer import Peer
from .rows import RULE, loaded, nothing, row

ROWS = [row(1, sales=1_000, coupon=100), row(2, quantity=3, sales=1_000, at=1), row(3, household=2, at=2)]


async def buy(shop: ShopClient, orders: Sequence[Order]) -> Outcome:
    """Finds what is sold, then buys the rest, as a replay does."""
    buyer = Buyer(shop, 2, nothing, await find(shop))
    await buyer.buy_all(orders)
    return buyer.outcome


async def find(shop: ShopClient) -> Sold:
    """What the shop has sold of the rows."""
    return await find_sold(shop, expect(ROWS, RULE).households, concurrency=2, on_household=nothing)


async def differences(shop: ShopClient) -> list[str]:
    """What the proof finds."""
    prover = Prover(shop, expect(ROWS, RULE), concurrency=2, timeout=0.0, on_household=nothing)
    return [str(found) for found in (await prover.prove()).differences.listed]


@pytest.mark.parametrize("keys", [{"1"}, {"1", "3"}, {"1", "1-2", "1-3"}])
async def test_a_cancelled_order_is_placed_under_a_fresh_key(peer: Peer, shop: ShopClient, keys: set[str]) -> None:
    """An order that a crash left undecided is placed again, and counts once however often that happens."""
    orders = await loaded(shop, ROWS)
    peer.cancel_keys = keys
    outcome = await buy(shop, orders)
    assert (outcome.bought, outcome.refused, outcome.placed_again) == (3, 0, len(keys))
    assert await differences(shop) == []
    assert sorted(key.partition("-")[0] for key in peer.keys) == ["1", "2", "3"]


async def test_an_order_cancelled_unpaid_is_placed_under_a_fresh_key(peer: Peer, shop: ShopClient) -> None:
    """A shop that was away until the payment's deadline has cancelled the order: the basket is bought anew."""
    orders = await loaded(shop, ROWS)
    peer.cancel_unpaid.add("1")
    outcome = await buy(shop, orders)
    assert (outcome.bought, outcome.refused, outcome.placed_again) == (3, 0, 1)
    assert sorted(peer.keys) == ["1", "1-2", "2", "3"]
    assert await differences(shop) == []


async def test_a_run_that_goes_on_takes_the_same_keys(peer: Peer, shop: ShopClient) -> None:
    """What an earlier run placed under a fresh key and did not pay is found and paid, not placed a third time."""
    orders = await loaded(shop, ROWS)
    peer.cancel_keys = {"1"}
    await shop.place(orders[0], "1")
    await shop.place(orders[0], "1-2")
    outcome = await buy(shop, orders)
    assert (outcome.bought, outcome.placed_again) == (3, 1)
    assert "1-3" not in peer.orders
    assert await differences(shop) == []


async def test_what_a_cancelled_order_still_holds_is_waited_for(peer: Peer, shop: ShopClient) -> None:
    """Stock comes back a little after the cancel: a refusal for want of it is tried again under the next key."""
    orders = await loaded(shop, ROWS)
    peer.cancel_keys = {"1"}
    peer.refuse_keys = {"1-2": "out_of_stock", "3": "insufficient_balance"}
    outcome = await buy(shop, orders)
    assert (outcome.bought, outcome.refused) == (3, 0)
    assert {"1-3", "3-2"} < peer.orders.keys()


async def test_a_cancel_of_an_earlier_run_counts_too(peer: Peer, shop: ShopClient) -> None:
    """A refusal that an earlier run met for want of what was not yet put back is tried again as well."""
    orders = await loaded(shop, ROWS)
    peer.cancel_keys, peer.refuse_keys = {"1"}, {"3": "out_of_stock"}
    await shop.place(orders[0], "1")
    peer.cancel_keys = set()
    assert (await buy(shop, orders[2:])).bought == 1
    assert "3-2" in peer.orders


async def test_a_refusal_without_a_cancel_stands(peer: Peer, shop: ShopClient) -> None:
    """Where nothing was ever cancelled, a sold out SKU is a difference, and nothing is tried again."""
    orders = await loaded(shop, ROWS)
    peer.refuse_keys = {"3": "out_of_stock"}
    outcome = await buy(shop, orders)
    assert (outcome.bought, outcome.refused, outcome.placed_again) == (2, 1, 0)


async def test_a_refusal_for_another_reason_stands(peer: Peer, shop: ShopClient) -> None:
    """Other prices do not come right by waiting, whatever was cancelled."""
    orders = await loaded(shop, ROWS)
    peer.cancel_keys, peer.refuse_keys = {"1"}, {"3": "price_changed"}
    outcome = await buy(shop, orders)
    assert (outcome.bought, outcome.refused) == (2, 1)


async def test_fresh_keys_end(peer: Peer, shop: ShopClient) -> None:
    """A shop that cancels whatever comes is not asked for ever: the keys end, and the basket is refused."""
    orders = await loaded(shop, ROWS)
    peer.cancel_keys = {"3", *[f"3-{number}" for number in range(2, 20)]}
    buyer = Buyer(shop, 2, nothing, key_waits=(0.0, 0.01, 0.01))
    await buyer.buy_all(orders)
    outcome = buyer.outcome
    assert (outcome.bought, outcome.refused, outcome.placed_again) == (2, 1, 3)
    assert {"3-4"} == peer.orders.keys() - {"1", "2", "3", "3-2", "3-3"}
    assert outcome.refusals[0].refusal.code == "cancelled"


async def test_what_is_sold_is_not_asked_for_again(peer: Peer, shop: ShopClient) -> None:
    """A run that goes on leaves paid baskets alone, and pays the one that was only placed."""
    orders = await loaded(shop, ROWS)
    await Buyer(shop, 1, nothing).buy_all(orders[:1])
    await shop.place(orders[1], "2")
    peer.requests.clear()
    outcome = await buy(shop, orders)
    assert (outcome.sold_before, outcome.bought) == (1, 2)
    assert peer.requests.count("POST /api/orders") == 2
    assert await differences(shop) == []


async def test_baskets_that_are_alike_are_sold_together(shop: ShopClient) -> None:
    """Of two equal baskets of a household with one paid order, none is taken for sold: which it is nobody knows."""
    rows = [row(1), row(2, at=1), row(3, at=2, sales=777)]
    orders = await loaded(shop, rows)
    households = expect(rows, RULE).households
    for bought, sold in ((orders[1:], {3}), (orders, {1, 2, 3})):
        await Buyer(shop, 1, nothing).buy_all(bought)
        found = await find_sold(shop, households, concurrency=1, on_household=nothing)
        assert found.baskets == sold


async def test_an_order_cancelled_and_not_yet_refunded_differs(peer: Peer, shop: ShopClient) -> None:
    """Only what was put back counts for nothing: a cancelled order whose money is not back is a difference."""
    orders = await loaded(shop, ROWS)
    await buy(shop, orders)
    actual = HouseholdActual(await shop.me("household-2"), await shop.orders("household-2"))
    expected = expect(ROWS, RULE).households[2]
    assert compare_household(2, expected, actual) == []
    stuck = peer.orders["3"]
    stuck.status, stuck.payment_status = "CANCELLED", "REFUNDING"
    actual = HouseholdActual(actual.me, await shop.orders("household-2"))
    assert [found.what for found in compare_household(2, expected, actual)] == ["state"]
