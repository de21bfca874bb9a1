"""Who offers what, and who hears of it: the same for every registry."""

import asyncio

import pytest

from makegood.engine.errors import RegistryUnavailable
from makegood.engine.registry.port import Provider, Registry
from tests.contract.registry.hearing import Hearing

STOCK = "makegood.Stock"
ONE = Provider("127.0.0.1", 5001)
TWO = Provider("127.0.0.1", 5002, weight=50)
TEN = Provider("10.0.0.7", 9000)


async def test_a_watcher_hears_at_once_what_is_there(registry: Registry) -> None:
    """Before `watch` returns, the watcher has heard the providers, or that there are none."""
    nobody = await Hearing.of(registry, "makegood.Nobody")
    await registry.register(STOCK, ONE)
    stock = await Hearing.of(registry, STOCK)
    assert nobody.told == [()]
    await stock.until(ONE)
    assert stock.told == [(ONE,)]


async def test_a_watcher_hears_every_change(registry: Registry) -> None:
    """Providers that come and go are told with their weight, in the order of host and port, the last one too."""
    hearing = await Hearing.of(registry, STOCK)
    for provider in (TWO, ONE, TEN):
        await registry.register(STOCK, provider)
    await hearing.until(TEN, ONE, TWO)
    await registry.withdraw(STOCK, ONE)
    await hearing.until(TEN, TWO)
    await registry.withdraw(STOCK, TWO)
    await registry.withdraw(STOCK, TEN)
    await hearing.until()


async def test_who_was_withdrawn_can_come_back(registry: Registry) -> None:
    """A provider that is withdrawn can be registered again, with another weight as well."""
    hearing = await Hearing.of(registry, STOCK)
    await registry.register(STOCK, ONE)
    await hearing.until(ONE)
    await registry.withdraw(STOCK, ONE)
    await hearing.until()
    await registry.register(STOCK, ONE)
    await hearing.until(ONE)
    await registry.withdraw(STOCK, ONE)
    heavy = Provider(ONE.host, ONE.port, weight=900)
    await registry.register(STOCK, heavy)
    await hearing.until(heavy)


async def test_nothing_is_told_twice(registry: Registry) -> None:
    """Repeats of registering and withdrawing, and the withdrawal of who never came, change nothing and tell nothing."""
    hearing = await Hearing.of(registry, STOCK)
    for _ in range(3):
        await registry.register(STOCK, ONE)
    await hearing.until(ONE)
    await registry.withdraw(STOCK, TWO)
    for _ in range(3):
        await registry.withdraw(STOCK, ONE)
    await hearing.until()
    await asyncio.sleep(0.2)
    assert hearing.told == [(), (ONE,), ()]


async def test_interfaces_have_nothing_to_do_with_each_other(registry: Registry) -> None:
    """The same host and port may offer several interfaces, and is withdrawn from one of them only."""
    stock = await Hearing.of(registry, STOCK)
    orders = await Hearing.of(registry, "makegood.Orders")
    await registry.register(STOCK, ONE)
    await registry.register("makegood.Orders", ONE)
    await stock.until(ONE)
    await orders.until(ONE)
    await registry.withdraw(STOCK, ONE)
    await stock.until()
    assert orders.told == [(), (ONE,)]


async def test_a_watcher_that_fails_disturbs_nobody(registry: Registry, caplog: pytest.LogCaptureFixture) -> None:
    """What a watcher raises at a change is logged; it and the others hear the next change all the same."""
    heard: list[tuple[Provider, ...]] = []

    def failing(providers: tuple[Provider, ...]) -> None:
        heard.append(providers)
        if providers:
            raise RuntimeError("a watcher that cannot bear providers")

    await registry.watch(STOCK, failing)
    hearing = await Hearing.of(registry, STOCK)
    await registry.register(STOCK, ONE)
    await hearing.until(ONE)
    await registry.withdraw(STOCK, ONE)
    await hearing.until()
    assert heard == [(), (ONE,), ()]
    assert "a watcher that cannot bear providers" in caplog.text


async def test_a_watcher_that_fails_at_first_does_not_watch(registry: Registry) -> None:
    """What a watcher raises when it is first called comes out of `watch`, and it is never called again."""
    heard: list[tuple[Provider, ...]] = []

    def failing(providers: tuple[Provider, ...]) -> None:
        heard.append(providers)
        raise RuntimeError("not now")

    with pytest.raises(RuntimeError, match="not now"):
        await registry.watch(STOCK, failing)
    hearing = await Hearing.of(registry, STOCK)
    await registry.register(STOCK, ONE)
    await hearing.until(ONE)
    assert heard == [()]


async def test_one_address_has_one_weight(registry: Registry) -> None:
    """Registering the same host and port with another weight is refused, and changes nothing."""
    await registry.register(STOCK, ONE)
    with pytest.raises(ValueError, match="withdraw it first"):
        await registry.register(STOCK, Provider(ONE.host, ONE.port, weight=7))
    hearing = await Hearing.of(registry, STOCK)
    await hearing.until(ONE)


@pytest.mark.parametrize("interface", ["", "makegood/Stock", "..", "makegood..Stock", "库存", "a" * 300, "a b", "a\n"])
async def test_a_bad_name_is_refused(registry: Registry, interface: str) -> None:
    """A name that no registry could hold is neither registered nor watched."""
    with pytest.raises(ValueError, match="no name of an interface"):
        await registry.register(interface, ONE)
    with pytest.raises(ValueError, match="no name of an interface"):
        await registry.watch(interface, Hearing())


@pytest.mark.parametrize(
    "provider",
    [
        Provider("", 5001),
        Provider("a/b", 5001),
        Provider("a?b", 5001),
        Provider("h" * 300, 5001),
        Provider("127.0.0.1", 0),
        Provider("127.0.0.1", 65536),
        Provider("127.0.0.1", 5001, weight=-1),
    ],
)
async def test_a_bad_address_is_refused(registry: Registry, provider: Provider) -> None:
    """A host, port or weight that no provider can have is refused, and nothing is told."""
    hearing = await Hearing.of(registry, STOCK)
    with pytest.raises(ValueError, match=r"is no (host|port|weight)"):
        await registry.register(STOCK, provider)
    assert hearing.told == [()]


async def test_a_closed_registry_says_so(registry: Registry) -> None:
    """Closing twice is harmless; after it everything else is refused, and nobody hears anything."""
    hearing = await Hearing.of(registry, STOCK)
    await registry.close()
    await registry.close()
    with pytest.raises(RegistryUnavailable, match="open another"):
        await registry.register(STOCK, ONE)
    with pytest.raises(RegistryUnavailable):
        await registry.withdraw(STOCK, ONE)
    with pytest.raises(RegistryUnavailable):
        await registry.watch(STOCK, Hearing())
    assert hearing.told == [()]
