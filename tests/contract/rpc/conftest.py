"""Every caller the suite runs against."""

from collections.abc import AsyncGenerator

import pytest

from makegood.engine.rpc.port import Caller
from tests.contract.rpc.parrot import Flock, Parrot, hosts, local, triple


@pytest.fixture
def parrot() -> Parrot:
    """Who is asked."""
    return Parrot()


@pytest.fixture(params=[local, triple, hosts], ids=["local", "triple", "hosts"])
async def caller(request: pytest.FixtureRequest, parrot: Parrot) -> AsyncGenerator[Caller]:
    """A way to the parrot."""
    async with request.param(parrot) as caller:
        yield caller


@pytest.fixture
async def flock() -> AsyncGenerator[Flock]:
    """No parrot yet."""
    async with triple() as flock:
        yield flock
