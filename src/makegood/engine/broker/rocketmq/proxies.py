"""The gRPC proxies: where they are, which of them serve a topic's brokers, and calls to them.

A proxy inside a broker serves that broker alone, whatever a call asks for; a proxy of its own serves all. Both name all
brokers in a topic's route: the first gives each broker's host and its own port, as if all brokers had their proxies
there, the second its own address. So a proxy does not serve a broker of which it says that it is at another proxy; and
since several on one host cannot be told apart, a broker may be asked for at a proxy that has another's messages. Hence
each proxy is asked for each broker that it may serve, and what it delivers is settled where it came from.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import grpc
from google.protobuf.message import Message as ProtobufMessage
from grpc import aio
from rocketmq.grpc_protocol import definition_pb2 as definition
from rocketmq.grpc_protocol import service_pb2 as service
from rocketmq.grpc_protocol.service_pb2_grpc import MessagingServiceStub

from makegood.engine.broker.rocketmq.admin import Admin
from makegood.engine.broker.rocketmq.settings import PROXY_PORT, RocketmqSettings, addresses
from makegood.engine.errors import BrokerUnavailable
from makegood.engine.world import World

REFRESH = 30.0
"""Seconds for which what is known of proxies and routes is believed."""
AVOID = 2.0
"""Seconds for which a proxy that failed is asked only when there is no other."""
RENEW = 3
"""Timeouts in a row after which a connection is made anew: one to a machine that is gone would be kept for minutes."""
CLIENT_VERSION = "5.1.2"
"""The version of RocketMQ's Python client whose protocol modules are used."""
OPTIONS = (
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.min_reconnect_backoff_ms", 1000),  # also how long one connecting may take
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.use_local_subchannel_pool", 1),
)
"""gRPC reconnects after up to 120 s by default; a restarted broker must be found again at once."""


class Proxy:
    """One proxy, and the connection to it."""

    def __init__(self, host: str, port: int, client_id: str) -> None:
        self.name = f"{host}:{port}"
        self.endpoints = definition.Endpoints(
            scheme=definition.IPv4, addresses=[definition.Address(host=host, port=port)]
        )
        self._client_id = client_id
        self._timeouts = 0
        self._failed_at = -AVOID
        self._old: list[aio.Channel] = []
        self._connect()

    def _connect(self) -> None:
        self._channel = aio.insecure_channel(f"ipv4:{self.name}", OPTIONS)
        self.stub = MessagingServiceStub(self._channel)

    def metadata(self, client_id: str = "") -> tuple[tuple[str, str], ...]:
        """What every call carries; consumers have an id of their own."""
        return (
            ("x-mq-language", "PYTHON"),
            ("x-mq-protocol", "GRPC_V2"),
            ("x-mq-client-version", CLIENT_VERSION),
            ("x-mq-client-id", client_id or self._client_id),
        )

    async def call(
        self,
        method: Callable[["MessagingServiceStub"], Any],
        request: ProtobufMessage,
        timeout: float,
        client_id: str = "",
    ) -> Any:
        """The answer; raises BrokerUnavailable without one in `timeout` seconds."""
        try:
            answer = await method(self.stub)(request, metadata=self.metadata(client_id), timeout=timeout)
        except (aio.AioRpcError, aio.UsageError) as error:
            raise self.failed(error) from error
        except asyncio.CancelledError as error:
            if is_ending():
                raise
            raise self.failed(error) from error
        self.answered()
        return answer

    def failed(self, error: BaseException) -> BrokerUnavailable:
        """Notes that a call failed; what to raise."""
        self._failed_at = asyncio.get_running_loop().time()
        if isinstance(error, aio.AioRpcError) and error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
            self._timeouts += 1
        if self._timeouts >= RENEW:
            self._timeouts = 0
            self._old.append(self._channel)
            self._connect()
        why = f"{error.code().name}: {error.details()}" if isinstance(error, aio.AioRpcError) else repr(error)
        return BrokerUnavailable(f"RocketMQ's proxy {self.name} does not answer ({why[:200]})")

    def answered(self) -> None:
        """Notes that a call succeeded."""
        self._timeouts = 0

    @property
    def suspect(self) -> bool:
        """Whether it failed a moment ago."""
        return asyncio.get_running_loop().time() - self._failed_at < AVOID

    async def tidy(self) -> None:
        """Ends connections that were given up, but for the last: calls on it may still be answered."""
        while len(self._old) > 1:
            await self._old.pop(0).close()

    async def close(self) -> None:
        """Ends the connection, and every call on it."""
        for channel in (*self._old, self._channel):
            await channel.close()


class Route(NamedTuple):
    """The proxies that may serve each readable broker of a topic, and those through which one can publish to it."""

    readers: dict[str, list[Proxy]]
    writers: list[Proxy]


class Proxies:
    """All proxies that are known. All of it raises BrokerUnavailable."""

    def __init__(self, settings: RocketmqSettings, admin: Admin, world: World) -> None:
        self._settings = settings
        self._admin = admin
        self._client_id = f"makegood@{world.random_bytes(8).hex()}"
        self._known: dict[tuple[str, int], Proxy] = {}
        self._found: tuple[float, list[Proxy]] = (-REFRESH, [])
        self._routes: dict[str, tuple[float, Route]] = {}
        self._turns: dict[str, asyncio.Lock] = {}

    async def route(self, topic: str) -> Route:
        """By which proxies a topic is reached; asked anew when it is old. It must exist."""
        known = self._routes.get(topic)
        if known is None or _is_old(known[0]):
            async with self._turns.setdefault(topic, asyncio.Lock()):
                known = self._routes.get(topic)
                if known is None or _is_old(known[0]):
                    known = self._routes[topic] = (_now(), await self._ask_route(topic))
        return known[1]

    def forget(self, topic: str) -> None:
        """Has the topic's route, and the proxies, looked for anew."""
        self._routes.pop(topic, None)
        self._found = (-REFRESH, self._found[1])

    async def close(self) -> None:
        """Ends every connection."""
        for proxy in self._known.values():
            await proxy.close()

    async def _ask_route(self, topic: str) -> Route:
        proxies = await self._all()
        request = [
            service.QueryRouteRequest(topic=definition.Resource(name=topic), endpoints=proxy.endpoints)
            for proxy in proxies
        ]
        asked = [
            proxy.call(lambda stub: stub.QueryRoute, one, self._settings.request_timeout)
            for proxy, one in zip(proxies, request, strict=True)
        ]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        route = merge(list(zip(proxies, answers, strict=True)))
        if not route.readers and not route.writers:
            raise BrokerUnavailable(f"no proxy of RocketMQ serves topic {topic}: {_reason(answers)}")
        return route

    async def _all(self) -> list[Proxy]:
        for proxy in self._known.values():
            await proxy.tidy()
        if _is_old(self._found[0]):
            try:
                self._found = (_now(), [self._proxy(where) for where in await self._look()])
            except (BrokerUnavailable, OSError) as error:
                if not self._found[1]:
                    raise BrokerUnavailable(f"RocketMQ's proxies are not known: {error}") from error
        return self._found[1]

    async def _look(self) -> list[tuple[str, int]]:
        given = self._settings.proxies()
        if not given:
            masters = (await self._admin.masters()).values()
            given = [(addresses(master)[0][0], PROXY_PORT) for master in masters]
        return [(await _resolve(host), port) for host, port in given]

    def _proxy(self, where: tuple[str, int]) -> Proxy:
        if where not in self._known:
            self._known[where] = Proxy(*where, self._client_id)
        return self._known[where]


def is_ending() -> bool:
    """Whether it is the running task that was cancelled: a call that is cut off raises CancelledError, too."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def serving(route: Route, broker: str, name: str) -> Proxy:
    """The proxy of this name, if it may serve the broker; raises BrokerUnavailable."""
    for proxy in route.readers.get(broker, []):
        if proxy.name == name:
            return proxy
    raise BrokerUnavailable(f"RocketMQ's proxy {name} does not serve broker {broker}: start it again")


def by_health(proxies: Sequence[Proxy], turn: int = 0) -> list[Proxy]:
    """The proxies in the order in which to try them: those that failed a moment ago last."""
    at = turn % len(proxies)
    return sorted([*proxies[at:], *proxies[:at]], key=lambda proxy: proxy.suspect)


def merge(answers: Sequence[tuple[Proxy, Any]]) -> Route:
    """What the proxies' answers say together; an exception is no answer."""
    route = Route({}, [])
    known = {proxy.name for proxy, _ in answers}
    for proxy, answer in answers:
        queues = (
            [] if isinstance(answer, BaseException) or answer.status.code != definition.OK else answer.message_queues
        )
        for queue in queues:
            readers = route.readers.setdefault(queue.broker.name, [])
            named = {f"{address.host}:{address.port}" for address in queue.broker.endpoints.addresses} & known
            here = not named or proxy.name in named
            if here and queue.permission in (definition.READ, definition.READ_WRITE) and proxy not in readers:
                readers.append(proxy)
            if queue.permission in (definition.WRITE, definition.READ_WRITE) and proxy not in route.writers:
                route.writers.append(proxy)
    return Route({broker: readers for broker, readers in route.readers.items() if readers}, route.writers)


def _reason(answers: Sequence[Any]) -> str:
    return "; ".join([str(one) if isinstance(one, BaseException) else one.status.message[:200] for one in answers])


async def _resolve(host: str) -> str:
    """The address of a host: proxies take no names."""
    try:
        return str(ipaddress.IPv4Address(host))
    except ValueError:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(REFRESH / 6):
            found = await loop.getaddrinfo(host, None, family=socket.AF_INET, type=socket.SOCK_STREAM)
        return str(found[0][4][0])


def _now() -> float:
    return asyncio.get_running_loop().time()


def _is_old(at: float) -> bool:
    return _now() - at >= REFRESH
