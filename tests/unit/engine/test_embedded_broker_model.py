"""The embedded broker against a model: whatever is done, with crashes, nothing is lost, and sequences keep order."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

import apsw
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from makegood.engine.broker.embedded import EmbeddedBroker, EmbeddedSubscription
from makegood.engine.broker.port import INVISIBLE, Delivery, Message
from makegood.engine.errors import BrokerUnavailable
from makegood.engine.executor import InlineExecutor
from tests.support.world import ManualWorld

TAGS = ("confirmed", "paid", "cancelled")
GROUPS = {
    "points": {"orders": frozenset({"paid"})},
    "stock": {"orders": frozenset({"confirmed", "cancelled"}), "payments": frozenset[str]()},
    "journal": {"orders": frozenset[str](), "payments": frozenset[str]()},
}
ORDERED = ("journal", "stock")
SEQUENCES = ("", "a", "b")
LONGEST_DELAY = 100.0
UNDONE = """
SELECT m.message_id FROM messages m JOIN cursors c ON c.topic = m.topic
WHERE c.consumer_group = ?1 AND (m.seq > c.mark OR EXISTS
    (SELECT 1 FROM pending p WHERE p.cursor = c.cursor AND p.seq = m.seq))
UNION SELECT message_id FROM delayed
"""
T = TypeVar("T")
groups = st.sampled_from(sorted(GROUPS))


class MortalExecutor(InlineExecutor):
    """Runs in line until its process dies; from then on nothing runs. It also fails when it is told to."""

    def __init__(self) -> None:
        self.fails = ""
        """'before' or 'after' the next work."""
        self.dead = False

    async def run(self, work: Callable[[], T]) -> T:
        """The result of `work`, or BrokerUnavailable."""
        if self.dead:
            raise BrokerUnavailable("the process is gone")
        fails, self.fails = self.fails, ""
        if fails == "before":
            raise BrokerUnavailable("not done")
        result = await super().run(work)
        if fails == "after":
            raise BrokerUnavailable("done, but nobody knows")
        return result


class Model(RuleBasedStateMachine):
    """What each group must have got, and how far it is."""

    @initialize()
    def begin(self) -> None:
        """An empty store, to which every group has subscribed."""
        self.loop = asyncio.new_event_loop()
        self.world = ManualWorld()
        self.db = apsw.Connection(":memory:")
        self.sent = 0
        self.expected: dict[str, set[str]] = {group: set() for group in GROUPS}
        self.acknowledged: dict[str, set[str]] = {group: set() for group in GROUPS}
        self.final: dict[str, set[str]] = {group: set() for group in GROUPS}
        self.deferred: dict[str, dict[str, tuple[int, int]]] = {group: {} for group in GROUPS}
        self.lanes: dict[tuple[str, str, str], list[str]] = {}
        self.open()

    def open(self) -> None:
        """A new process."""
        self.executor = MortalExecutor()
        self.broker = EmbeddedBroker.open(self.db, self.world, self.executor)
        self.held: dict[str, list[Delivery]] = {group: [] for group in GROUPS}
        self.subscriptions: dict[str, EmbeddedSubscription] = {
            group: self.do(self.broker.subscribe(group, topics, ordered=group in ORDERED))
            for group, topics in GROUPS.items()
        }

    def do(self, work: Any) -> Any:
        """Runs it to its end."""
        return self.loop.run_until_complete(work)

    def messages(self, topic: str, tags: list[str], delay: int) -> list[Message]:
        """New messages."""
        self.sent += len(tags)
        first = self.sent - len(tags)
        deliver_at = self.world.now() + delay * 1000 if delay else 0
        made: list[Message] = []
        for number, tag in enumerate(tags, first):
            sequence = "" if delay else SEQUENCES[number % len(SEQUENCES)]
            made.append(Message(topic, f"m{number}", b"b", tag, deliver_at=deliver_at, sequence=sequence))
        return made

    def expect(self, messages: list[Message]) -> None:
        """From now on these must reach who wants them."""
        for group, topics in GROUPS.items():
            for message in messages:
                tags = topics.get(message.topic)
                if tags is not None and (not tags or message.tag in tags):
                    self.expected[group].add(message.message_id)
                    if message.sequence and group in ORDERED:
                        self.lanes.setdefault((group, message.topic, message.sequence), []).append(message.message_id)

    batch = (
        st.sampled_from(["orders", "payments", "nobody"]),
        st.lists(st.sampled_from(TAGS), min_size=1, max_size=12),
        st.sampled_from([0, 0, 0, 1, 40]),
    )

    @rule(batch=st.tuples(*batch))
    def publish(self, batch: tuple[str, list[str], int]) -> None:
        """Publishing returns: the messages are stored."""
        messages = self.messages(*batch)
        self.do(self.broker.publish(messages))
        self.expect(messages)

    @rule(batch=st.tuples(*batch), fails=st.sampled_from(["before", "after"]), dies=st.booleans())
    def fail_to_publish(self, batch: tuple[str, list[str], int], fails: str, dies: bool) -> None:
        """The commit fails, before or after it took effect; the process may live on, and must find out."""
        messages = self.messages(*batch)
        self.executor.fails = fails
        with pytest.raises(BrokerUnavailable):
            self.do(self.broker.publish(messages))
        ids = {
            one for (one,) in self.db.execute("SELECT message_id FROM messages UNION SELECT message_id FROM delayed")
        }
        self.expect([message for message in messages if message.message_id in ids])
        if dies:
            self.die()

    @rule(group=groups)
    def fail_to_receive(self, group: str) -> None:
        """The store cannot be read: nothing is received, and nothing is lost."""
        self.executor.fails = "before"
        with suppress(BrokerUnavailable):
            self.held[group] += self.check(group, self.do(self.subscriptions[group].receive(5, 0)))
        self.executor.fails = ""

    @rule(group=groups, limit=st.integers(1, 20))
    def receive(self, group: str, limit: int) -> None:
        """What comes is expected, not yet written off, not before its time, and counts its deferrals."""
        deliveries: list[Delivery] = self.do(self.subscriptions[group].receive(limit, 0))
        assert len(deliveries) <= limit
        self.held[group] += self.check(group, deliveries)

    def check(self, group: str, deliveries: list[Delivery]) -> list[Delivery]:
        """The same, which are right."""
        came: set[str] = set()
        for delivery in deliveries:
            self.check_order(group, delivery.message, came)
            came.add(delivery.message.message_id)
            one = delivery.message.message_id
            assert one in self.expected[group]
            assert one not in self.final[group]
            assert delivery.message.deliver_at <= self.world.now()
            not_before, attempts = self.deferred[group].pop(one, (0, 0))
            assert not_before <= self.world.now()
            assert delivery.attempt > attempts
        return deliveries

    def check_order(self, group: str, message: Message, came: set[str]) -> None:
        """Everything before it in its sequence is acknowledged, or came before it in the same batch."""
        if message.sequence and group in ORDERED:
            lane = self.lanes[group, message.topic, message.sequence]
            before = set(lane[: lane.index(message.message_id)])
            assert before <= self.acknowledged[group] | came

    @rule(group=groups, pick=st.randoms(use_true_random=False), share=st.floats(0, 1))
    def acknowledge(self, group: str, pick: Any, share: float) -> None:
        """Some of what is held is done with."""
        chosen = [delivery for delivery in self.held[group] if pick.random() < share]
        self.do(self.subscriptions[group].acknowledge(chosen))
        self.acknowledged[group].update(delivery.message.message_id for delivery in chosen)
        self.release(group, chosen)

    @rule(group=groups, pick=st.randoms(use_true_random=False), delay=st.sampled_from([0.0, 5.0, LONGEST_DELAY]))
    def defer(self, group: str, pick: Any, delay: float) -> None:
        """Some of what is held, and not yet overdue, is to come later."""
        chosen = [delivery for delivery in self.held[group] if pick.random() < 0.5]
        self.do(self.subscriptions[group].defer(chosen, delay))
        not_before = self.world.now() + round(delay * 1000)
        for delivery in chosen:
            self.deferred[group][delivery.message.message_id] = (not_before, delivery.attempt)
        self.release(group, chosen)

    def release(self, group: str, chosen: list[Delivery]) -> None:
        """These are no longer held."""
        self.held[group] = [delivery for delivery in self.held[group] if delivery not in chosen]

    @rule(seconds=st.sampled_from([0.001, 1.0, 6.0, INVISIBLE, 50.0]))
    def pass_time(self, seconds: float) -> None:
        """Time passes; what is held long enough is held no more."""
        self.world.advance(round(seconds * 1000))
        if seconds >= INVISIBLE:
            self.held = {group: [] for group in GROUPS}

    @rule()
    def flush(self) -> None:
        """Statistics are exact, and write what was acknowledged."""
        statistics = self.do(self.broker.stats())
        waiting: set[str] = {one for (one,) in self.db.execute("SELECT message_id FROM delayed")}
        for stats in statistics:
            undone = self.expected[stats.group] - self.acknowledged[stats.group] - waiting
            assert stats.backlog == len(undone)
        self.all_is_written()

    @rule()
    def close_and_open(self) -> None:
        """Closing writes what was acknowledged."""
        self.do(self.broker.close())
        self.all_is_written()
        self.open()

    def all_is_written(self) -> None:
        """The store knows all that is done: it never comes again."""
        for group, expected in self.expected.items():
            assert self.undone(group) & expected == expected - self.acknowledged[group]
        self.final = {group: set(done) for group, done in self.acknowledged.items()}

    @rule()
    def die(self) -> None:
        """The process dies; acknowledgements that were not written are forgotten."""
        self.executor.dead = True
        self.forget_unwritten()
        self.open()

    def forget_unwritten(self) -> None:
        """Acknowledged messages that the store does not know of as done may come again."""
        for group in GROUPS:
            self.acknowledged[group] -= self.undone(group)

    def undone(self, group: str) -> set[str]:
        """What the store says the group is not done with."""
        return {one for (one,) in self.db.execute(UNDONE, (group,))}

    @invariant()
    def no_mark_passes_what_is_not_done(self) -> None:
        """Whatever a group has not acknowledged is in the store, above its mark or among its exceptions."""
        for group in GROUPS:
            assert self.expected[group] - self.acknowledged[group] <= self.undone(group)

    def teardown(self) -> None:
        """In the end every group gets and acknowledges everything, and then there is nothing left."""
        if not hasattr(self, "loop"):
            return
        self.die()
        self.world.advance(round(LONGEST_DELAY * 1000))
        for group in GROUPS:
            while deliveries := self.do(self.subscriptions[group].receive(20, 0)):
                self.acknowledged[group].update(delivery.message.message_id for delivery in deliveries)
                self.do(self.subscriptions[group].acknowledge(deliveries))
            assert self.acknowledged[group] == self.expected[group]
        assert [stats.backlog for stats in self.do(self.broker.stats())] == [0] * len(GROUPS)
        self.do(self.broker.close())
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.close()


TestModel = Model.TestCase
TestModel.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
