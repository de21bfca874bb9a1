"""The way to one other process: one connection, whatever it is asked for."""

import asyncio
from collections.abc import Awaitable
from typing import Any

from makegood.engine.contracts import Operation
from makegood.engine.deadline import Deadline
from makegood.engine.rpc.figures import ClientFigures
from makegood.engine.rpc.triple.channel import open_channel
from makegood.engine.rpc.triple.frames import NotTaken
from makegood.engine.rpc.triple.health import Health
from makegood.engine.rpc.triple.names import is_foreign
from makegood.engine.rpc.triple.stream import Stream, encoded
from makegood.engine.rpc.triple.unary import Unary, protobuf_encoded

POLL = 0.02
"""Seconds between two looks at whether all is answered."""


class Link:
    """One process, at `address` (`ip:port`). For one event loop.

    Operations of makegood's services go on a stream of frames, those of foreign interfaces as protobuf.
    """

    def __init__(self, address: str, figures: ClientFigures) -> None:
        self.address = address
        self._health = Health()
        self._channel = open_channel(address)
        self._stream = Stream(address, self._channel, self._health, figures)
        self._unary = Unary(address, self._channel, self._health)
        self._closed = False

    @property
    def under_way(self) -> int:
        """Questions without an answer."""
        return self._stream.under_way + self._unary.under_way

    def resting(self, now: float) -> bool:
        """Whether another process should rather be asked, if there is one."""
        return self._health.resting(now)

    def ask(self, operation: Operation[Any, Any], body: bytes, deadline: Deadline) -> Awaitable[Any]:
        """The answer, or DeadlineExceeded, NotTaken, Lost, Overloaded, or what the other side raised."""
        if self._closed:
            raise NotTaken(f"the connection to {self.address} is closed: ask another process")
        way = self._unary if is_foreign(operation) else self._stream
        return way.ask(operation, body, deadline)

    async def close(self, grace: float) -> None:
        """Takes no more questions; ends when every one has its answer, within `grace` seconds. The others are lost."""
        loop = asyncio.get_running_loop()
        until = loop.time() + grace
        self._closed = True
        try:
            while self.under_way and loop.time() < until:
                await asyncio.sleep(POLL)
        finally:
            await self._stream.close()
            await self._channel.close()


def request_bytes(operation: Operation[Any, Any], request: Any) -> bytes:
    """The question as it travels. Raises OperationFailed for one that cannot."""
    return protobuf_encoded(operation, request) if is_foreign(operation) else encoded(operation, request)
