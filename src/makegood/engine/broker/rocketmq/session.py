"""A consumer's standing at one proxy: its settings live in the proxy's memory, as long as a stream is open.

A proxy that has restarted knows nothing of its consumers and fails every receive; so the stream is opened again and
the settings are sent again, for ever. Heartbeats keep the consumer in the proxy's list of the group.
"""

import asyncio
import logging
from collections.abc import Mapping
from typing import NamedTuple

from google.protobuf.duration_pb2 import Duration
from grpc import aio
from rocketmq.grpc_protocol import definition_pb2 as definition
from rocketmq.grpc_protocol import service_pb2 as service

from makegood.engine.backoff import backoff
from makegood.engine.broker.rocketmq.proxies import CLIENT_VERSION, Proxy, is_ending
from makegood.engine.errors import BrokerUnavailable
from makegood.engine.world import World

HEARTBEAT = 10.0
"""Seconds between heartbeats; proxies forget a consumer after 120."""
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 1.0
"""Seconds between tries to open the stream."""
GOODBYE = 1.0
"""Seconds that a proxy has to take note of the end."""

log = logging.getLogger(__name__)


class Wants(NamedTuple):
    """What a consumer wants: for which group, the tags of each topic (none for all), whether in order."""

    group: str
    topics: Mapping[str, frozenset[str]]
    ordered: bool


class Session:
    """One consumer at one proxy."""

    def __init__(
        self,
        proxy: Proxy,
        client_id: str,
        wants: Wants,
        world: World,
        timeout: float,
    ) -> None:
        self._proxy = proxy
        self._client_id = client_id
        self._group = definition.Resource(name=wants.group)
        self._wants = wants
        self._world = world
        self._timeout = timeout
        self._ready = asyncio.Event()
        self._stream: aio.StreamStreamCall[service.TelemetryCommand, service.TelemetryCommand] | None = None
        self._tasks = [asyncio.create_task(self._keep_open()), asyncio.create_task(self._beat())]

    async def ready(self) -> None:
        """Returns when the proxy has the settings; raises BrokerUnavailable when it does not get them in time."""
        try:
            async with asyncio.timeout(self._timeout):
                await self._ready.wait()
        except TimeoutError as error:
            raise BrokerUnavailable(f"RocketMQ's proxy {self._proxy.name} does not take the settings") from error

    def renew(self) -> None:
        """Has the settings sent again: the proxy may have lost them."""
        self._ready.clear()
        if self._stream is not None:
            self._stream.cancel()

    async def close(self) -> None:
        """Ends the standing, in `GOODBYE` seconds."""
        known = self._ready.is_set()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if known:
            request = service.NotifyClientTerminationRequest(group=self._group)
            try:
                await self._proxy.call(lambda stub: stub.NotifyClientTermination, request, GOODBYE, self._client_id)
            except BrokerUnavailable as error:
                log.info("a consumer of %s left without goodbye: %s", self._group.name, error)

    async def _keep_open(self) -> None:
        failures = 0
        while True:
            try:
                await self._telemetry()
            except (aio.AioRpcError, aio.UsageError, asyncio.InvalidStateError) as error:
                log.debug("the stream to RocketMQ's proxy %s ended: %s", self._proxy.name, error)
            except asyncio.CancelledError:
                if is_ending():
                    raise
            failures = 1 if self._ready.is_set() else failures + 1
            self._ready.clear()
            await asyncio.sleep(backoff(self._world, failures, first=FIRST_PAUSE, most=LONGEST_PAUSE))

    async def _telemetry(self) -> None:
        self._stream = self._proxy.stub.Telemetry(metadata=self._proxy.metadata(self._client_id))
        try:
            async with asyncio.timeout(self._timeout):
                await self._stream.write(service.TelemetryCommand(settings=self._settings()))
            async for command in self._stream:
                if command.HasField("settings"):
                    self._ready.set()
        except TimeoutError:
            log.debug("RocketMQ's proxy %s does not take the settings", self._proxy.name)
        finally:
            self._stream.cancel()
            self._stream = None

    async def _beat(self) -> None:
        request = service.HeartbeatRequest(group=self._group, client_type=definition.SIMPLE_CONSUMER)
        while True:
            await self._ready.wait()
            try:
                answer = await self._proxy.call(lambda stub: stub.Heartbeat, request, self._timeout, self._client_id)
                if answer.status.code != definition.OK:
                    self.renew()
            except BrokerUnavailable:
                self.renew()
            await asyncio.sleep(HEARTBEAT)

    def _settings(self) -> definition.Settings:
        return definition.Settings(
            client_type=definition.SIMPLE_CONSUMER,
            access_point=self._proxy.endpoints,
            request_timeout=seconds(self._timeout),
            user_agent=definition.UA(language=definition.PYTHON, version=CLIENT_VERSION),
            subscription=definition.Subscription(
                group=self._group,
                fifo=self._wants.ordered,
                subscriptions=[
                    definition.SubscriptionEntry(topic=definition.Resource(name=topic), expression=expression(tags))
                    for topic, tags in self._wants.topics.items()
                ],
            ),
        )


def expression(tags: frozenset[str]) -> definition.FilterExpression:
    """The filter that lets these tags pass; without one, all."""
    return definition.FilterExpression(type=definition.TAG, expression=" || ".join(sorted(tags)) or "*")


def seconds(count: float) -> Duration:
    """A length of time as the protocol writes it."""
    duration = Duration()
    duration.FromMilliseconds(round(count * 1000))
    return duration
