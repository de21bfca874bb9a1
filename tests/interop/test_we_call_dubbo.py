"""A client in Python finds a provider in Java (Dubbo 3.3, Triple), and calls it."""

import asyncio
from collections.abc import AsyncIterator, Generator

import pytest

from makegood.cluster.host import open_host
from makegood.config import Config
from makegood.engine.deadline import Deadline
from makegood.engine.errors import DeadlineExceeded, OperationFailed
from makegood.engine.host import Host
from tests.interop.programs import Program, java
from tests.interop.provider import SAY_HELLO, SAY_HELLO_SLOWLY, HelloReply, HelloRequest

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def provider(registry: str) -> Generator[Program]:
    """The one in Java."""
    with java("Provider", registry) as program:
        program.line("ready")
        yield program


@pytest.fixture
async def client(registry: str) -> AsyncIterator[Host]:
    """A program that has no services itself."""
    async with open_host([], Config({"dubbo": {"registry": {"address": registry}}})) as host:
        yield host


@pytest.mark.usefixtures("provider")
async def test_we_call(client: Host) -> None:
    """We find the provider, and our call is answered; what Java throws is an error that says so."""
    answer = await client.call(SAY_HELLO, HelloRequest("小明"), Deadline.after(10))
    assert answer == HelloReply("Hello, 小明, from Java")
    with pytest.raises(OperationFailed, match="a bug in Java"):
        await client.call(SAY_HELLO, HelloRequest("bug"), Deadline.after(10))


@pytest.mark.usefixtures("provider")
async def test_deadline(client: Host) -> None:
    """A call ends at its deadline, whatever the provider does."""
    await client.call(SAY_HELLO, HelloRequest("Ann"), Deadline.after(10))
    begin = asyncio.get_running_loop().time()
    with pytest.raises(DeadlineExceeded):
        await client.call(SAY_HELLO_SLOWLY, HelloRequest("Ann"), Deadline.after(0.5))
    assert asyncio.get_running_loop().time() - begin < 1.5


async def test_restart(client: Host, registry: str, provider: Program) -> None:
    """When the provider is killed and another comes, calls go on with that one."""
    await client.call(SAY_HELLO, HelloRequest("Ann"), Deadline.after(10))
    await asyncio.to_thread(provider.kill)
    with java("Provider", registry) as other:
        await asyncio.to_thread(other.line, "ready")
        answer = await client.call(SAY_HELLO, HelloRequest("Bob"), Deadline.after(30))
    assert answer.message == "Hello, Bob, from Java"
