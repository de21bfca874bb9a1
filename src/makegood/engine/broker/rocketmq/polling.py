"""Long polls: one for each topic, broker and proxy serves all of its queues; more only while they come back full.

They run only while somebody waits in `receive`, and are not cancelled when nobody waits any more: a poll that is
cut off may take messages with it for some seconds. What it brings then waits for the next `receive`.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from grpc import aio
from rocketmq.grpc_protocol import definition_pb2 as definition
from rocketmq.grpc_protocol import service_pb2 as service

from makegood.engine.backoff import backoff
from makegood.engine.broker.rocketmq.proxies import Proxy, is_ending
from makegood.engine.broker.rocketmq.session import Session, expression, seconds
from makegood.engine.errors import BrokerUnavailable
from makegood.engine.world import World

POLL = 20.0
"""Seconds that a poll waits for a message: the longest that proxies allow by default."""
PATIENCE = 5.0
"""Seconds after that in which its answer must be there."""
MOST = 32
"""Messages that one poll may bring: the most that RocketMQ gives."""
POLLS = 4
"""Most polls at once for one topic, broker and proxy."""
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 2.0
"""Seconds between polls that fail."""
EMPTY_PAUSE = 0.05
"""Seconds after a poll that came back at once with nothing."""

log = logging.getLogger(__name__)


class Source(NamedTuple):
    """Where a poll looks."""

    group: str
    topic: str
    broker: str
    proxy: str
    tags: frozenset[str]
    invisible: float


class Target(NamedTuple):
    """How a feed finds its way, and where its messages go."""

    room: Callable[[], int]
    """How many messages it may ask for; asked again before each poll."""
    way: Callable[[Source, bool], Awaitable[tuple[Proxy, Session]]]
    """The source's proxy, and the standing there; looks again at everything if the last way failed."""
    arrived: Callable[[Source, list[definition.Message]], Awaitable[None]]
    changed: Callable[[], None]
    """Called when a poll has ended, well or not."""


class Feed:
    """The polls of one topic, broker and proxy."""

    def __init__(self, source: Source, target: Target, client_id: str, world: World) -> None:
        self.source = source
        self._target = target
        self._client_id = client_id
        self._world = world
        self._tasks: set[asyncio.Task[None]] = set()
        self._wide = 1
        self._failures = 0
        self.asked = 0
        self.failed_at = -1.0
        self.error: BrokerUnavailable | None = None

    def poll(self) -> None:
        """Begins as many polls as there is need for."""
        while len(self._tasks) < self._wide and (room := min(MOST, self._target.room())) > 0:
            self.asked += room
            task = asyncio.create_task(self._poll(room))
            self._tasks.add(task)
            task.add_done_callback(self._ended)

    async def close(self) -> None:
        """Cuts off the polls."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        if (error := task.exception()) is None:
            self._target.changed()
        else:
            log.error("a poll of %s failed: this is a bug", self.source.topic, exc_info=error)
            asyncio.get_running_loop().call_later(LONGEST_PAUSE, self._target.changed)

    async def _poll(self, room: int) -> None:
        loop = asyncio.get_running_loop()
        began, pause = loop.time(), 0.0
        try:
            messages = await self._receive(room)
            await self._target.arrived(self.source, messages)
            self._failures, self.error = 0, None
            self._wide = min(POLLS, self._wide + 1) if len(messages) == MOST else 1
            pause = 0.0 if messages or loop.time() - began > EMPTY_PAUSE else EMPTY_PAUSE
        except BrokerUnavailable as error:
            self._failures += 1
            self._wide = 1
            self.error, self.failed_at = error, loop.time()
            pause = backoff(self._world, self._failures, first=FIRST_PAUSE, most=LONGEST_PAUSE)
        finally:
            self.asked -= room
        if pause:
            self._target.changed()
            await asyncio.sleep(pause)

    async def _receive(self, room: int) -> list[definition.Message]:
        proxy, session = await self._target.way(self.source, self._failures > 0)
        try:
            await session.ready()
            return await self._read(proxy, room)
        except BrokerUnavailable:
            session.renew()
            raise

    async def _read(self, proxy: Proxy, room: int) -> list[definition.Message]:
        messages: list[definition.Message] = []
        call = proxy.stub.ReceiveMessage(
            self._request(room), metadata=proxy.metadata(self._client_id), timeout=POLL + PATIENCE
        )
        try:
            async for answer in call:
                if answer.HasField("message"):
                    messages.append(answer.message)
                elif answer.HasField("status") and answer.status.code not in (
                    definition.OK,
                    definition.MESSAGE_NOT_FOUND,
                ):
                    said = f"{definition.Code.Name(answer.status.code)}, {answer.status.message[:200]}"
                    raise BrokerUnavailable(f"{self.source.group} cannot receive {self.source.topic}: {said}")
        except (aio.AioRpcError, aio.UsageError, asyncio.CancelledError) as error:
            if isinstance(error, asyncio.CancelledError) and is_ending():
                raise
            failure = proxy.failed(error)
            if not messages:
                raise failure from error
            return messages
        proxy.answered()
        return messages

    def _request(self, room: int) -> service.ReceiveMessageRequest:
        source = self.source
        topic = definition.Resource(name=source.topic)
        return service.ReceiveMessageRequest(
            group=definition.Resource(name=source.group),
            message_queue=definition.MessageQueue(topic=topic, id=-1, broker=definition.Broker(name=source.broker)),
            filter_expression=expression(source.tags),
            batch_size=room,
            invisible_duration=seconds(source.invisible),
            long_polling_timeout=seconds(POLL),
        )
