"""Receiving: what polls bring waits in a bounded buffer for whoever receives."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress

from rocketmq.grpc_protocol import definition_pb2 as definition

from makegood.engine.broker.port import Delivery
from makegood.engine.broker.rocketmq import wire
from makegood.engine.broker.rocketmq.groups import Groups
from makegood.engine.broker.rocketmq.polling import Feed, Source, Target
from makegood.engine.broker.rocketmq.proxies import REFRESH, Proxies, Proxy, serving
from makegood.engine.broker.rocketmq.session import Session, Wants
from makegood.engine.broker.rocketmq.settings import LONGEST_INVISIBLE, RocketmqSettings
from makegood.engine.broker.rocketmq.settling import Receipt, Settler
from makegood.engine.errors import BrokerUnavailable
from makegood.engine.world import World

WINDOW = 1024
"""Most deliveries of one subscription that are out, buffered or asked for at a time."""
AHEAD = 2
"""How many times what one `receive` takes is buffered or asked for: more would grow old behind a slow consumer."""
FRESH = 0.8
"""The part of its invisible time after which a buffered message is dropped: it comes again."""
EARLY = 1_000
"""Milliseconds by which a message may come before it is due: brokers round to a second."""
MAX_HELD = 10_000
"""Deferrals longer than RocketMQ's longest that are remembered; one that is forgotten comes early."""
PAUSE = 1.0
"""Seconds until the brokers are looked for again, when nobody could say where they are."""
RELEASE = 1.0
"""Seconds that giving back what nobody received may take at the end."""

log = logging.getLogger(__name__)


class RocketmqSubscription:
    """Implements `Subscription`. What it has received can be acknowledged and deferred after its `close`."""

    def __init__(
        self,
        wants: Wants,
        settings: RocketmqSettings,
        proxies: Proxies,
        groups: Groups,
        world: World,
        closed: Callable[["RocketmqSubscription"], None],
    ) -> None:
        self.wants = wants
        self._settings, self._proxies, self._groups, self._world = settings, proxies, groups, world
        self._when_closed = closed
        self._client_id = f"makegood@{wants.group}@{world.random_bytes(8).hex()}"
        self._settler = Settler(wants.group, self._client_id, proxies, settings)
        self._feeds: dict[tuple[str, str, str], Feed] = {}
        self._sessions: dict[str, Session] = {}
        self._buffer: deque[tuple[float, Delivery]] = deque()
        self._out: dict[str, float] = {}
        self._held: dict[str, int] = {}
        self._waiting = self._ahead = 0
        self._changed = asyncio.Event()
        self._refreshed_at = -REFRESH
        self._lost: tuple[float, BrokerUnavailable] | None = None
        self._refreshing: asyncio.Task[None] | None = None
        self._closed = self._broker_closed = False

    async def receive(self, limit: int, wait: float) -> list[Delivery]:
        """Up to `limit` deliveries, after at most `wait` seconds; raises BrokerUnavailable, also once it is closed."""
        if limit < 1:
            raise ValueError(f"limit is {limit}: receive at least 1")
        self._ahead = AHEAD * limit
        self._waiting += 1
        try:
            return await self._receive(limit, wait)
        finally:
            self._waiting -= 1

    async def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """These are done with. Raises BrokerUnavailable, and ValueError for a delivery of another broker."""
        self._check_broker()
        await self._settler.acknowledge(deliveries)
        for delivery in deliveries:
            self._out.pop(delivery.receipt, None)
            self._held.pop(delivery.message.message_id, None)
        self._notify()

    async def defer(self, deliveries: Sequence[Delivery], delay: float) -> None:
        """Delivers these again, not before `delay` seconds from now.

        Raises BrokerUnavailable, and ValueError for a delay below zero. RocketMQ allows 12 hours; then this process
        puts them off again, but another one that receives them hands them out.
        """
        self._check_broker()
        if delay < 0:
            raise ValueError(f"delay is {delay}: use 0 or more seconds")
        mine = [
            delivery for delivery in deliveries if delivery.receipt in self._out
        ]  # the others are settled, or again out
        if delay > LONGEST_INVISIBLE:
            self._hold(mine, self._world.now() + round(delay * 1000))
        await self._settler.put_off(mine, delay)
        for delivery in mine:
            self._out.pop(delivery.receipt, None)
        self._notify()

    async def close(self) -> None:
        """Stops receiving and gives back what nobody received; what was not acknowledged comes again later."""
        self._closed = True
        self._notify()
        if self._refreshing is not None:
            self._refreshing.cancel()
            await asyncio.gather(self._refreshing, return_exceptions=True)
        for feed in self._feeds.values():
            await feed.close()
        await self._release()
        while self._sessions:  # closing may be cancelled, and is then done again by the broker's
            await next(iter(self._sessions.values())).close()
            self._sessions.pop(next(iter(self._sessions)))
        self._when_closed(self)

    async def end(self) -> None:
        """Closes it together with its broker: nothing can be acknowledged any more."""
        self._broker_closed = True
        await self.close()

    def _check_open(self) -> None:
        self._check_broker()
        if self._closed:
            raise BrokerUnavailable("this subscription is closed: subscribe again")

    def _check_broker(self) -> None:
        if self._broker_closed:
            raise BrokerUnavailable("the broker is closed: open it again")

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
        self._poll()

    async def _receive(self, limit: int, wait: float) -> list[Delivery]:
        began = asyncio.get_running_loop().time()
        while True:
            self._check_open()
            changed = self._changed
            deliveries = self._take(limit)
            self._poll()  # also for the next time, if there is enough now
            left = began + wait - asyncio.get_running_loop().time()
            if deliveries or left <= 0:
                return deliveries
            self._raise_failure(began)
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await changed.wait()

    def _poll(self) -> None:
        if self._waiting and not self._closed:
            if asyncio.get_running_loop().time() - self._refreshed_at >= REFRESH and self._refreshing is None:
                self._refreshing = asyncio.create_task(self._refresh())
            for feed in self._feeds.values():
                feed.poll()

    def _take(self, limit: int) -> list[Delivery]:
        now = asyncio.get_running_loop().time()
        taken: list[Delivery] = []
        while self._buffer and len(taken) < limit:
            arrived_at, delivery = self._buffer.popleft()
            if now - arrived_at < self._settings.invisible * FRESH:
                self._out[delivery.receipt] = arrived_at + self._settings.invisible
                taken.append(delivery)
        return taken

    def _room(self) -> int:
        now = asyncio.get_running_loop().time()
        while self._out and next(iter(self._out.values())) <= now:
            self._out.pop(next(iter(self._out)))
        coming = len(self._buffer) + sum([feed.asked for feed in self._feeds.values()])
        return min(WINDOW - len(self._out), self._ahead) - coming

    def _raise_failure(self, since: float) -> None:
        """Raises when every feed has failed since then and none works: a caller should not wait in vain."""
        if not self._feeds and self._lost is not None and self._lost[0] >= since:
            raise self._lost[1]
        errors = [feed.error for feed in self._feeds.values() if feed.error is not None and feed.failed_at >= since]
        if errors and len(errors) == len(self._feeds):
            raise errors[0]

    async def _refresh(self) -> None:
        """Has a feed for each topic at each broker and proxy; those of brokers and proxies that have gone end."""
        try:
            found = {
                (topic, broker, proxy.name)
                for topic in self.wants.topics
                for broker, proxies in (await self._proxies.route(topic)).readers.items()
                for proxy in proxies
            }
            for where in sorted(found - self._feeds.keys()):
                source = Source(self.wants.group, *where, self.wants.topics[where[0]], self._settings.invisible)
                target = Target(self._room, self._way, self._arrived, self._notify)
                self._feeds[where] = Feed(source, target, self._client_id, self._world)
            for gone in sorted(self._feeds.keys() - found):
                await self._feeds.pop(gone).close()
            self._refreshed_at = asyncio.get_running_loop().time()
        except BrokerUnavailable as error:
            log.info("%s: the brokers cannot be looked for (%s); trying again", self.wants.group, error)
            self._lost = (asyncio.get_running_loop().time(), error)
            self._refreshed_at = self._lost[0] - REFRESH + PAUSE
        finally:
            self._refreshing = None
        self._notify()

    async def _way(self, source: Source, again: bool) -> tuple[Proxy, Session]:
        if again:
            self._proxies.forget(source.topic)
            await self._groups.mend(source.group, source.topic)
        proxy = serving(await self._proxies.route(source.topic), source.broker, source.proxy)
        if proxy.name not in self._sessions:
            self._sessions[proxy.name] = Session(
                proxy, self._client_id, self.wants, self._world, self._settings.request_timeout
            )
        return proxy, self._sessions[proxy.name]

    async def _arrived(self, source: Source, messages: list[definition.Message]) -> None:
        now, at = self._world.now(), asyncio.get_running_loop().time()
        early: list[tuple[Delivery, int]] = []
        for received in messages:
            delivery = _delivery(source, received)
            due = max(delivery.message.deliver_at, self._held.get(delivery.message.message_id, 0))
            if due > now + EARLY:
                early.append((delivery, due))
            else:
                self._held.pop(delivery.message.message_id, None)
                self._buffer.append((at, delivery))
        for delivery, due in early:
            await self._settler.put_off([delivery], (due - now) / 1000)

    def _hold(self, deliveries: Sequence[Delivery], due: int) -> None:
        for delivery in deliveries:
            self._held[delivery.message.message_id] = due
        while len(self._held) > MAX_HELD:
            self._held.pop(next(iter(self._held)))

    async def _release(self) -> None:
        left = [delivery for _, delivery in self._buffer]
        self._buffer.clear()
        try:
            async with asyncio.timeout(RELEASE):
                await self._settler.put_off(left, 0)
        except (BrokerUnavailable, TimeoutError) as error:
            log.info("%s: what nobody received comes again when it is visible (%s)", self.wants.group, error)


def _delivery(source: Source, received: definition.Message) -> Delivery:
    system = received.system_properties
    receipt = Receipt(source.broker, source.proxy, system.message_id, system.receipt_handle)
    return Delivery(wire.from_wire(received, source.topic), max(1, system.delivery_attempt), receipt.text())
