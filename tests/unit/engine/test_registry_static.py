"""Providers as they are configured."""

import pytest

from makegood.engine.registry.port import Provider
from makegood.engine.registry.static import StaticRegistry
from tests.contract.registry.hearing import Hearing

STOCK = "makegood.Stock"
ONE, TWO = Provider("10.0.0.1", 5001), Provider("10.0.0.2", 5001)


async def test_the_configured_are_told() -> None:
    """Who watches hears the configured providers, in order; a process adds itself, and is gone when it leaves."""
    registry = StaticRegistry({STOCK: [TWO, ONE]})
    hearing = await Hearing.of(registry, STOCK)
    itself = Provider(TWO.host, TWO.port, weight=7)
    await registry.register(STOCK, itself)
    await registry.withdraw(STOCK, itself)
    await registry.withdraw(STOCK, ONE)
    assert hearing.told == [(ONE, TWO), (ONE, itself), (ONE,)]


@pytest.mark.parametrize("provider", [Provider("a b", 1), Provider("a", 0), Provider("a", 1, -1)])
def test_a_bad_configuration_is_refused(provider: Provider) -> None:
    """Names and addresses that cannot be are refused when the registry is made."""
    with pytest.raises(ValueError, match=r"is no (host|port|weight)"):
        StaticRegistry({STOCK: [provider]})
    with pytest.raises(ValueError, match="no name of an interface"):
        StaticRegistry({"no name": [ONE]})
