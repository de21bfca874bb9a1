"""Figures of the programs: what they say, what is kept of it, and waiting until nothing waits."""

import asyncio
from collections import deque

import pytest

from makegood.replay.client import ShopClient
from makegood.replay.draining import drain
from makegood.replay.errors import ShopError
from makegood.replay.figures import Look, look, look_at_myself
from makegood.replay.transport import Transport
from makegood.replay.watching import MOST_SAMPLES, Usage, Watch

from .peer import OPERATORS, Peer

TEXT = """# TYPE process_cpu_seconds counter
process_cpu_seconds_total 12.25
# TYPE process_resident_memory_bytes gauge
process_resident_memory_bytes 1.5e+08
# TYPE makegood_service_lag gauge
makegood_service_lag{service="orders"} 3.0
makegood_service_lag{service="points"} 4.0
makegood_service_dead{service="points"} 9.0
makegood_sandbox_notifications_due 5.0
"""


def test_figures_are_summed_over_services() -> None:
    """What waits is added up over services and kinds; what was given up does not wait."""
    assert look(TEXT) == Look(waiting=12, cpu_seconds=12.25, resident=150_000_000)


def test_figures_may_be_missing() -> None:
    """A program that tells nothing of itself has no CPU seconds and no memory, rather than none used."""
    assert look("") == Look(0, None, None)


def test_my_own_figures() -> None:
    """This process has used some CPU, and more memory than nothing."""
    mine = look_at_myself()
    assert (mine.cpu_seconds or 0) > 0
    assert (mine.resident or 0) > 10_000_000


@pytest.mark.parametrize("text", ["no figures {", "", "\x00"])
async def test_what_is_no_figures_is_not_told(peer: Peer, shop: ShopClient, text: str) -> None:
    """A page that is no figures, or none at all, ends nothing."""
    peer.figures.append(text)
    seen = await shop.figures()
    assert seen is None or seen == Look()


async def test_who_is_away_is_not_waited_for(peer: Peer, shop: ShopClient, transport: Transport) -> None:
    """A look at a program that is away, busy or unknown is None, at once."""
    assert await shop.sandbox_figures() is None
    peer.plan.append("busy")
    assert await shop.figures() is None
    await peer.stop()
    began = asyncio.get_running_loop().time()
    assert await ShopClient(peer.url, OPERATORS, transport, peer.url).sandbox_figures() is None
    assert asyncio.get_running_loop().time() - began < 1


async def test_cpu_seconds_go_on_over_a_restart() -> None:
    """What a program used before it was killed, since the replay began, is not forgotten; its memory is its own."""
    looks = deque([Look(0, 10.0, 100), Look(0, 14.0, 300), None, Look(0, 1.0, 200), Look(0, 2.5, 250)])

    async def shop() -> Look | None:
        return looks.popleft()

    async def sandbox() -> Look | None:
        return None

    watch = Watch(shop, sandbox, lambda: 7)
    while looks:
        await watch.look()
    assert watch.usage()["shop"] == Usage(6.5, 100, 300, 250)
    assert watch.usage()["sandbox"] == Usage(None, None, None, None)
    assert [sample.resident["shop"] for sample in watch.samples] == [100, 300, None, 200, 250]
    assert {sample.orders for sample in watch.samples} == {7}


async def test_a_program_that_answers_nonsense_ends_no_watch() -> None:
    """An answer that is no HTTP is a look that failed: the others are still looked at, and the watch goes on."""
    looks = deque([Look(0, 1.0, 100), None, Look(0, 3.0, 120)])

    async def shop() -> Look | None:
        if (seen := looks.popleft()) is None:
            raise ShopError("it does not speak HTTP as expected")
        return seen

    async def sandbox() -> Look | None:
        return Look(0, 5.0, 50)

    watch = Watch(shop, sandbox, lambda: 0)
    while looks:
        await watch.look()
    assert [sample.resident["shop"] for sample in watch.samples] == [100, None, 120]
    assert [sample.resident["sandbox"] for sample in watch.samples] == [50, 50, 50]
    assert watch.usage()["shop"] == Usage(2.0, 100, 120, 120)


async def test_samples_are_bounded() -> None:
    """A replay of any length keeps a bounded number of samples, from its beginning to its end."""

    async def program() -> Look | None:
        return Look(0, 1.0, 1)

    watch = Watch(program, program, lambda: 0)
    for _ in range(5 * MOST_SAMPLES):
        await watch.look()
    assert len(watch.samples) < MOST_SAMPLES
    assert watch.samples[0].seconds <= watch.samples[-1].seconds


async def test_draining_waits_until_nothing_waits(peer: Peer, shop: ShopClient) -> None:
    """It looks until the queues are empty, and says each time how much is left."""
    peer.figures.extend(f"makegood_service_lag {left}\n" for left in (9, 2, 0))
    left: list[int] = []
    await drain(shop, 10.0, left.append)
    assert left == [9, 2, 0]


async def test_draining_gives_up(peer: Peer, shop: ShopClient) -> None:
    """A queue that never empties is left to the proof when time is up."""
    peer.figures.append("makegood_service_outbox 1\n")
    async with asyncio.timeout(5):
        await drain(shop, 0.6, lambda _: None)
    assert peer.requests.count("GET /metrics") >= 2


async def test_draining_waits_for_who_is_away(peer: Peer, shop: ShopClient) -> None:
    """While nobody tells, nothing is known to be done: it goes on until the shop is back and says so."""
    peer.figures.extend(f"makegood_service_lag {left}\n" for left in (1, 0))
    await peer.stop()
    left: list[int] = []
    draining = asyncio.create_task(drain(shop, 10.0, left.append))
    await asyncio.sleep(0.2)
    assert not draining.done()
    await peer.start()
    await draining
    assert left == [1, 0]


async def test_draining_gives_up_when_nobody_tells(peer: Peer, shop: ShopClient) -> None:
    """A shop that stays away is left to the proof when time is up, not before."""
    await peer.stop()
    began = asyncio.get_running_loop().time()
    async with asyncio.timeout(5):
        await drain(shop, 0.6, lambda _: None)
    assert asyncio.get_running_loop().time() - began >= 0.6
