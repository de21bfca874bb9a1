"""One running sandbox for a module's tests, a merchant of it, and a callback address."""

from collections.abc import Iterator

import pytest

from tests.support.sandbox import SandboxProcess, running_sandbox
from tests.unit.sandbox.merchant import Client, Receiver, receiving


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    """A sandbox whose clock keeps the world's time."""
    with running_sandbox(tmp_path_factory.mktemp("sandbox")) as process:
        yield process


@pytest.fixture(scope="module")
def client(sandbox: SandboxProcess) -> Client:
    """Its merchant."""
    return Client(sandbox)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """The merchant's callback address."""
    with receiving() as listening:
        yield listening
