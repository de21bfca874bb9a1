"""A process that starts while ZooKeeper is away."""

import asyncio
import socket
import time
from pathlib import Path

import pytest

from makegood.engine.registry import zookeeper
from makegood.engine.registry.last_known import save
from makegood.engine.registry.port import Provider
from makegood.engine.registry.zookeeper import ZookeeperRegistry
from makegood.engine.world import SystemWorld
from tests.contract.registry.hearing import Hearing

STOCK = "makegood.Stock"
ONE, TWO = Provider("127.0.0.1", 5001), Provider("127.0.0.1", 5002, weight=50)


async def test_the_start_goes_on_without_zookeeper(tmp_path: Path) -> None:
    """Registering and watching wait for ZooKeeper once, bounded; who watches hears the last known providers."""
    path = tmp_path / "providers.json"
    save(path, {STOCK: (ONE, TWO)})
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        began = time.monotonic()
        registry = await ZookeeperRegistry.open(
            f"zookeeper://127.0.0.1:{nobody.getsockname()[1]}", SystemWorld(), path, session_timeout=2
        )
        calls = [registry.register(f"makegood.Service{number}", ONE) for number in range(20)]
        await asyncio.gather(*calls)
        stock, orders = await Hearing.of(registry, STOCK), await Hearing.of(registry, "makegood.Orders")
        again = await Hearing.of(registry, STOCK)
        await registry.withdraw("makegood.Service0", ONE)
        assert time.monotonic() - began < zookeeper.PATIENCE + 1
        await registry.close()
    assert stock.told == again.told == [(ONE, TWO)]
    assert orders.told == [()]
    assert time.monotonic() - began < zookeeper.PATIENCE + 3


@pytest.mark.parametrize("address", ["", "zookeeper://", "redis://127.0.0.1:6379"])
async def test_a_bad_address_is_refused(address: str) -> None:
    """A registry with an address that is none does not open."""
    with pytest.raises(ValueError, match="no address of a registry"):
        await ZookeeperRegistry.open(address, SystemWorld(), None)


@pytest.mark.parametrize("seconds", [0.0, -1.0, 3600.0])
async def test_a_bad_session_timeout_is_refused(seconds: float) -> None:
    """A registry with a session that cannot be does not open."""
    with pytest.raises(ValueError, match="session"):
        await ZookeeperRegistry.open("zookeeper://127.0.0.1", SystemWorld(), None, session_timeout=seconds)
