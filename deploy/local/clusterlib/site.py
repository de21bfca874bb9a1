"""A cluster's folder, and what is written there for others to read.

FOLDER/cluster.json  which port is whose
FOLDER/secrets.json  MariaDB's password, the signing key, the operators' token; readable by its owner only
FOLDER/shop.toml     the configuration of the shop's processes; readable by its owner only
FOLDER/run/          a pid file for each process
FOLDER/log/          what each process printed
FOLDER/NAME/         what a process keeps
"""

import fcntl
import json
import os
import secrets  # noqa: TID251 - this is no part of the shop
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from .errors import ClusterError

ROOT = Path(__file__).resolve().parents[3]
INSTALLED = ROOT / "build" / "servers"
"""What was installed, for all clusters of this working tree."""
LOCK_SECONDS = 600.0
"""Longest wait for another command on the same folder: it may be downloading."""


@dataclass(frozen=True)
class Secrets:
    """What a cluster's processes share and others must not know."""

    database_password: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    signing_key: str = field(default_factory=lambda: secrets.token_hex(32), repr=False)
    operators_token: str = field(default_factory=lambda: secrets.token_hex(24), repr=False)


@dataclass(frozen=True)
class Site:
    """Where a cluster lives. `flush`: whether the broker has a message on disk before it answers (SYNC) or not."""

    folder: Path
    ports: Mapping[str, int]
    secrets: Secrets
    flush: str = "SYNC"
    installed: Path = INSTALLED
    makegood: Path = ROOT / ".venv" / "bin" / "makegood"

    @property
    def config(self) -> Path:
        """The configuration of the shop's processes."""
        return self.folder / "shop.toml"

    @property
    def zookeepers(self) -> list[str]:
        """The three addresses."""
        return [self.address(f"zookeeper-{number}") for number in (1, 2, 3)]

    def address(self, name: str) -> str:
        """Where a process is: ip:port."""
        return f"127.0.0.1:{self.ports[name]}"

    def moved(self, ports: Mapping[str, int], flush: str | None) -> Self:
        """The same on other ports."""
        return replace(self, ports=ports, flush=flush or self.flush)

    def save(self) -> None:
        """Writes which port is whose."""
        plan = {"ports": dict(self.ports), "flush": self.flush}
        write_privately(self.folder / "cluster.json", json.dumps(plan, indent=2) + "\n")


def open_site(folder: Path, *, create: bool) -> Site:
    """The cluster of this folder, on no ports yet when it is a new one. Raises ClusterError.

    `create`: a new one is made; else it is only looked at.
    """
    folder = folder.resolve()
    if create:
        _create(folder)
    if not (folder / "secrets.json").exists():
        return Site(folder, {}, Secrets())
    plan = _read(folder / "cluster.json") if (folder / "cluster.json").exists() else {}
    try:
        return Site(folder, plan.get("ports", {}), Secrets(**_read(folder / "secrets.json")), plan.get("flush", "SYNC"))
    except TypeError as error:
        raise ClusterError(f"{folder} is of another version: end its processes, and delete it") from error


def _create(folder: Path) -> None:
    file = folder / "secrets.json"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not file.exists() and any(one.name != "lock" for one in folder.iterdir()):
            raise ClusterError(f"{folder} holds something else: give --folder a new one")
        with locked(folder / "lock"):
            if not file.exists():
                write_privately(file, json.dumps(asdict(Secrets()), indent=2) + "\n")
    except OSError as error:
        raise ClusterError(f"{folder} cannot be used: {error.strerror}; give another --folder") from error


@contextmanager
def locked(file: Path) -> Generator[None]:
    """Holds a lock file, waiting for whoever has it. Raises ClusterError."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w") as lock:
        until = time.monotonic() + LOCK_SECONDS
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > until:
                    raise ClusterError(f"another command has held {file} for {LOCK_SECONDS:.0f} s: end it") from None
                time.sleep(0.05)
            else:
                break
        yield


def write_privately(file: Path, text: str) -> None:
    """Replaces a file at once, so that nobody reads a half; readable by its owner only."""
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as output:
        output.write(text)
    draft.replace(file)


def _read(file: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(file.read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise ClusterError(
            f"{file} cannot be read ({error}): end the cluster's processes, and delete its folder"
        ) from error
