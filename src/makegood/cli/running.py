"""`makegood run`."""

import asyncio
import os
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import uvloop
from rich.console import Console

from makegood.cli.failure import CommandFailed
from makegood.cluster.settings import reached_by
from makegood.config import Config, ConfigError
from makegood.embedded.demo import PASSWORD, USERS
from makegood.embedded.directory import Directory, DirectoryError, RunFile
from makegood.embedded.sandbox import SandboxFailed
from makegood.embedded.shop import EmbeddedShop
from makegood.engine.errors import EngineError
from makegood.engine.heap import settle_heap
from makegood.observe import ObserveSettings, ObservingFailed, set_up
from makegood.operators.client import OperatorError
from makegood.sandbox.loopback import is_loopback
from makegood.web.server import PortBusy

FAILURES = (
    ConfigError,
    DirectoryError,
    EngineError,
    ObservingFailed,
    OperatorError,
    PortBusy,
    SandboxFailed,
)
"""What a person can do something about; anything else is a bug and shows its traceback."""


def run(data: Path, host: str, port: int, config: Path | None) -> None:
    """Serves until a signal comes."""
    try:
        settings = Config.load(config, os.environ)
        if "database" in settings:
            raise CommandFailed(
                f"{config} is a cluster's: use `makegood serve`, or leave [database] out to run embedded"
            )
        with closing(set_up(settings.section("observe", ObserveSettings), "makegood")):
            uvloop.run(_serve(data, host, port, settings))
    except FAILURES as error:
        raise CommandFailed(str(error)) from error


@asynccontextmanager
async def shop_in(data: Path, config: Path | None, *, create: bool = False) -> AsyncGenerator[RunFile]:
    """The cluster that `config` describes; else the shop that runs in this folder, or one that runs until the end."""
    if config is not None:
        yield reached_by(Config.load(config, os.environ))
        return
    directory = Directory(data)
    found = directory.running()
    if found is not None:
        yield found
        return
    if directory.is_new and not create:
        raise CommandFailed(f"there is no shop in {data}: start one with `makegood run --data {data}`, or give --data")
    shop = EmbeddedShop(directory, Config(), "127.0.0.1", 0, demo=False)
    async with _holding(directory), shop.running() as run:
        yield run


async def _serve(data: Path, host: str, port: int, config: Config) -> None:
    directory = Directory(data)
    async with _holding(directory):
        shop = EmbeddedShop(directory, config, host, port, demo=is_loopback(host))
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, shop.stop.set)
        demo = directory.is_new and is_loopback(host)
        async with shop.running() as run:
            settle_heap()
            _greet(run, data, demo=demo)
            await shop.stop.wait()
            Console(stderr=True).print("Stopping; requests that were accepted are finished …")


@asynccontextmanager
async def _holding(directory: Directory) -> AsyncGenerator[None]:
    directory.hold()
    try:
        yield
    finally:
        directory.release()


def _greet(run: RunFile, data: Path, *, demo: bool) -> None:
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"makegood serves on {run.url}  (API: {run.url}/docs, operators: {run.url}/ops)")
    console.print(f"payment sandbox:   {run.sandbox_url}")
    console.print(f"data:              {data.resolve()}")
    if demo:
        console.print(f"demo users:        {', '.join(USERS)}; password: {PASSWORD}")
    console.print(f"operators' token:  {run.operators_token}")
    console.print("Ctrl-C stops it.")
