"""Services in one program, wherever its configuration says; the real servers are in the cluster's tests."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from makegood.cluster.host import open_host
from makegood.config import Config, ConfigError
from makegood.engine.deadline import Deadline
from makegood.engine.errors import BrokerUnavailable
from tests.unit.engine.tills import COUNT, TAKE, Books, Take, Till

WITHOUT_EXTRA = """
import asyncio, sys
for name in ("MySQLdb", "grpc", "kazoo", "rocketmq", "google.protobuf"):
    sys.modules[name] = None
from makegood.cluster.host import open_host
from makegood.config import Config
from makegood.config import ConfigError
from tests.unit.engine.tills import Till

async def main():
    async with open_host([Till()]):
        print("embedded")
    try:
        async with open_host([Till()], Config({"rocketmq": {"name-server": "127.0.0.1:9"}})):
            print("on RocketMQ")
    except ConfigError as error:
        print(error)

asyncio.run(main())
"""


async def take(config: Config | Path, number: int) -> int:
    """Takes a number, waits until the books have heard of it, and says how many the till has."""
    books = Books()
    async with open_host([Till(), books], config) as host, asyncio.timeout(20):
        await host.call(TAKE, Take(number), Deadline.after(10))
        while number not in books.heard:
            await asyncio.sleep(0.01)
        return (await host.call(COUNT, Take(0), Deadline.after(10))).number


async def test_in_memory() -> None:
    """Without a database each host begins with nothing."""
    assert [await take(Config(), number) for number in (1, 2)] == [1, 1]


async def test_in_a_folder(tmp_path: Path) -> None:
    """With `sqlite:///folder`, given in a file, what is stored is there the next time."""
    file = tmp_path / "shop.toml"
    file.write_text(f'[database]\nurl = "sqlite:///{tmp_path / "new" / "data"}"\n')
    assert [await take(file, number) for number in (1, 2)] == [1, 2]


async def test_one_program_at_a_time(tmp_path: Path) -> None:
    """Without RocketMQ a folder has one host at a time."""
    config = Config({"database": {"url": f"sqlite:///{tmp_path}"}})
    async with open_host([Till()], config):
        with pytest.raises(BrokerUnavailable, match="other process"):
            async with open_host([Till()], config):
                pass


@pytest.mark.parametrize("url", ["", "sqlite:///", "sqlite://memory", "postgres://localhost/shop", "data"])
async def test_no_database(url: str) -> None:
    """What is no address of a database is refused with what to write."""
    with pytest.raises(ConfigError, match="sqlite:///folder"):
        async with open_host([Till()], Config({"database": {"url": url}})):
            pass


async def test_no_folder(tmp_path: Path) -> None:
    """A folder that cannot be is refused with its name."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="give another folder"):
        async with open_host([Till()], Config({"database": {"url": f"sqlite:///{tmp_path}/file/data"}})):
            pass


def test_without_the_extra() -> None:
    """In memory nothing of the extra is imported; who configures a server is told what to install."""
    run = subprocess.run([sys.executable, "-c", WITHOUT_EXTRA], capture_output=True, text=True, timeout=60, check=False)
    embedded, refused = run.stdout.splitlines()
    assert embedded == "embedded"
    assert "pip install makegood[cluster]" in refused
