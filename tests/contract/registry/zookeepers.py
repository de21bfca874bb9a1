"""A folder of an ensemble for one test: registries in it, and a view of it that knows nothing of them."""

import asyncio
import contextlib
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from kazoo.client import KazooClient
from kazoo.exceptions import KazooException

from makegood.engine.registry.zookeeper import ZookeeperRegistry
from makegood.engine.registry.zookeeper_session import RETRY
from makegood.engine.world import SystemWorld
from tests.contract.registry.proxy import Proxy

T = TypeVar("T")
SESSION = 6.0


class Place:
    """Where one test's providers are; close it."""

    def __init__(self, servers: Sequence[str]) -> None:
        self._servers = servers
        self._root = f"test-{uuid.uuid4().hex}"
        self._client = KazooClient(",".join(servers), connection_retry=RETRY)
        self._registries: list[ZookeeperRegistry] = []
        self._proxies: list[Proxy] = []

    async def connect(self) -> None:
        """Begins the view."""
        await asyncio.to_thread(self._client.start)

    async def close(self) -> None:
        """Closes every registry, and leaves nothing in ZooKeeper but what only credentials reach."""
        for registry in self._registries:
            await registry.close()
        for proxy in self._proxies:
            await proxy.close()
        await asyncio.to_thread(self._client.stop)
        self._client.close()

    async def registry(
        self,
        proxy: Proxy | None = None,
        *,
        session: float = SESSION,
        credentials: str = "",
        version: str = "",
        group: str = "",
        cache: Path | None = None,
    ) -> ZookeeperRegistry:
        """A registry as another process would have it, through the proxy if one is given."""
        first, *others = self._servers if proxy is None else [f"127.0.0.1:{proxy.port}"]
        login = f"{credentials}@" if credentials else ""
        registry = await ZookeeperRegistry.open(
            f"zookeeper://{login}{first}?backup={','.join(others)}&group={self._root}",
            SystemWorld(),
            cache,
            application="shop",
            version=version,
            group=group,
            session_timeout=session,
        )
        self._registries.append(registry)
        return registry

    async def proxy(self) -> Proxy:
        """A connection to one of the servers that can be disturbed."""
        proxy = Proxy(self._servers[0])
        await proxy.open()
        self._proxies.append(proxy)
        return proxy

    async def nodes(self, interface: str) -> list[str]:
        """The names in the folder of its providers."""
        path = self._path(interface)
        # Another server of the ensemble may be behind: what a registry was answered is seen after a sync.
        await self._ask(lambda: self._client.sync(path))
        return sorted(await self._ask(lambda: self._client.get_children(path)))

    async def owners(self, interface: str) -> list[int]:
        """The sessions of its providers, in the order of their nodes."""
        paths = [f"{self._path(interface)}/{node}" for node in await self.nodes(interface)]
        stats = await self._ask(lambda: [self._client.exists(path) for path in paths])
        return [stat.ephemeralOwner for stat in stats if stat is not None]

    async def until_nodes(self, interface: str, count: int, seconds: float = 15.0) -> None:
        """Returns once so many nodes are in the folder, though the view's own session ends. Raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while True:
                with contextlib.suppress(KazooException):
                    if len(await self.nodes(interface)) == count:
                        return
                await asyncio.sleep(0.05)

    async def make(self, interface: str) -> None:
        """Makes the folder of its providers."""
        await self._ask(lambda: self._client.ensure_path(self._path(interface)))

    async def put(self, interface: str, *nodes: str) -> None:
        """Nodes of this view's own session, as any other program may put them there."""
        for node in nodes:
            path = f"{self._path(interface)}/{node}"
            await self._ask(lambda path=path: self._client.create(path, ephemeral=True, makepath=True))

    async def begin_again(self) -> None:
        """Ends the view's session, and begins another."""
        await asyncio.to_thread(self._client.stop)
        await asyncio.to_thread(self._client.start)

    async def clear(self, interface: str) -> None:
        """Deletes the folder of its providers with all that is in it."""
        await self._ask(lambda: self._client.delete(self._path(interface), recursive=True))

    def _path(self, interface: str) -> str:
        return f"/{self._root}/{interface}/providers"

    async def _ask(self, question: Callable[[], T]) -> T:
        return await asyncio.to_thread(question)
