"""The registry on a real ensemble: processes, sessions and connections that come and go, and what others write."""

import asyncio
import time
from collections.abc import AsyncIterator
from urllib.parse import quote_plus

import pytest
from kazoo.exceptions import NoAuthError

from makegood.engine.registry.port import Provider
from makegood.engine.registry.zookeeper import PATIENCE
from tests.cluster.servers import zookeeper
from tests.contract.registry.hearing import Hearing
from tests.contract.registry.zookeepers import Place

pytestmark = pytest.mark.cluster

STOCK = "makegood.Stock"
ONE, TWO = Provider("127.0.0.1", 5001), Provider("127.0.0.1", 5002, weight=50)

JAVA = (
    "application=shop-provider&background=false&deprecated=false&dubbo=2.0.2&dynamic=true"
    "&executor-management-mode=isolation&file-cache=true&generic=false&interface=makegood.Stock&methods=deduct,restore"
    "&pid=48221&prefer.serialization=hessian2,fastjson2&release=3.3.5&service-name-mapping=true&side=provider"
    "&timestamp=1731325623541"
)
"""The parameters that Dubbo Java 3.3.5 writes for a provider."""


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    """An empty folder of the shared ensemble."""
    place = Place(await asyncio.to_thread(zookeeper))
    await place.connect()
    yield place
    await place.close()


async def test_processes_hear_of_each_other(place: Place) -> None:
    """What one process registers and withdraws another hears within a second, the going of the last one too."""
    provider, consumer = await place.registry(), await place.registry()
    hearing = await Hearing.of(consumer, STOCK)
    await provider.register(STOCK, ONE)
    await hearing.until(ONE, seconds=1)
    await provider.register(STOCK, TWO)
    await hearing.until(ONE, TWO, seconds=1)
    await provider.withdraw(STOCK, TWO)
    await hearing.until(ONE, seconds=1)
    await provider.withdraw(STOCK, ONE)
    await hearing.until(seconds=1)


async def test_a_process_that_ends_takes_its_providers_along(place: Place) -> None:
    """The end of a session takes its providers out at once, long before it would expire."""
    ending, staying, consumer = await place.registry(session=30), await place.registry(), await place.registry()
    await ending.register(STOCK, ONE)
    await staying.register(STOCK, TWO)
    hearing = await Hearing.of(consumer, STOCK)
    await hearing.until(ONE, TWO)
    await ending.close()
    await hearing.until(TWO, seconds=2)


async def test_providers_that_vanish_all_at_once_are_kept(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    """When the last sessions end without a withdrawal the last list stands, until somebody is there again or leaves."""
    first, second, consumer = await place.registry(), await place.registry(), await place.registry()
    await first.register(STOCK, ONE)
    await second.register(STOCK, TWO)
    hearing = await Hearing.of(consumer, STOCK)
    await hearing.until(ONE, TWO)
    await second.withdraw(STOCK, TWO)
    await hearing.until(ONE)
    await first.close()
    await second.close()
    await place.until_nodes(STOCK, 0)
    await asyncio.sleep(0.3)
    assert hearing.told[-1] == (ONE,)
    assert "the last known is kept" in caplog.text
    third = await place.registry()
    await third.register(STOCK, TWO)
    await hearing.until(TWO)
    await third.withdraw(STOCK, TWO)
    await hearing.until()


async def test_a_predecessors_node_is_replaced(place: Place) -> None:
    """A process that starts again puts its own node in the place of the one its killed predecessor left."""
    first = await place.registry()
    await first.register(STOCK, ONE)
    (node,) = await place.nodes(STOCK)
    await first.close()
    disabled = node.replace("dynamic%3Dtrue%26", "dynamic%3Dtrue%26enabled%3Dfalse%26")
    assert disabled != node
    await place.put(STOCK, node, disabled)
    left = await place.owners(STOCK)
    again = await place.registry()
    await again.register(STOCK, ONE)
    assert await place.nodes(STOCK) == [node]
    assert (await place.owners(STOCK))[0] not in left
    await place.begin_again()
    await asyncio.sleep(0.3)
    assert await place.nodes(STOCK) == [node]


async def test_what_dubbo_writes_is_understood(place: Place) -> None:
    """A provider of Dubbo Java is told with its weight; those of other protocols, disabled ones and junk are not."""
    consumer = await place.registry()
    hearing = await Hearing.of(consumer, STOCK)
    await place.put(
        STOCK,
        quote_plus(f"tri://10.0.0.5:50051/{STOCK}?{JAVA}"),
        quote_plus(f"tri://10.0.0.6:50051/{STOCK}?{JAVA}&weight=200"),
        quote_plus(f"tri://10.0.0.7:50051/{STOCK}?{JAVA}&disabled=true"),
        quote_plus(f"tri://10.0.0.8:50051/{STOCK}?{JAVA}&version=1.0.0"),
        quote_plus(f"dubbo://10.0.0.5:20880/{STOCK}?{JAVA}"),
        "%FF%FE",
        "库存",
        "tri%3A%2F%2F",
    )
    await hearing.until(Provider("10.0.0.5", 50051), Provider("10.0.0.6", 50051, weight=200))
    blue = await Hearing.of(await place.registry(version="1.0.0"), STOCK)
    assert blue.told == [(Provider("10.0.0.8", 50051),)]


async def test_nodes_are_as_dubbo_reads_them(place: Place) -> None:
    """A provider's node is an encoded tri URL with application, interface and side, and version and group if any."""
    await (await place.registry(version="1.0.0", group="red")).register(STOCK, TWO)
    assert await place.nodes(STOCK) == [
        "tri%3A%2F%2F127.0.0.1%3A5002%2Fmakegood.Stock%3Fapplication%3Dshop%26dynamic%3Dtrue%26generic%3Dfalse"
        "%26group%3Dred%26interface%3Dmakegood.Stock%26side%3Dprovider%26version%3D1.0.0%26weight%3D50"
    ]


async def test_a_folder_that_is_deleted_is_watched_on(place: Place) -> None:
    """When somebody clears the folder, the last list stands, and the next provider is heard of."""
    provider, consumer = await place.registry(), await place.registry()
    await provider.register(STOCK, ONE)
    hearing = await Hearing.of(consumer, STOCK)
    await place.clear(STOCK)
    await asyncio.sleep(0.5)
    assert hearing.told == [(ONE,)]
    await provider.register(STOCK, TWO)
    await hearing.until(TWO)


async def test_credentials_shut_others_out(place: Place) -> None:
    """With user and password, nodes belong to them: the same credentials read them, others and none do not."""
    provider = await place.registry(credentials="me:s%40cret")
    await provider.register(STOCK, ONE)
    hearing = await Hearing.of(await place.registry(credentials="me:s%40cret"), STOCK)
    assert hearing.told == [(ONE,)]
    with pytest.raises(NoAuthError):
        await place.nodes(STOCK)


async def test_refused_work_holds_nobody_up(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    """While ZooKeeper refuses one interface, which the log says, others are registered and heard of at once."""
    await place.make(STOCK)
    await (await place.registry(credentials="me:secret")).register("makegood.Secret", ONE)
    other = await place.registry()
    began = time.monotonic()
    secret = asyncio.create_task(Hearing.of(other, "makegood.Secret"))
    hearing = await Hearing.of(other, STOCK)
    await other.register(STOCK, ONE)
    await hearing.until(ONE)
    assert time.monotonic() - began < 1
    assert (await secret).told == [()]
    assert "NoAuthError" in caplog.text


async def test_a_lost_connection_changes_nothing(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    """While the connection is gone the last list stands; back in time, the session goes on and hears what it missed."""
    proxy = await place.proxy()
    provider, other = await place.registry(proxy), await place.registry()
    hearing = await Hearing.of(provider, STOCK)
    await provider.register(STOCK, ONE)
    await hearing.until(ONE)
    owners = await place.owners(STOCK)
    await proxy.shut()
    await other.register(STOCK, TWO)
    await asyncio.sleep(0.5)
    assert hearing.told[-1] == (ONE,)
    await proxy.open()
    await hearing.until(ONE, TWO)
    await asyncio.sleep(0.3)
    assert (await place.owners(STOCK))[0] == owners[0]
    assert "asked again" not in caplog.text


async def test_an_expired_session_is_made_good(place: Place) -> None:
    """A provider whose session expired is back when ZooKeeper is reached, and all hear of it; the loop never waits."""
    proxy = await place.proxy()
    provider, consumer = await place.registry(proxy, session=2), await place.registry()
    await provider.register(STOCK, ONE)
    hearing = await Hearing.of(consumer, STOCK)
    own = await Hearing.of(provider, STOCK)
    (owner,) = await place.owners(STOCK)
    pulse = asyncio.create_task(_longest_pause())
    proxy.freeze()
    await place.until_nodes(STOCK, 0)
    await consumer.register(STOCK, TWO)
    await hearing.until(TWO)
    assert own.told == [(ONE,)]
    proxy.thaw()
    await hearing.until(ONE, TWO)
    await own.until(ONE, TWO)
    pulse.cancel()
    assert await pulse < 0.5
    assert owner not in await place.owners(STOCK)


async def test_zookeeper_may_come_later(place: Place) -> None:
    """What was registered, withdrawn and watched while ZooKeeper was away is settled when it comes."""
    proxy = await place.proxy()
    await proxy.shut()
    registry = await place.registry(proxy)
    await registry.register(STOCK, ONE)
    await registry.register(STOCK, TWO)
    await registry.withdraw(STOCK, ONE)
    hearing = await Hearing.of(registry, STOCK)
    assert hearing.told == [()]
    await proxy.open()
    await hearing.until(TWO)
    enabled = [node for node in await place.nodes(STOCK) if "enabled" not in node]
    assert len(enabled) == 1


async def test_a_withdrawal_is_made_up_for(place: Place) -> None:
    """While the connection is gone withdrawals wait for it once, bounded, and take effect in the same session later."""
    proxy = await place.proxy()
    provider, consumer = await place.registry(proxy), await place.registry()
    await provider.register(STOCK, ONE)
    await provider.register(STOCK, TWO)
    hearing = await Hearing.of(consumer, STOCK)
    began = time.monotonic()
    await proxy.shut()
    await provider.withdraw(STOCK, ONE)
    await provider.withdraw(STOCK, TWO)
    assert time.monotonic() - began < PATIENCE + 1
    await proxy.open()
    await hearing.until()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_a_garbled_answer_is_survived(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    """An answer that the client cannot bear, and gives up on, costs a moment, and no more."""
    proxy = await place.proxy()
    provider, consumer = await place.registry(proxy, session=2), await place.registry()
    await provider.register(STOCK, ONE)
    own, hearing = await Hearing.of(provider, STOCK), await Hearing.of(consumer, STOCK)
    await proxy.garble()
    await consumer.register(STOCK, TWO)
    await own.until(ONE, TWO)
    await asyncio.sleep(3)
    assert "begun anew" in caplog.text
    assert len(await place.owners(STOCK)) == 2
    assert hearing.told == [(ONE,), (ONE, TWO)]


async def _longest_pause() -> float:
    """How long, in seconds, the event loop stood still until this was cancelled."""
    longest, last = 0.0, time.monotonic()
    try:
        while True:
            await asyncio.sleep(0.02)
            longest, last = max(longest, time.monotonic() - last), time.monotonic()
    except asyncio.CancelledError:
        return longest
