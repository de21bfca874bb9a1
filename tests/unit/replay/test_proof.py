"""The proof looks again while messages are on their way."""

import asyncio

from makegood.replay.client import ShopClient
from makegood.replay.expected import expect
from makegood.replay.placing import Buyer
from makegood.replay.proof import Prover

from .peer import Peer
from .rows import RULE, loaded, nothing, row

ROWS = [row(1, sales=1_000), row(2, household=2, sales=2_000, at=1)]


async def test_late_points_are_waited_for(peer: Peer, shop: ShopClient) -> None:
    """Points that come while the proof looks are no difference, and only their household is looked at again."""
    await Buyer(shop, 1, nothing).buy_all(await loaded(shop, ROWS))
    points, peer.points = peer.points, peer.points | {"household-2": 0}
    asyncio.get_running_loop().call_later(0.3, peer.points.update, points)
    peer.requests.clear()
    prover = Prover(shop, expect(ROWS, RULE), concurrency=2, timeout=10.0, on_household=nothing)
    proof = await prover.prove()
    assert (proof.differences.count, proof.actual) == (0, expect(ROWS, RULE).figures)
    assert peer.requests.count("GET /api/me") > 2
    assert peer.requests.count("GET /api/goods") == 1


async def test_what_never_comes_is_listed(peer: Peer, shop: ShopClient) -> None:
    """When time is up, what still differs is listed once, however often it was looked at."""
    await Buyer(shop, 1, nothing).buy_all(await loaded(shop, ROWS))
    peer.points["household-2"] -= 1
    prover = Prover(shop, expect(ROWS, RULE), concurrency=2, timeout=0.5, on_household=nothing)
    proof = await prover.prove()
    assert [(one.where, one.what) for one in proof.differences.listed] == [
        ("household-2", "points"),
        ("all together", "points"),
    ]
