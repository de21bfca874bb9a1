"""What a process wants of the registry in ZooKeeper, piece by piece; each can be settled again at any time."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Protocol

from makegood.engine.registry.audience import Audience
from makegood.engine.registry.dubbo import Flavour, read_nodes
from makegood.engine.registry.port import Provider
from makegood.engine.registry.zookeeper_session import ZookeeperSession

log = logging.getLogger(__name__)


class Work(Protocol):
    """Something about which ZooKeeper shall agree with this process: `due` until it does, `done` once it did."""

    due: bool
    done: asyncio.Event

    async def settle(self, session: ZookeeperSession) -> None:
        """Raises KazooException or TimeoutError; then it is tried again."""
        ...


class Offer:
    """A provider of this process: in the folder, or out of it again."""

    def __init__(self, interface: str, provider: Provider, path: str, disabled_path: str) -> None:
        self.interface = interface
        self.provider = provider
        self.wanted = True
        self.due = True
        self.done = asyncio.Event()
        self._path = path
        self._disabled_path = disabled_path

    def want(self, wanted: bool) -> None:
        """In, or out; a repeat changes nothing."""
        if wanted != self.wanted:
            self.wanted, self.due = wanted, True
            self.done.clear()

    async def settle(self, session: ZookeeperSession) -> None:
        """Makes the one node before it deletes the other: a folder is never without word of this provider."""
        here, gone = (self._path, self._disabled_path) if self.wanted else (self._disabled_path, self._path)
        await session.hold(here)
        await session.delete(gone)


class Folder:
    """The providers of an interface that this process watches."""

    def __init__(self, interface: str, path: str, flavour: Flavour, heard: Callable[[Audience], None]) -> None:
        self.due = True
        self.done = asyncio.Event()
        self.path = path
        self.audience = Audience(interface)
        self._flavour = flavour
        self._on_heard = heard
        self._heard: tuple[Provider, ...] = ()

    async def settle(self, session: ZookeeperSession) -> None:
        """Reads the folder, and has the session watch it."""
        self._heard = self._believed(await session.children(self.path))
        self.audience.tell(self._heard)
        self._on_heard(self.audience)

    def _believed(self, nodes: Sequence[str]) -> tuple[Provider, ...]:
        seen = read_nodes(self.audience.interface, nodes, self._flavour)
        if seen.offered:
            return seen.offered
        kept = tuple(provider for provider in self._heard if (provider.host, provider.port) not in seen.disabled)
        if kept:
            log.warning("all of %s has vanished from ZooKeeper; the last known is kept", self.audience.interface)
        return kept
