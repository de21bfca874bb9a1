"""Every channel against the sandbox, over real HTTP."""

from collections.abc import AsyncGenerator, Generator

import pytest

from tests.contract.gateways.shop import CHANNELS, Inbox, Shop, inbox, merchants, shop_of
from tests.support.sandbox import SandboxProcess, running_sandbox


@pytest.fixture(scope="package")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Generator[SandboxProcess]:
    """One sandbox for all of these tests."""
    with running_sandbox(tmp_path_factory.mktemp("platforms")) as running:
        yield running


@pytest.fixture
def box() -> Generator[Inbox]:
    """Where notifications arrive."""
    with inbox() as listening:
        yield listening


@pytest.fixture(params=CHANNELS)
async def shop(request: pytest.FixtureRequest, sandbox: SandboxProcess, box: Inbox) -> AsyncGenerator[Shop]:
    """A merchant of the sandbox, through each channel in turn."""
    async with shop_of(merchants(sandbox), request.param, box) as known:
        yield known
