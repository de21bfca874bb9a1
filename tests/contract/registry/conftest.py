"""Every registry the suite runs against."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from makegood.engine.registry.port import Registry
from makegood.engine.registry.static import StaticRegistry


@pytest.fixture(params=["static", pytest.param("zookeeper", marks=pytest.mark.cluster)])
async def registry(request: pytest.FixtureRequest) -> AsyncGenerator[Registry]:
    """A registry in which nothing is registered."""
    async with _static() if request.param == "static" else _zookeeper() as registry:
        yield registry


@asynccontextmanager
async def _static() -> AsyncGenerator[Registry]:
    registry = StaticRegistry({})
    yield registry
    await registry.close()


@asynccontextmanager
async def _zookeeper() -> AsyncGenerator[Registry]:
    # What the real server needs is imported where it is used: the embedded shop's tests run without.
    from tests.cluster.servers import zookeeper
    from tests.contract.registry.zookeepers import Place

    place = Place(await asyncio.to_thread(zookeeper))
    await place.connect()
    yield await place.registry()
    await place.close()
