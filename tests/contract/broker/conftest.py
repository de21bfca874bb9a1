"""Every broker the suite runs against: an adapter joins by a parameter and a harness."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from makegood.engine.broker.port import Broker
from makegood.engine.executor import InlineExecutor, ThreadExecutor
from tests.contract.broker.harness import EmbeddedHarness, Harness


@pytest.fixture(params=["embedded-inline", "embedded-threads"])
async def harness(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Harness]:
    """One broker under test, nothing in it."""
    executor = InlineExecutor() if request.param == "embedded-inline" else ThreadExecutor("broker")
    harness = EmbeddedHarness(tmp_path / "broker.db", executor)
    yield harness
    await harness.close()


@pytest.fixture
async def broker(harness: Harness) -> Broker:
    """The broker, open."""
    return await harness.open()
