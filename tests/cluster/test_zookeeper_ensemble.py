"""The registry while the ensemble's own processes are killed, on an ensemble of the test's own."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from makegood.engine.registry.port import Provider
from tests.cluster.servers import OwnZookeeper
from tests.contract.registry.hearing import Hearing
from tests.contract.registry.zookeepers import Place

pytestmark = pytest.mark.cluster

STOCK = "makegood.Stock"
ONE, TWO = Provider("127.0.0.1", 5001), Provider("127.0.0.1", 5002, weight=50)


@pytest.fixture(scope="module")
def own() -> Iterator[OwnZookeeper]:
    """Three ZooKeepers that may be killed."""
    with OwnZookeeper() as own:
        yield own


@pytest.fixture
async def place(own: OwnZookeeper) -> AsyncIterator[Place]:
    """An empty folder of theirs, while all of them run."""
    place = Place(own.addresses)
    await place.connect()
    yield place
    await place.close()


async def test_the_leader_is_killed(own: OwnZookeeper, place: Place) -> None:
    """With a killed leader the list stands, and the next provider is registered and heard of within seconds."""
    provider, consumer = await place.registry(), await place.registry()
    await provider.register(STOCK, ONE)
    hearing = await Hearing.of(consumer, STOCK)
    leader = await asyncio.to_thread(own.leader)
    await asyncio.to_thread(own.kill, leader)
    began = time.monotonic()
    await provider.register(STOCK, TWO)
    await hearing.until(ONE, TWO, seconds=15)
    assert hearing.told == [(ONE,), (ONE, TWO)]
    assert time.monotonic() - began < 15
    await asyncio.to_thread(own.start, leader)


async def test_all_of_them_are_killed_and_come_back(own: OwnZookeeper, place: Place, tmp_path: Path) -> None:
    """Without any ZooKeeper the last list stands, also for a process that starts then; afterwards all is as before."""
    cache = tmp_path / "providers.json"
    provider, consumer = await place.registry(session=2), await place.registry(session=2, cache=cache)
    await provider.register(STOCK, ONE)
    hearing = await Hearing.of(consumer, STOCK)
    await asyncio.to_thread(own.kill, "zookeeper")
    await provider.register(STOCK, TWO)
    await asyncio.sleep(3)
    assert hearing.told == [(ONE,)]
    await consumer.close()
    restarted = await place.registry(session=2, cache=cache)
    again = await Hearing.of(restarted, STOCK)
    assert again.told == [(ONE,)]
    await asyncio.to_thread(own.start, "zookeeper")
    await again.until(ONE, TWO, seconds=20)
    await place.until_nodes(STOCK, 2)


async def test_zookeeper_is_set_up_anew(own: OwnZookeeper, place: Place) -> None:
    """An ensemble that has lost all its data is told again what is offered, by the processes that offer it."""
    provider, consumer = await place.registry(session=2), await place.registry(session=2)
    await provider.register(STOCK, ONE)
    hearing = await Hearing.of(consumer, STOCK)
    await asyncio.to_thread(own.kill, "zookeeper")
    for file in own.site.folder.glob("zookeeper-*/*/version-2/*"):
        file.unlink()
    await asyncio.to_thread(own.start, "zookeeper")
    await place.begin_again()
    await provider.register(STOCK, TWO)
    await hearing.until(ONE, TWO, seconds=30)
    await place.until_nodes(STOCK, 2)
