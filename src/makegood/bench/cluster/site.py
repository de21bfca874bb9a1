"""The cluster under test: the processes that `deploy/local/cluster` runs, as its folder names them."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from makegood.bench.errors import BenchError
from makegood.bench.process import Usage, started, usage
from makegood.cluster.settings import DatabaseSettings, reached_by
from makegood.config import Config, ConfigError
from makegood.embedded.directory import RunFile
from makegood.shop.assembly import CLASSES
from makegood.web.settings import WebSettings

SERVICES = frozenset(service.name for service in CLASSES)
SERVERS = {"mariadb": "MariaDB", "broker": "RocketMQ", "name-server": "RocketMQ", "zookeeper": "ZooKeeper"}
"""What runs beside the shop's own processes, and how it is called."""
GATEWAY = "gateway"


class _Plan(msgspec.Struct):
    ports: dict[str, int]


class _Pid(msgspec.Struct):
    pid: int
    started: int


@dataclass(frozen=True)
class Program:
    """A process; `port` is where one of the shop's own says its figures."""

    name: str
    pid: int
    port: int

    @property
    def kind(self) -> str:
        """`orders` of `orders-1`."""
        name, _, number = self.name.rpartition("-")
        return name if number.isdecimal() else self.name

    @property
    def is_ours(self) -> bool:
        """Whether it is one of the shop's own, and so written in Python."""
        return self.kind in SERVICES or self.kind == GATEWAY

    def usage(self) -> Usage:
        """CPU, memory and bytes written so far. Raises BenchError when it has ended."""
        try:
            return usage(self.pid)
        except OSError as error:
            raise BenchError(f"{self.name} has ended: see deploy/local/cluster logs {self.name}") from error


@dataclass(frozen=True)
class Site:
    """A running cluster, and how to reach it."""

    programs: tuple[Program, ...]
    run: RunFile
    database: str = field(repr=False)
    signing_key: bytes = field(repr=False)

    @property
    def ours(self) -> list[Program]:
        """The shop's own processes."""
        return [one for one in self.programs if one.is_ours]

    @property
    def gateways(self) -> list[str]:
        """The addresses of all gateways."""
        return [f"http://127.0.0.1:{one.port}" for one in self.programs if one.kind == GATEWAY]

    def program(self, name: str) -> Program:
        """The process of this name."""
        return next(one for one in self.programs if one.name == name)

    def database_of(self, prefix: str) -> str:
        """Schemas on the same server whose names begin so."""
        return urlsplit(self.database)._replace(path=f"/{prefix}").geturl()


def read_site(config: Path) -> Site:
    """The cluster to which this configuration belongs. Raises BenchError when it does not run on this machine."""
    try:
        settings = Config.load(config, os.environ)
        run = reached_by(settings)
        database, web = settings.section("database", DatabaseSettings), settings.section("web", WebSettings)
    except ConfigError as error:
        raise BenchError(str(error)) from error
    return Site(tuple(_programs(config.parent)), run, database.url, web.signing_key)


def _programs(folder: Path) -> list[Program]:
    try:
        ports = msgspec.json.decode((folder / "cluster.json").read_bytes(), type=_Plan).ports
        pids = {file.stem: _living(file) for file in sorted((folder / "run").glob("*.pid"))}
    except (OSError, msgspec.MsgspecError) as error:
        raise BenchError(
            f"{folder} is no cluster of this machine ({error}): the CPU of each process is measured, so run it here "
            "with deploy/local/cluster up, and give its shop.toml as --config"
        ) from error
    missing = [f"{kind}-1" for kind in sorted({*SERVICES, GATEWAY}) if not pids.get(f"{kind}-1")]
    missing += [name for name in ("mariadb", "broker") if not pids.get(name)]
    if missing:
        raise BenchError(f"{', '.join(missing)} do not run: deploy/local/cluster --folder {folder} up")
    found = [Program(name, pid, ports.get(name, 0)) for name, pid in pids.items() if pid]
    return [one for one in found if one.is_ours or one.kind in SERVERS]


def _living(file: Path) -> int | None:
    """The pid, if it still is that process."""
    known = msgspec.json.decode(file.read_bytes(), type=_Pid)
    return known.pid if started(known.pid) == known.started else None
