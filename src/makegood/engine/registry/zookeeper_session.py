"""A session with ZooKeeper for an event loop: kazoo works in threads of its own, and nothing here blocks the loop.

kazoo connects again by itself, for as long as it takes, and begins a new session when the old one has expired. All it
has to say (answers, states, watches) comes over to the loop before anything is touched.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import TypeVar, TypeVarTuple

from kazoo.client import KazooClient
from kazoo.exceptions import ConnectionLoss, NodeExistsError, NoNodeError
from kazoo.handlers.utils import AsyncResult
from kazoo.protocol.states import KazooState, KeeperState, WatchedEvent
from kazoo.security import CREATOR_ALL_ACL

from makegood.engine.registry.zookeeper_address import ZookeeperAddress

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_Identity = tuple[int, bytes]
"""Number and password of a session."""

RETRY = {"max_tries": -1, "delay": 0.05, "backoff": 1.5, "max_delay": 0.5}
"""Between tries to connect, in seconds; an ensemble needs about a second to choose a leader."""
REVIVAL_PAUSE = 1.0
"""Seconds before a client that has given up is replaced."""
RENEWAL_SESSIONS = 2
"""How many times the session's seconds a connection is sought before the client is replaced."""
STOP_WAIT = 5.0
"""Seconds for a session to end; one that cannot be ended expires."""
MAX_REPLACEMENTS = 3
"""Tries to put a node in the place of one that another session left."""

log = logging.getLogger(__name__)
kazoo_log = logging.getLogger(f"{__name__}.kazoo")
if kazoo_log.level == logging.NOTSET:
    # kazoo warns of every try to connect, several a second; this tells once that it is lost, and that it is back.
    kazoo_log.setLevel(logging.ERROR)


class ZookeeperSession:
    """Commands raise KazooException when ZooKeeper refuses them or is away, TimeoutError when it does not answer."""

    def __init__(
        self, address: ZookeeperAddress, connected: Callable[[], None], changed: Callable[[str], None]
    ) -> None:
        """Begins to connect. `connected` is called each time it is, `changed` with a path once its children changed.

        `away_since` is the moment, on the loop's clock, from which there has been no connection.
        """
        self._address = address
        self._on_connected = connected
        self._on_changed = changed
        self._loop = asyncio.get_running_loop()
        self._stopping = False
        self._replacement: asyncio.Task[None] | None = None
        self._identity: _Identity | None = None
        self.connected = asyncio.Event()
        self.away_since = self._loop.time()
        self._client = self._begin()

    async def children(self, path: str) -> list[str]:
        """The names in a folder, which is made if it is missing; from now on changes of it are told, once."""
        try:
            return await self._answer(self._client.get_children_async(path, self._hear_change))
        except NoNodeError:
            await self._answer(self._client.ensure_path_async(path))
            return await self._answer(self._client.get_children_async(path, self._hear_change))

    async def hold(self, path: str) -> None:
        """Has the node there belong to this session: made, or put in the place of what another session left."""
        for _ in range(MAX_REPLACEMENTS):
            try:
                await self._answer(self._client.create_async(path, ephemeral=True, makepath=True))
                return
            except NodeExistsError:
                if await self._is_own(path):
                    return
                await self.delete(path)
        raise NodeExistsError(f"another process goes on making {path}: two of them have the same address")

    async def delete(self, path: str) -> None:
        """Deletes the node, if it is there."""
        try:
            await self._answer(self._client.delete_async(path))
        except NoNodeError:
            log.debug("%s is gone already", path)

    async def stop(self) -> None:
        """Ends the session, and so deletes its nodes, within `STOP_WAIT` seconds."""
        self._stopping = True
        self.connected.clear()
        self._cancel_replacement()
        try:
            async with asyncio.timeout(STOP_WAIT):
                await asyncio.to_thread(_end, self._client)
        except TimeoutError:
            log.warning("ZooKeeper does not answer: the session expires in %g s instead", self._address.session)

    def _begin(self, session: _Identity | None = None) -> KazooClient:
        credentials = self._address.credentials
        client = KazooClient(
            hosts=self._address.servers,
            timeout=self._address.session,
            client_id=session,
            default_acl=CREATOR_ALL_ACL if credentials else None,
            auth_data=[("digest", credentials)] if credentials else None,
            connection_retry=RETRY,
            command_retry=RETRY,
            logger=kazoo_log,
        )
        client.add_listener(lambda state: self._hear_state(client, state))
        client.start_async()
        return client

    async def _is_own(self, path: str) -> bool:
        session = self._client.client_id
        stat = await self._answer(self._client.exists_async(path))
        if session is None or session != self._client.client_id:
            raise ConnectionLoss("the session changed meanwhile")
        return stat is not None and stat.ephemeralOwner == session[0]

    async def _answer(self, result: "AsyncResult[T]") -> T:
        answered: asyncio.Future[T] = self._loop.create_future()
        result.rawlink(lambda done: self._on_loop(_settle, answered, done))
        async with asyncio.timeout(self._address.session):
            return await answered

    def _on_loop(self, function: Callable[[*Ts], object], *arguments: *Ts) -> None:
        try:
            self._loop.call_soon_threadsafe(function, *arguments)
        except RuntimeError:
            log.debug("the event loop is closed, nobody listens any more")

    def _hear_change(self, event: WatchedEvent) -> None:
        # Without a path it tells of the connection, whose return has everything looked at again anyway.
        if event.path is not None:
            self._on_loop(self._on_changed, event.path)

    def _hear_state(self, client: KazooClient, state: str) -> None:
        # All of it is read here, in kazoo's thread: by the time the loop hears of it, it may be different.
        if state == KazooState.CONNECTED:
            self._on_loop(self._gained, client, client.client_id)
        else:
            has_ended = state == KazooState.LOST and client.client_state in (
                KeeperState.CLOSED,
                KeeperState.AUTH_FAILED,
            )
            self._on_loop(self._lost, client, has_ended)

    def _gained(self, client: KazooClient, session: _Identity | None) -> None:
        if self._stopping or client is not self._client:
            return
        log.info("connected to ZooKeeper (%s)", self._address.servers)
        self._identity = session
        self._cancel_replacement()
        self.connected.set()
        self._on_connected()

    def _lost(self, client: KazooClient, has_ended: bool) -> None:
        if self._stopping or client is not self._client:
            return
        if self.connected.is_set():
            log.warning("the connection to ZooKeeper (%s) is lost and sought again", self._address.servers)
            self.away_since = self._loop.time()
        self.connected.clear()
        self._cancel_replacement()
        pause = REVIVAL_PAUSE if has_ended else RENEWAL_SESSIONS * self._address.session
        self._replacement = self._loop.create_task(self._replace(pause), name="zookeeper: replacement of the client")

    def _cancel_replacement(self) -> None:
        if self._replacement is not None:
            self._replacement.cancel()

    async def _replace(self, pause: float) -> None:
        """Goes on with another client, in the same session if there still is one.

        kazoo ends its thread for good on an answer that it does not understand. And a ZooKeeper that was set up anew
        refuses, without a word and for ever, a client that has seen more of its history than there is now.
        """
        await asyncio.sleep(pause)
        log.warning("no connection to ZooKeeper (%s): the client is begun anew", self._address.servers)
        old, self._client = self._client, self._begin(self._identity)
        await asyncio.to_thread(_end, old)


def _settle(answered: asyncio.Future[T], done: "AsyncResult[T]") -> None:
    if answered.done():
        return
    try:
        answered.set_result(done.get_nowait())
    except Exception as error:  # whatever the command failed with, its caller gets
        answered.set_exception(error)


def _end(client: KazooClient) -> None:
    try:
        client.stop()
        client.close()
    except Exception as error:
        log.debug("a client of ZooKeeper ended untidily: %r", error)
