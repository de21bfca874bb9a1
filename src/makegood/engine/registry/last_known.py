"""The providers as they were known last, on disk, for a process that starts while the registry is away."""

import asyncio
import logging
import os
from pathlib import Path

import msgspec

from makegood.engine.registry.limits import check_interface, check_provider, in_order
from makegood.engine.registry.port import Provider

MAX_SIZE = 8 * 1024 * 1024
"""Largest file that is read, in bytes."""

Known = dict[str, tuple[Provider, ...]]
"""Providers by interface."""

log = logging.getLogger(__name__)


class LastKnown:
    """Remembers in memory at once and in a file soon after, one write at a time; without a file in memory only."""

    def __init__(self, path: Path | None, known: Known) -> None:
        """Use `open`."""
        self._path = path
        self._known = known
        self._unsaved = False
        self._writer: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, path: Path | None) -> "LastKnown":
        """Begins with what the file has; one that is missing or unfit says nothing."""
        return cls(path, {} if path is None else await asyncio.to_thread(load, path))

    def providers(self, interface: str) -> tuple[Provider, ...]:
        """Those of this interface; none when nothing is known."""
        return self._known.get(interface, ())

    def remember(self, interface: str, providers: tuple[Provider, ...]) -> None:
        """From now on these are known."""
        if self._known.get(interface) == providers:
            return
        self._known[interface] = providers
        self._unsaved = True
        if self._path is not None and (self._writer is None or self._writer.done()):
            self._writer = asyncio.get_running_loop().create_task(self._write(self._path), name="registry: saving")

    async def close(self) -> None:
        """Returns when the file has everything."""
        if self._writer is not None:
            await self._writer

    async def _write(self, path: Path) -> None:
        while self._unsaved:
            self._unsaved = False
            await asyncio.to_thread(save, path, dict(self._known))


def load(path: Path) -> Known:
    """What is there; a file that is missing or unfit says nothing, and the log says why."""
    try:
        known = msgspec.json.decode(_content(path), type=Known)
        for interface, providers in known.items():
            check_interface(interface)
            for provider in providers:
                check_provider(provider)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        log.warning("the last known providers in %s cannot be read and are taken for none: %s", path, error)
        return {}
    return {interface: in_order(providers) for interface, providers in known.items()}


def save(path: Path, known: Known) -> None:
    """Replaces the file at once and whole, readable by its owner only; failing, the log says so.

    For one process: two that write the same file disturb each other.
    """
    beside = path.with_name(f"{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.unlink(missing_ok=True)
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(known)))
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        log.warning("the last known providers cannot be kept in %s: %s; make the folder writable", path, error)


def _content(path: Path) -> bytes:
    if path.stat().st_size > MAX_SIZE:
        raise ValueError(f"it is larger than {MAX_SIZE} bytes")
    return path.read_bytes()
