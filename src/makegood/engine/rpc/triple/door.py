"""Lets other processes call the services of this one: a port, and its place in the registry."""

import asyncio
from collections.abc import Mapping
from typing import Any

from makegood.engine.contracts import Operation
from makegood.engine.registry.port import DEFAULT_WEIGHT, Provider, Registry
from makegood.engine.rpc.figures import ServerFigures
from makegood.engine.rpc.port import Handler
from makegood.engine.rpc.triple.names import interface_of
from makegood.engine.rpc.triple.server import TripleServer

LEAVE = 1.0
"""Seconds in which calls are still taken after the registry was told: other languages' callers hear it that late, and
some of them fail when a process refuses a call because it stops."""
GRACE = 8.0
"""Seconds in which calls that were taken are answered when the process stops."""


class TripleDoor:
    """Implements `Door`. Listens on `host`, and tells others to come to `advertised`; `port` 0 is any free one.

    `leave` is how many seconds calls are still taken after the registry was told that this process goes.
    """

    def __init__(
        self,
        registry: Registry,
        host: str,
        advertised: str,
        port: int = 0,
        *,
        weight: int = DEFAULT_WEIGHT,
        leave: float = LEAVE,
    ) -> None:
        self.figures = ServerFigures()
        self._registry = registry
        self._host, self._advertised, self._port = host, advertised, port
        self._weight, self._leave = weight, leave
        self._server: TripleServer | None = None
        self._entries: list[tuple[str, Provider]] = []

    async def open(self, offers: Mapping[Operation[Any, Any], Handler]) -> None:
        """Answers these from now on, and says so in the registry.

        Raises OSError when the port is taken, ValueError when the `.proto` files and the code differ.
        """
        self._server = TripleServer(offers, self.figures)
        provider = Provider(self._advertised, await self._server.start(self._host, self._port), self._weight)
        for interface in dict.fromkeys(interface_of(operation) for operation in offers):
            self._entries.append((interface, provider))
            await self._registry.register(interface, provider)

    async def close(self) -> None:
        """Leaves the registry; a moment later takes nothing more, and answers what was asked. A repeat does nothing."""
        server, self._server = self._server, None
        entries, self._entries = self._entries, []
        try:
            await asyncio.gather(*[self._registry.withdraw(*entry) for entry in entries])
            if entries:
                await asyncio.sleep(self._leave)
        finally:
            if server is not None:
                await server.stop(GRACE)
