"""Every broker the suite runs against: an adapter joins by a parameter and a harness."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from makegood.engine.broker.port import Broker
from makegood.engine.executor import InlineExecutor, ThreadExecutor
from tests.contract.broker.harness import EmbeddedHarness, Harness


@pytest.fixture(params=["embedded-inline", "embedded-threads", pytest.param("rocketmq", marks=pytest.mark.cluster)])
async def harness(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Harness]:
    """One broker under test, nothing in it."""
    harness = await _harness(request.param, tmp_path / "broker.db")
    yield harness
    await harness.close()


async def _harness(kind: str, file: Path) -> Harness:
    if kind == "rocketmq":
        from tests.contract.broker.rocketmq_harness import RocketmqHarness, shared_rocketmq  # needs the extra `cluster`

        return RocketmqHarness(await shared_rocketmq())
    return EmbeddedHarness(file, InlineExecutor() if kind == "embedded-inline" else ThreadExecutor("broker"))


@pytest.fixture
async def broker(harness: Harness) -> Broker:
    """The broker, open."""
    return await harness.open()
