"""The folder of an embedded shop: who holds it, its secrets, and what others need to reach the shop that runs.

DIR itself        made readable by its owner only: the databases hold users and password hashes
DIR/lock          held by the process that runs the shop
DIR/secrets.json  the signing key and the operators' token; readable by its owner only
DIR/run.json      where the running shop listens; readable by its owner only
DIR/*.db          a SQLite file for each service, and the broker's
DIR/sandbox/      the payment sandbox's own folder
"""

import fcntl
import os
import time
from pathlib import Path
from typing import IO, TypeVar

import msgspec

from makegood.engine.world import World

T = TypeVar("T", bound=msgspec.Struct)

TRIES = 20
"""How often the folder's lock is tried for before another shop is said to run there."""
PAUSE = 0.02
"""Seconds between tries."""


class DirectoryError(Exception):
    """The folder cannot be used; the message says what to do."""


class Secrets(msgspec.Struct, frozen=True):
    """What survives restarts and nobody else may read; keys in hexadecimal.

    `demo`: the demo data is still to be made.
    """

    signing_key: str
    operators_token: str
    sandbox_port: int = 0
    demo: bool = False


class RunFile(msgspec.Struct, frozen=True):
    """Where a running shop is."""

    url: str
    sandbox_url: str
    operators_token: str


class Directory:
    """A shop's folder, held by this process from `hold` to `release`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: IO[str] | None = None

    @property
    def is_new(self) -> bool:
        """Whether no shop has ever run here."""
        return not (self.path / "secrets.json").exists()

    def hold(self) -> None:
        """Creates the folder and locks it. Raises DirectoryError when another process holds it."""
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = (self.path / "lock").open("w")
        except OSError as error:
            raise DirectoryError(f"{self.path} cannot be used: {error.strerror}; give another --data") from error
        if not _locks(lock):
            lock.close()
            raise DirectoryError(f"another shop runs in {self.path}: stop it, or give another --data")
        self._lock = lock

    def release(self) -> None:
        """Lets others use the folder."""
        self.forget_run()
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def is_held(self) -> bool:
        """Whether another process runs a shop here."""
        return is_locked(self.path / "lock")

    def secrets(self, world: World, *, demo: bool) -> Secrets:
        """The folder's secrets, made at first; a new folder is to have demo data if `demo` says so."""
        if self.is_new:
            self.keep(Secrets(world.random_bytes(32).hex(), world.random_bytes(24).hex(), demo=demo))
        return self._read("secrets.json", Secrets)

    def keep(self, secrets: Secrets) -> None:
        """Stores the secrets."""
        self._write("secrets.json", secrets)

    def announce(self, run: RunFile) -> None:
        """Says where the shop listens."""
        self._write("run.json", run)

    def running(self) -> RunFile | None:
        """Where the shop that runs here listens; None when none does, or it is not ready."""
        if not self.is_held() or not (self.path / "run.json").exists():
            return None
        return self._read("run.json", RunFile)

    def forget_run(self) -> None:
        """The shop does not listen."""
        (self.path / "run.json").unlink(missing_ok=True)

    def _read(self, name: str, kind: type[T]) -> T:
        path = self.path / name
        try:
            return msgspec.json.decode(path.read_bytes(), type=kind)
        except (OSError, msgspec.MsgspecError) as error:
            raise DirectoryError(f"{path} cannot be read: {error}") from error

    def _write(self, name: str, content: msgspec.Struct) -> None:
        """Replaces the file at once, so that nobody reads a half; readable by its owner only."""
        fresh = self.path / f".{name}.new"
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        fresh.rename(self.path / name)
        # Without this the file may be gone after a power cut, and a shop with orders would look new.
        folder = os.open(self.path, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _locks(lock: IO[str]) -> bool:
    """Whether this process got the lock; who only looks whether it is held, holds it for a moment."""
    for _ in range(TRIES):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(PAUSE)
        else:
            return True
    return False


def is_locked(file: Path) -> bool:
    """Whether another process holds this lock file."""
    try:
        with file.open("r") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False
