"""`makegood serve` and `makegood migrate`."""

import asyncio
import json
import os
import signal
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import uvloop
from rich.console import Console
from rich.progress import Progress

from makegood.cli.failure import CommandFailed
from makegood.cluster.extra import missing_extra
from makegood.config import Config, ConfigError
from makegood.engine.errors import EngineError
from makegood.engine.heap import settle_heap
from makegood.observe import ObserveSettings, ObservingFailed, set_up
from makegood.web.server import PortBusy, ServerFailed

try:
    from makegood.cluster.databases import migrate_all
    from makegood.cluster.process import NAMES, Address, ClusterProcess
    from makegood.cluster.settings import DatabaseSettings
except ModuleNotFoundError as missing:
    raise CommandFailed(missing_extra(missing)) from missing

FAILURES = (ConfigError, EngineError, ObservingFailed, PortBusy, ServerFailed)
"""What a person can do something about; anything else is a bug and shows its traceback."""


def serve(services: Sequence[str], config: Path, host: str, port: int, folder: Path) -> None:
    """Serves until a signal comes."""
    unknown = [name for name in services if name not in NAMES]
    if unknown:
        raise CommandFailed(f"there is no service {unknown[0]!r}; there are {', '.join(NAMES)}")
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise CommandFailed(f"{folder} cannot be used: {error.strerror}; give another --data") from error
    try:
        settings = Config.load(config, os.environ)
        with closing(set_up(settings.section("observe", ObserveSettings), name_of(services))):
            uvloop.run(_serve(services, settings, Address(host, port), folder))
    except (OSError, *FAILURES) as error:
        raise CommandFailed(str(error)) from error


def migrate(config: Path, *, as_json: bool) -> None:
    """Migrates each service's schema and says what was done."""
    try:
        url = Config.load(config, os.environ).section("database", DatabaseSettings).url
        with Progress(console=Console(stderr=True), disable=as_json) as progress:
            done = list(progress.track(migrate_all(url), total=len(NAMES) - 1, description="migrating"))
    except FAILURES as error:
        raise CommandFailed(str(error)) from error
    if as_json:
        print(json.dumps([one._asdict() for one in done], indent=2))
    for one in () if as_json else done:
        print(f"{one.service}: {'migrated' if one.changed else 'up to date'}")


def name_of(services: Sequence[str]) -> str:
    """What logs and traces call a process of these services."""
    return "+".join(services)


async def _serve(services: Sequence[str], config: Config, address: Address, folder: Path) -> None:
    process = ClusterProcess(config, services, address, folder)
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, process.stop.set)
    async with process.running() as url:
        settle_heap()
        print(f"{', '.join(services)}: {url}", flush=True)
        await process.stop.wait()
