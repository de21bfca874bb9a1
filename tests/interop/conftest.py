"""What several tests use."""

import fcntl
import uuid
from collections.abc import Generator

import pytest

from tests.cluster.servers import zookeeper
from tests.interop.build import BUILT
from tests.interop.programs import Program, java


@pytest.fixture(scope="module")
def registry() -> str:
    """ZooKeeper, and in it a folder of this test's own."""
    first, *others = zookeeper()
    return f"zookeeper://{first}?backup={','.join(others)}&group=interop-{uuid.uuid4().hex[:8]}"


@pytest.fixture(scope="module")
def consumer(registry: str) -> Generator[Program]:
    """Dubbo's consumer in Java. By default it takes changes of the registry five seconds apart."""
    with java("Consumer", f"{registry}&delay-notification=0") as program:
        program.line("ready")
        yield program


@pytest.fixture(scope="module")
def springboot_mq() -> Generator[None]:
    """Meanwhile no other test listens to that topic in that group; two listeners would share its messages."""
    BUILT.mkdir(parents=True, exist_ok=True)
    with (BUILT / "springboot-mq.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
