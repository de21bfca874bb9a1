"""The broker inside the shop's own process: one SQLite file, nothing to install.

Publishing is durable when it returns: publishes that arrive while a commit runs share the next one. Acknowledgements
are written within `FLUSH` seconds or with the next publish, without a flush of the disk; those that a crash loses come
again. A deferral is written before `defer` returns.

A message is kept until every group that ever subscribed to its topic is done with it. After `RETENTION` it is deleted
all the same: in a topic that no group ever subscribed to, or with an error in the log if a group was not done with it.
Nothing is deleted for its age in the first hour after opening, so that groups which come back after a long stop get
what waited for them. The age of a delayed message begins when it is due.

A deferred message holds back the deletion of the later ones of its topic, not their delivery, but for those of its
sequence in a group that keeps the order. Attempts that ended in neither an acknowledgement nor a deferral are
forgotten when the process dies.
"""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

import apsw

from makegood.engine.broker.embedded_commits import RETENTION, Commits
from makegood.engine.broker.embedded_cursor import Cursor
from makegood.engine.broker.embedded_store import Store
from makegood.engine.broker.embedded_topic import Group
from makegood.engine.broker.limits import validate, validate_subscription
from makegood.engine.broker.port import INVISIBLE, Delivery, Groups, GroupStats, Message
from makegood.engine.errors import BrokerUnavailable
from makegood.engine.executor import Executor
from makegood.engine.world import World


class EmbeddedBroker:
    """Implements `Broker` over one SQLite file, which it holds alone."""

    def __init__(self, store: Store, world: World, executor: Executor) -> None:
        self.commits = Commits(store, world, executor)
        self.world = world
        self._closed = False

    @classmethod
    def open(cls, where: Path | apsw.Connection | None, world: World, executor: Executor) -> "EmbeddedBroker":
        """Opens or creates the file (None: in memory); blocks. A connection that is passed in stays open at the end.

        Raises BrokerUnavailable when another process has the file open, or it is not this broker's.
        """
        try:
            return cls(Store(where), world, executor)
        except apsw.Error as error:
            raise BrokerUnavailable(
                f"cannot open the broker's store {where} ({type(error).__name__}: {error}): see that no other "
                "process uses it, that its folder exists and that the disk has room"
            ) from error

    async def publish(self, messages: Sequence[Message]) -> None:
        """Stores all durably, or raises BrokerUnavailable (send them again) or ValueError (change them)."""
        self.check_open()
        validate(messages)
        if messages:
            await self.commits.write(messages, sum([len(message.body) for message in messages]))

    async def declare(self, groups: Groups) -> None:
        """Has each group keep what is published from now on."""
        self.check_open()
        for group, topics in groups.items():
            validate_subscription(group, topics)
        for group, topics in groups.items():
            await self.commits.alone(self._declare(group, _sorted(topics)))

    async def _declare(self, name: str, topics: dict[str, frozenset[str]]) -> None:
        """Only ever adds: who declares may know less than the group's own consumers do."""
        known = {cursor.topic: cursor.tags for cursor in self.commits.cursors.values() if cursor.group == name}
        wanted = {topic: _both(known[topic], tags) if topic in known else tags for topic, tags in topics.items()}
        if all(known.get(topic) == tags for topic, tags in wanted.items()):
            return
        if name in self.commits.groups and self.commits.groups[name].consumers:
            raise BrokerUnavailable(f"group {name!r} has consumers that want less than {wanted}: they must end first")
        await self._rejoin(name, wanted)

    async def subscribe(
        self, group: str, topics: Mapping[str, frozenset[str]], *, ordered: bool = False
    ) -> "EmbeddedSubscription":
        """Joins a group; raises ValueError if the group's other consumers want other topics, tags or order."""
        self.check_open()
        validate_subscription(group, topics)
        joined = await self.commits.alone(self._join(group, _sorted(topics), ordered))
        return EmbeddedSubscription(self, group, joined)

    async def _join(self, name: str, topics: dict[str, frozenset[str]], ordered: bool) -> Group:
        group = self.commits.groups.get(name)
        if group is None or not group.consumers:
            group = await self._rejoin(name, topics)
            group.keep_order(ordered)
        elif group.topics() != topics or group.ordered != ordered:
            raise ValueError(
                f"group {name!r} has consumers of {group.topics()}, {'' if group.ordered else 'not '}ordered: "
                "want the same, or name another group"
            )
        group.consumers += 1
        return group

    async def _rejoin(self, name: str, topics: dict[str, frozenset[str]]) -> Group:
        rows = await self.commits.run(lambda: self.commits.store.join(name, topics))
        cursors = self.commits.cursors
        for row in [row for row in rows if row.topic in topics]:
            if row.cursor not in cursors:
                self.commits.add(row)
            elif cursors[row.cursor].tags != row.tags:
                cursors[row.cursor].want(row.tags)
                await self.commits.recount(cursors[row.cursor])
        group = self.commits.groups.setdefault(name, Group())
        group.cursors = {row.topic: cursors[row.cursor] for row in rows if row.topic in topics}
        return group

    async def stats(self) -> list[GroupStats]:
        """Each group that ever subscribed. Raises BrokerUnavailable."""
        self.check_open()
        await self.commits.write((), 0)
        backlogs: dict[str, int] = {}
        ages: dict[str, int] = {}
        for cursor in list(self.commits.cursors.values()):
            age = await self.commits.alone(self._age(cursor)) if cursor.backlog else 0
            backlogs[cursor.group] = backlogs.get(cursor.group, 0) + cursor.backlog
            ages[cursor.group] = max(ages.get(cursor.group, 0), age)
        return [GroupStats(group, backlog, ages[group]) for group, backlog in backlogs.items()]

    async def _age(self, cursor: Cursor) -> int:
        mark, wanted = cursor.mark, cursor.wanted
        stored_at = await self.commits.run(lambda: self.commits.store.oldest(cursor.key, cursor.topic, mark, wanted))
        return 0 if stored_at is None else max(0, self.world.now() - stored_at)

    async def close(self) -> None:
        """Writes what was acknowledged, ends every subscription and lets go of the file."""
        if not self._closed:
            self._closed = True
            await self.commits.close()

    def check_open(self) -> None:
        """Raises BrokerUnavailable after `close`."""
        if self._closed:
            raise BrokerUnavailable("the broker is closed: open it again")


class EmbeddedSubscription:
    """Implements `Subscription`. What it has received can be acknowledged and deferred after its `close`."""

    def __init__(self, broker: EmbeddedBroker, name: str, group: Group) -> None:
        self._broker = broker
        self._commits = broker.commits
        self._name = name
        self._group = group
        self._closed = False

    async def receive(self, limit: int, wait: float) -> list[Delivery]:
        """Up to `limit` deliveries, after at most `wait` seconds; raises BrokerUnavailable, also once it is closed."""
        if limit < 1:
            raise ValueError(f"limit is {limit}: receive at least 1")
        loop = asyncio.get_running_loop()
        until = loop.time() + wait
        await asyncio.sleep(0)  # a consumer with a long backlog must let the others have their turn
        while True:
            self._check_open()
            seen = self._group.changes
            deliveries = await self._take(limit)
            left = until - loop.time()
            if deliveries or left <= 0:
                return deliveries
            await self._group.wait(seen, left, self._broker.world.now())

    def _check_open(self) -> None:
        self._broker.check_open()
        if self._closed:
            raise BrokerUnavailable("this subscription is closed: subscribe again")

    async def _take(self, limit: int) -> list[Delivery]:
        async with self._group.turn:
            if self._commits.is_due():
                await self._commits.write((), 0)
            now = self._broker.world.now()
            for cursor in self._group.cursors.values():
                cursor.reclaim(now)
                await self._load(cursor)
            deliveries = await self._take_again(min(limit, self._group.room()), now)
            deliveries += await self._take_new(limit - len(deliveries), now)
            self._group.arm(now)
            return deliveries

    async def _take_new(self, limit: int, now: int) -> list[Delivery]:
        """At most `limit` new messages; looks behind those whose turn has not come."""
        while True:
            waiting = self._group.waiting
            deliveries = self._group.hand_out(min(limit, self._group.room()), _overdue(now))
            if deliveries or self._group.waiting == waiting:
                return deliveries
            for cursor in self._group.cursors.values():
                await self._load(cursor)

    async def _load(self, cursor: Cursor) -> None:
        while cursor.unread and not cursor.ready:
            page = self._commits.tail(cursor)
            if page is None:
                await self._commits.alone(self._commits.load(cursor))
            else:
                cursor.load(page)

    async def _take_again(self, limit: int, now: int) -> list[Delivery]:
        due: list[tuple[Cursor, list[int]]] = []
        for cursor in self._group.cursors.values():
            places = cursor.take_due(now, limit)
            limit -= len(places)
            if places:
                due.append((cursor, places))
        return await self._read_again(due, now) if due else []

    async def _read_again(self, due: list[tuple[Cursor, list[int]]], now: int) -> list[Delivery]:
        try:
            messages = await self._commits.alone(self._commits.read([seq for _, places in due for seq in places]))
        except BaseException:
            for cursor, places in due:
                cursor.give_back(places)
            raise
        deliveries: list[Delivery] = []
        for cursor, places in due:
            deliveries += cursor.hand_out_again(places, messages, _overdue(now))
            self._commits.settled(cursor)  # those that were not found
        return deliveries

    async def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """These are done with; written soon. Raises ValueError for a delivery of another group."""
        self._broker.check_open()
        is_news = self._group.room() <= 0 or not self._group.takes_new()
        for cursor, seq in [self._find(delivery) for delivery in deliveries]:
            is_news |= cursor.acknowledge(seq)
            self._commits.settled(cursor)
        if is_news:
            self._group.wake()

    async def defer(self, deliveries: Sequence[Delivery], delay: float) -> None:
        """Delivers these again, not before `delay` seconds (0 to `RETENTION`) from now; written when it returns.

        Raises ValueError for another delay, or a delivery of another group.
        """
        self._broker.check_open()
        if not 0 <= delay <= RETENTION:
            raise ValueError(f"delay is {delay}: use 0 to {RETENTION} seconds")
        not_before = self._broker.world.now() + round(delay * 1000)
        for delivery in deliveries:
            cursor, seq = self._find(delivery)
            cursor.defer(seq, delivery.attempt, not_before)
            self._commits.settled(cursor)
        self._group.wake()
        await self._commits.write((), 0)

    def _find(self, delivery: Delivery) -> tuple[Cursor, int]:
        key, _, place = delivery.receipt.partition("-")
        cursor = self._commits.cursors.get(int(key)) if key.isdecimal() and place.isdecimal() else None
        if cursor is None or cursor.group != self._name:
            raise ValueError(f"delivery {delivery.receipt!r} is not of group {self._name!r}: settle it where it came")
        return cursor, int(place)

    async def close(self) -> None:
        """Stops receiving; what was not acknowledged comes again when it is overdue."""
        if not self._closed:
            self._closed = True
            self._group.consumers -= 1
            self._group.wake()


def _sorted(topics: Mapping[str, frozenset[str]]) -> dict[str, frozenset[str]]:
    return {topic: topics[topic] for topic in sorted(topics)}


def _both(one: frozenset[str], other: frozenset[str]) -> frozenset[str]:
    """The tags that either wants; an empty set is all of them."""
    return one | other if one and other else frozenset()


def _overdue(now: int) -> int:
    return now + round(INVISIBLE * 1000)
