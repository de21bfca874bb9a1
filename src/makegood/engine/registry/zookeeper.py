"""The registry in ZooKeeper, in Dubbo's layout: Dubbo's consumers find these providers, and these consumers Dubbo's.

What this process offers and watches is written down here, and one task has ZooKeeper agree with it: at each change, on
every connection, and again, with growing pauses, while it fails. So nothing depends on ZooKeeper being there.

A list that has become empty is kept, unlike in Dubbo, whose consumers then refuse every call: providers that vanish all
at once have most likely lost their sessions, and not their lives. A provider that is withdrawn says so: until its
session ends it stays in the folder with `enabled=false`, and such a one is left out though the list becomes empty.
"""

import asyncio
import logging
from pathlib import Path
from urllib.parse import quote_plus

import msgspec
from kazoo.exceptions import KazooException

from makegood.engine.backoff import backoff
from makegood.engine.errors import RegistryUnavailable
from makegood.engine.registry.audience import Audience
from makegood.engine.registry.dubbo import Flavour, node_of
from makegood.engine.registry.last_known import LastKnown
from makegood.engine.registry.limits import check_interface, check_provider
from makegood.engine.registry.port import Changed, Provider
from makegood.engine.registry.zookeeper_address import ZookeeperAddress, check_session, parse_address
from makegood.engine.registry.zookeeper_session import ZookeeperSession
from makegood.engine.registry.zookeeper_work import Folder, Offer, Work
from makegood.engine.world import World

PATIENCE = 3.0
"""Seconds that a call waits for ZooKeeper; while it is away they count from when it went, once for all calls."""
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
"""Seconds before what ZooKeeper refused is tried again."""

log = logging.getLogger(__name__)


class ZookeeperRegistry:
    """Implements `Registry`; for one event loop. Begin with `open`."""

    @classmethod
    async def open(
        cls,
        address: str,
        world: World,
        cache: Path | None,
        *,
        application: str = "makegood",
        version: str = "",
        group: str = "",
        session_timeout: float | None = None,
    ) -> "ZookeeperRegistry":
        """Connects to `zookeeper://ip:2181?backup=ip:2182`; does not fail when ZooKeeper is away.

        `cache` is this process's own file for the last known providers, `application` its name in Dubbo's eyes.
        `version` and `group` are Dubbo's, empty for none: providers are registered with them, and only those with
        the same are told. `session_timeout` (seconds, 6 unless the address says otherwise) is how long a process that
        was killed stays registered. Raises ValueError for an address or a timeout that cannot be.
        """
        where = parse_address(address)
        if session_timeout is not None:
            where = msgspec.structs.replace(where, session=check_session(session_timeout))
        return cls(where, world, await LastKnown.open(cache), application, Flavour(version, group))

    def __init__(
        self, address: ZookeeperAddress, world: World, last_known: LastKnown, application: str, flavour: Flavour
    ) -> None:
        """Use `open`."""
        self._root = address.root
        self._world = world
        self._last_known = last_known
        self._application = application
        self._flavour = flavour
        self._offers: dict[tuple[str, Provider], Offer] = {}
        self._folders: dict[str, Folder] = {}
        self._closed = False
        self._awake = asyncio.Event()
        self._session = ZookeeperSession(address, self._settle_all, self._look_again)
        self._keeper = asyncio.get_running_loop().create_task(self._keep_settled(), name="registry: settling")

    async def register(self, interface: str, provider: Provider) -> None:
        """Puts the provider in now and on every new session, and in the place of what a predecessor left."""
        self._refuse_closed()
        check_interface(interface)
        check_provider(provider)
        there = self._offered(interface, provider)
        if there is not None and there.provider != provider:
            raise ValueError(f"{provider} is registered with weight {there.provider.weight}: withdraw it first")
        offer = self._offers.setdefault((interface, provider), self._offer(interface, provider))
        offer.want(True)
        if not await self._settled(offer):
            log.warning("ZooKeeper does not answer: %s is registered as soon as it does", provider)

    async def withdraw(self, interface: str, provider: Provider) -> None:
        """Takes the provider out, and leaves word that it went of its own accord."""
        self._refuse_closed()
        offer = self._offered(interface, provider)
        if offer is None:
            return
        offer.want(False)
        if not await self._settled(offer):
            log.warning("ZooKeeper does not answer: %s is withdrawn as soon as it does, or with the session", provider)

    async def watch(self, interface: str, changed: Changed) -> None:
        """While ZooKeeper has not answered yet, what the cache has counts as known."""
        self._refuse_closed()
        check_interface(interface)
        folder = self._folders.get(interface)
        if folder is None:
            folder = Folder(interface, self._path(interface), self._flavour, self._remember)
            self._folders[interface] = folder
        if not await self._settled(folder):
            log.warning("ZooKeeper does not answer: the providers of %s are the last known", interface)
            folder.audience.tell(self._last_known.providers(interface))
        self._refuse_closed()
        folder.audience.join(changed)

    async def close(self) -> None:
        """Ends the session, and with it everything registered, within seconds."""
        if self._closed:
            return
        self._closed = True
        self._keeper.cancel()
        await asyncio.gather(self._keeper, return_exceptions=True)
        await self._session.stop()
        await self._last_known.close()

    def _offered(self, interface: str, provider: Provider) -> Offer | None:
        for offer in self._offers.values():
            there = offer.provider
            if offer.wanted and (offer.interface, there.host, there.port) == (interface, provider.host, provider.port):
                return offer
        return None

    def _offer(self, interface: str, provider: Provider) -> Offer:
        nodes = (node_of(interface, provider, self._application, self._flavour, enabled=on) for on in (True, False))
        return Offer(interface, provider, *(f"{self._path(interface)}/{node}" for node in nodes))

    def _path(self, interface: str) -> str:
        return f"{self._root}/{quote_plus(interface)}/providers"

    def _remember(self, audience: Audience) -> None:
        self._last_known.remember(audience.interface, audience.told)

    def _refuse_closed(self) -> None:
        if self._closed:
            raise RegistryUnavailable("the registry is closed: open another")

    async def _settled(self, work: Work) -> bool:
        """Whether ZooKeeper agreed in time."""
        self._awake.set()
        now = asyncio.get_running_loop().time()
        since = now if self._session.connected.is_set() else self._session.away_since
        try:
            async with asyncio.timeout_at(max(since + PATIENCE, now)):
                await work.done.wait()
        except TimeoutError:
            return False
        return True

    def _settle_all(self) -> None:
        for work in self._all_work():
            work.due = True
        self._awake.set()

    def _look_again(self, path: str) -> None:
        for folder in self._folders.values():
            folder.due = folder.due or folder.path == path
        self._awake.set()

    def _all_work(self) -> list[Work]:
        return [*self._offers.values(), *self._folders.values()]

    async def _keep_settled(self) -> None:
        failures = 0
        while True:
            await self._wait_awake(failures)
            await self._session.connected.wait()
            failed = [work for work in self._all_work() if work.due and not await self._settle(work)]
            failures = failures + 1 if failed else 0

    async def _wait_awake(self, failures: int) -> None:
        """Until there is something new, or until what failed is tried again."""
        pause = backoff(self._world, failures, first=FIRST_PAUSE, most=LONGEST_PAUSE) if failures else None
        try:
            async with asyncio.timeout(pause):
                await self._awake.wait()
        except TimeoutError:
            log.debug("what ZooKeeper has not done %d times is tried again", failures)
        self._awake.clear()

    async def _settle(self, work: Work) -> bool:
        work.due = False
        try:
            await work.settle(self._session)
        except (KazooException, TimeoutError) as error:
            log.warning("ZooKeeper did not do as it was asked, it is asked again: %r", error)
        except Exception:
            log.exception("the registry failed, as by a bug, and tries again")
        else:
            if not work.due:
                work.done.set()
            return True
        work.due = True
        return False
