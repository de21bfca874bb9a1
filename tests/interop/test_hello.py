"""The example, as its README says: in one process and in memory, and in several processes on the real servers."""

import os
import signal
from collections.abc import Generator, Mapping
from pathlib import Path

import pytest
from deploy.local.clusterlib.site import ROOT

from tests.cluster.servers import mariadb, rocketmq
from tests.interop.programs import Program, python

HELLO = ROOT / "examples" / "hello"
GREETING, MESSAGE = "Hello, Ann!", "hello springboot rocketmq"


def hello(*arguments: str | Path, environment: Mapping[str, str] | None = None) -> Program:
    """The example as a program; each of its lines is for the test."""
    return python(HELLO / "hello.py", *arguments, environment=environment, mark="")


def test_short() -> None:
    """It is as short as it promises: program and configuration together."""
    lines = [line for file in ("hello.py", "hello.toml") for line in (HELLO / file).read_text().splitlines()]
    assert len(lines) < 60


def test_in_one_process() -> None:
    """Without a configuration all of it runs in one process, until Ctrl-C."""
    with hello() as program:
        assert [program.line(), program.line()] == [GREETING, MESSAGE]
        os.kill(program.pid, signal.SIGINT)
        assert program.wait() == 0


@pytest.fixture(params=["sqlite", "mysql"])
def servers(request: pytest.FixtureRequest, registry: str, tmp_path: Path) -> Generator[Mapping[str, str]]:
    """What the tests' servers need instead of the standard ports."""
    broker = rocketmq()
    environment = {
        "MAKEGOOD_ROCKETMQ_NAME_SERVER": broker.name_server,
        "MAKEGOOD_ROCKETMQ_ENDPOINTS": broker.endpoints,
        "MAKEGOOD_DUBBO_REGISTRY_ADDRESS": registry,
        "MAKEGOOD_DUBBO_PROTOCOL_HOST": "127.0.0.1",
    }
    if request.param == "sqlite":
        yield environment | {"MAKEGOOD_DATABASE_URL": f"sqlite:///{tmp_path}"}
        return
    from tests.contract.database.mysql_server import drop

    server, prefix = mariadb(), f"makegood_hello_{os.getpid()}"
    try:
        yield environment | {"MAKEGOOD_DATABASE_URL": server.url(prefix)}
    finally:
        drop(server, prefix, ["provider", "listener"])


@pytest.mark.cluster
@pytest.mark.usefixtures("springboot_mq")
def test_on_the_servers(servers: Mapping[str, str]) -> None:
    """Provider, listener and consumer are processes of their own, and each does its part."""
    config = HELLO / "hello.toml"
    with (
        hello(config, "provider", environment=servers) as provider,
        hello(config, "listener", environment=servers) as listener,
        hello(config, "consumer", environment=servers) as consumer,
    ):
        assert consumer.line() == GREETING
        assert consumer.wait() == 0
        while listener.line() != MESSAGE:
            pass  # what other tests of this topic have left
        assert provider.stop() == 0
        assert listener.stop() == 0
