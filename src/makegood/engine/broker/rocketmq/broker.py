"""RocketMQ 5 as `Broker`.

Topics and groups that are missing are created; what exists is left as it is, but for the number of a group's
deliveries, which is raised: what fails is set aside by its consumer, not by RocketMQ; and that a group of which order
is wanted keeps it. A publish that raises may have
stored some of its messages. All runs on one event loop; every wait is bounded, and nothing has to be done after a
server was away: calls raise BrokerUnavailable while it is, and succeed again when it is back.
"""

from collections.abc import Mapping, Sequence

from makegood.engine.broker.limits import validate, validate_subscription
from makegood.engine.broker.port import Groups as WantedByGroups
from makegood.engine.broker.port import GroupStats, Message
from makegood.engine.broker.rocketmq.admin import Admin
from makegood.engine.broker.rocketmq.groups import Groups
from makegood.engine.broker.rocketmq.proxies import Proxies
from makegood.engine.broker.rocketmq.receiving import RocketmqSubscription
from makegood.engine.broker.rocketmq.sending import Sender
from makegood.engine.broker.rocketmq.session import Wants
from makegood.engine.broker.rocketmq.settings import RocketmqSettings
from makegood.engine.errors import BrokerUnavailable
from makegood.engine.world import World

Wanted = Mapping[str, frozenset[str]]


class RocketmqBroker:
    """Implements `Broker` over the proxies and brokers of one name server."""

    def __init__(self, settings: RocketmqSettings, world: World) -> None:
        self._settings = settings
        self._world = world
        self._admin = Admin(settings)
        self._groups = Groups(self._admin)
        self._proxies = Proxies(settings, self._admin, world)
        self._sender = Sender(settings, self._admin, self._proxies, world)
        self._subscriptions: list[RocketmqSubscription] = []
        self._closed = False

    @classmethod
    def open(cls, settings: RocketmqSettings, world: World) -> "RocketmqBroker":
        """Connects to nothing yet."""
        return cls(settings, world)

    async def declare(self, groups: WantedByGroups) -> None:
        """Has each group keep what is published from now on. Raises BrokerUnavailable, and ValueError for bad names."""
        self._check_open()
        for group, topics in groups.items():
            validate_subscription(group, topics)
        for group, topics in groups.items():
            await self._groups.make(group, topics)
            live = await self._groups.wanted(group)
            for subscription in self._subscriptions:
                live |= subscription.wants.topics if subscription.wants.group == group else {}
            _check_wide_enough(group, topics, live)

    async def publish(self, messages: Sequence[Message]) -> None:
        """Stores all durably, or raises BrokerUnavailable (send them again) or ValueError (change them)."""
        self._check_open()
        validate(messages)
        await self._sender.publish(messages)

    async def subscribe(self, group: str, topics: Wanted, *, ordered: bool = False) -> RocketmqSubscription:
        """Joins a group; raises ValueError if other consumers of this process want other topics, tags or order.

        RocketMQ keeps the order of a whole queue: while some of a sequence are out, an ordered group gets nothing of
        the others in its queue either.
        """
        self._check_open()
        validate_subscription(group, topics)
        self._check_alike(group, topics, ordered)
        await self._groups.make(group, topics, ordered=ordered)
        self._check_open()
        self._check_alike(group, topics, ordered)
        wants = Wants(group, dict(topics), ordered)
        subscription = RocketmqSubscription(
            wants, self._settings, self._proxies, self._groups, self._world, self._forget
        )
        self._subscriptions.append(subscription)
        return subscription

    async def stats(self) -> list[GroupStats]:
        """Each group that this process declared or joined. Raises BrokerUnavailable.

        Counted is what RocketMQ's own tools call the difference, from brokers' to consumers' offsets: the messages of
        every tag; in an ordered group all that are not acknowledged, in any other those that were never handed out,
        for there a hand-out moves the offset, and what is out or deferred brokers tell nobody but their metrics
        (`rocketmq_consumer_inflight_messages`). Delayed messages count from when they are due.
        """
        self._check_open()
        return await self._groups.stats()

    async def close(self) -> None:
        """Ends every subscription and connection."""
        if not self._closed:
            self._closed = True
            for subscription in list(self._subscriptions):
                await subscription.end()
            await self._proxies.close()
            self._admin.close()

    def _check_open(self) -> None:
        if self._closed:
            raise BrokerUnavailable("the broker is closed: open it again")

    def _forget(self, subscription: RocketmqSubscription) -> None:
        if subscription in self._subscriptions:
            self._subscriptions.remove(subscription)

    def _check_alike(self, group: str, topics: Wanted, ordered: bool) -> None:
        for other in self._subscriptions:
            if other.wants.group == group and (other.wants.topics, other.wants.ordered) != (topics, ordered):
                raise ValueError(
                    f"group {group!r} has consumers of {other.wants.topics}, {'' if other.wants.ordered else 'not '}"
                    "ordered: want the same, or name another group"
                )


def _check_wide_enough(group: str, topics: Wanted, live: Wanted) -> None:
    """Consumers pass over the tags that they do not want; a topic that none of them polls waits for another."""
    for topic, tags in topics.items():
        has = live.get(topic, frozenset[str]())
        if has and (not tags or not tags <= has):
            raise BrokerUnavailable(f"group {group!r} has consumers that want less of {topic!r}: they must end first")
