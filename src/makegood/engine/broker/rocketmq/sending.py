"""Publishing: batches of one topic through a proxy, delayed messages and those of a sequence one by one to a broker.

Each of the latter is sent when the one before is stored.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence

from rocketmq.grpc_protocol import definition_pb2 as definition
from rocketmq.grpc_protocol import service_pb2 as service

from makegood.engine.backoff import backoff
from makegood.engine.broker.port import Message
from makegood.engine.broker.rocketmq import wire
from makegood.engine.broker.rocketmq.admin import Admin
from makegood.engine.broker.rocketmq.proxies import Proxies, by_health
from makegood.engine.broker.rocketmq.settings import RocketmqSettings
from makegood.engine.errors import BrokerUnavailable
from makegood.engine.world import World

BATCH = 128
"""Most messages of one request."""
BATCH_BYTES = 3_500_000
"""Most bytes of one request with several messages: brokers take 4 MiB, with what they add to each message."""
ADDED = 200
"""Bytes that a broker adds to a message, roughly."""
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 1.0
"""Seconds between tries."""
REFUSALS = frozenset(
    (
        definition.ILLEGAL_TOPIC,
        definition.ILLEGAL_MESSAGE_TAG,
        definition.ILLEGAL_MESSAGE_KEY,
        definition.ILLEGAL_MESSAGE_ID,
        definition.ILLEGAL_MESSAGE_PROPERTY_KEY,
        definition.MESSAGE_CORRUPTED,
        definition.MESSAGE_BODY_TOO_LARGE,
        definition.MESSAGE_PROPERTIES_TOO_LARGE,
    )
)
"""What a proxy says of a message that it will never take."""


class Sender:
    """The publishing half of the broker."""

    def __init__(self, settings: RocketmqSettings, admin: Admin, proxies: Proxies, world: World) -> None:
        self._settings = settings
        self._admin = admin
        self._proxies = proxies
        self._world = world
        self._topics: set[str] = set()
        self._turn = 0

    async def publish(self, messages: Sequence[Message]) -> None:
        """Stores all; raises BrokerUnavailable, and ValueError for what the servers' configuration forbids."""
        now = self._world.now()
        at_once = [message for message in messages if message.deliver_at <= now and not message.sequence]
        for batch in batches([wire.to_wire(message, now) for message in at_once], at_once):
            await self._try(lambda batch=batch: self._send(batch))
        for message in messages:
            if message.sequence:
                await self._try(lambda message=message: self._admin.send_in_order(message, now))
            elif message.deliver_at > now:
                await self._try(lambda message=message: self._admin.send_later(message, now))

    async def _try(self, sending: Callable[[], Awaitable[None]]) -> None:
        """Until it succeeds; raises what it raised last when the time is over."""
        failures = 0
        until = asyncio.get_running_loop().time() + self._settings.publish_timeout
        while True:
            try:
                return await sending()
            except BrokerUnavailable:
                failures += 1
                pause = backoff(self._world, failures, first=FIRST_PAUSE, most=LONGEST_PAUSE)
                if asyncio.get_running_loop().time() + pause + self._settings.request_timeout > until:
                    raise
                await asyncio.sleep(pause)

    async def _send(self, batch: list[definition.Message]) -> None:
        topic = batch[0].topic.name
        if topic not in self._topics:
            await self._admin.make_topic(topic)
            self._topics.add(topic)
        route = await self._proxies.route(topic)
        if not route.writers:
            raise BrokerUnavailable(f"no broker takes messages for topic {topic}: give it write permission")
        self._turn += 1
        proxy = by_health(route.writers, self._turn)[0]
        try:
            request = service.SendMessageRequest(messages=batch)
            answer = await proxy.call(lambda stub: stub.SendMessage, request, self._settings.request_timeout)
        except BrokerUnavailable:
            self._proxies.forget(topic)
            raise
        self._check(topic, answer.status)

    def _check(self, topic: str, status: definition.Status) -> None:
        if status.code == definition.OK:
            return
        said = f"{topic}: RocketMQ says {definition.Code.Name(status.code)}, {status.message[:200]}"
        if status.code in REFUSALS:
            raise ValueError(f"{said}: change the message or the servers' limits")
        self._topics.discard(topic)  # it may have been deleted
        self._proxies.forget(topic)
        raise BrokerUnavailable(said)


def batches(sent: Sequence[definition.Message], messages: Sequence[Message]) -> Iterator[list[definition.Message]]:
    """The messages by topic, in requests that a broker takes."""
    by_topic: dict[str, list[definition.Message]] = {}
    for one, message in zip(sent, messages, strict=True):
        by_topic.setdefault(message.topic, []).append(one)
    for topic in by_topic.values():
        yield from _split(topic)


def _split(topic: list[definition.Message]) -> Iterator[list[definition.Message]]:
    begin = size = 0
    for at, one in enumerate(topic):
        more = one.ByteSize() + ADDED
        if at > begin and (at - begin == BATCH or size + more > BATCH_BYTES):
            yield topic[begin:at]
            begin, size = at, 0
        size += more
    yield topic[begin:]
