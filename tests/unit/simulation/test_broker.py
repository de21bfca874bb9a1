"""The broker in a world: it survives its own crash, and the way to it is late, double, shuffled and lossy."""

import asyncio
from collections.abc import Sequence

import apsw
import pytest

from makegood.engine.broker.embedded import EmbeddedBroker
from makegood.engine.broker.port import Broker, Delivery, Message, Subscription
from makegood.engine.errors import BrokerUnavailable
from makegood.simulation.broker import LATE, MortalExecutor, RemoteBroker, UnreliableBroker, open_broker
from makegood.simulation.faults import Fault
from makegood.simulation.life import Killed, Life, Machine, Moment
from makegood.simulation.network import Network
from makegood.simulation.world import World
from tests.unit.simulation.laboratory import dying, live, machine, make, started, sure

TOPICS = {"orders": frozenset({"paid"})}


def messages(*names: str) -> list[Message]:
    """Messages with these ids."""
    return [Message("orders", name, name.encode(), "paid") for name in names]


def names(deliveries: Sequence[Delivery]) -> list[str]:
    """The ids of what was delivered."""
    return [delivery.message.message_id for delivery in deliveries]


class Post:
    """A world with a broker's machine and another one that uses it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.store = apsw.Connection(":memory:")
        self.network = Network(world)
        self.office = machine(world, self._boot, "broker")
        self.user = machine(world, name="user")

    async def _boot(self, life: Life) -> EmbeddedBroker:
        return open_broker(self.store, life, self.world)

    async def remote(self) -> RemoteBroker:
        """The broker as another machine's process reaches it, when both have started."""
        await started(self.office)
        return RemoteBroker(self.network, await started(self.user), self.office, self.world)

    async def unreliable(self) -> UnreliableBroker:
        """A broker in the same process, with an unreliable way to it."""
        life = await started(self.user)
        return UnreliableBroker(EmbeddedBroker.open(None, life, MortalExecutor(life)), life, self.world)


async def all_of(subscription: Subscription, count: int) -> list[str]:
    """What comes until so many have, acknowledged."""
    found: list[str] = []
    async with asyncio.timeout(120.0):
        while len(found) < count:
            deliveries = await subscription.receive(10, 1.0)
            await subscription.acknowledge(deliveries)
            found += names(deliveries)
    return found


async def kill(one: Machine) -> None:
    """Ends the machine's process, and waits for the next one."""
    assert one.life is not None
    one.life.dies(Moment.VERB)
    await started(one)


def test_what_was_stored_survives_the_brokers_death() -> None:
    """What was published reaches its group, though the broker died in between, before and after delivering."""
    post = Post(make())

    async def scenario() -> None:
        broker = await post.remote()
        await broker.declare({"journal": TOPICS})
        await broker.publish(messages("one", "two"))
        await kill(post.office)
        subscription = await broker.subscribe("journal", TOPICS)
        assert names(await subscription.receive(10, 1.0)) == ["one", "two"]
        await kill(post.office)
        again = await broker.subscribe("journal", TOPICS)
        deliveries = await again.receive(10, 1.0)
        assert names(deliveries) == ["one", "two"]
        await again.acknowledge(deliveries)
        assert await again.receive(10, 1.0) == []

    live(post.world, scenario())


def test_a_declared_group_gets_what_came_before_its_consumer() -> None:
    """A group that was declared has what was published before anybody consumed for it; an undeclared one has not."""
    post = Post(make())

    async def scenario() -> None:
        broker = await post.remote()
        await broker.declare({"journal": TOPICS})
        await broker.publish(messages("early"))
        declared = await broker.subscribe("journal", TOPICS)
        unknown = await broker.subscribe("points", TOPICS)
        assert await all_of(declared, 1) == ["early"]
        assert await unknown.receive(10, 0.5) == []
        await broker.close()
        await broker.publish(messages("late"))
        assert await all_of(unknown, 1) == ["late"]

    live(post.world, scenario())


def test_a_subscription_ends_with_its_brokers_life() -> None:
    """What a process has of an earlier life of the broker is refused, whatever it asks for."""
    post = Post(make())

    async def scenario() -> None:
        broker = await post.remote()
        await broker.declare({"journal": TOPICS})
        old = await broker.subscribe("journal", TOPICS)
        await broker.publish(messages("one"))
        deliveries = await old.receive(10, 1.0)
        await kill(post.office)
        for asked in (old.receive(10, 1.0), old.acknowledge(deliveries), old.defer(deliveries, 1.0), old.close()):
            with pytest.raises(BrokerUnavailable, match="subscribe again"):
                await asked
        new = await broker.subscribe("journal", TOPICS)
        assert names(await new.receive(10, 1.0)) == ["one"]

    live(post.world, scenario())


def test_a_broker_that_is_away_is_unavailable() -> None:
    """Whether the broker does not run, or is not heard in time, the engine is told as it expects."""
    post = Post(make(1, sure(Fault.REQUEST_LOST), "request_lost-1"))

    async def scenario() -> None:
        broker = await post.remote()
        with pytest.raises(BrokerUnavailable):
            await broker.publish(messages("lost"))
        assert post.office.life is not None
        post.office.life.dies(Moment.VERB)
        with pytest.raises(BrokerUnavailable):
            await broker.declare({"journal": TOPICS})

    live(post.world, scenario())


def test_the_broker_notices_the_death_of_a_consumer() -> None:
    """When a consumer dies the group has no consumers left, so that it may want something else."""
    post = Post(make())

    async def scenario() -> None:
        broker = await post.remote()
        await broker.subscribe("journal", TOPICS)
        await kill(post.user)
        broker = await post.remote()
        await asyncio.sleep(1.0)
        await broker.subscribe("journal", {"orders": frozenset({"cancelled"})})

    live(post.world, scenario())
    assert post.world.bugs == []


def test_without_faults_the_way_is_reliable() -> None:
    """Everything comes once, in order, when nothing fails."""
    post = Post(make())

    async def scenario() -> None:
        broker = await post.unreliable()
        await broker.declare({"journal": TOPICS})
        subscription = await broker.subscribe("journal", TOPICS)
        await broker.publish(messages(*map(str, range(30))))
        assert await all_of(subscription, 30) == list(map(str, range(30)))
        assert await subscription.receive(10, 60.0) == []
        await subscription.close()
        await broker.close()

    live(post.world, scenario())


def test_a_refused_publish_stores_nothing_and_an_unanswered_one_everything() -> None:
    """The publisher is told the same in both cases: nobody knows."""
    rates = sure(Fault.PUBLISH_REFUSED, Fault.PUBLISH_UNANSWERED)
    post = Post(make(1, rates, "publish_refused-1", "publish_unanswered-1"))

    async def scenario() -> None:
        broker = await post.unreliable()
        subscription = await broker.subscribe("journal", TOPICS)
        for name in ("refused", "unanswered"):
            with pytest.raises(BrokerUnavailable):
                await broker.publish(messages(name))
        await broker.publish(messages("published"))
        assert await all_of(subscription, 2) == ["unanswered", "published"]

    live(post.world, scenario())


def test_a_failing_store_is_an_unavailable_broker() -> None:
    """Where the broker's own disk fails, what it was to store is there or not, and the publisher is told of neither."""
    post, stored = Post(make(2, {Fault.STORE_FAILS: 0.5})), set[str]()

    async def scenario() -> tuple[set[str], set[str]]:
        broker, failed, published = await post.remote(), set[str](), set[str]()
        subscription = await subscribed(broker)
        for number in range(40):
            try:
                await broker.publish(messages(str(number)))
                published.add(str(number))
            except BrokerUnavailable:
                failed.add(str(number))
        post.world.faults.stop()
        async with asyncio.timeout(120.0):
            while deliveries := await subscription.receive(10, 1.0):
                await subscription.acknowledge(deliveries)
                stored.update(names(deliveries))
        return failed, published

    failed, published = live(post.world, scenario())
    assert published <= stored
    assert published
    assert failed & stored
    assert failed - stored


async def subscribed(broker: Broker) -> Subscription:
    """A subscription, however often one has to ask for it."""
    while True:
        try:
            return await broker.subscribe("journal", TOPICS)
        except BrokerUnavailable:
            await asyncio.sleep(0.1)


def test_messages_come_late() -> None:
    """A late message comes after those behind it, up to a bounded time later, and is not lost."""
    post = Post(make(1, sure(Fault.DELIVERY_LATE), "delivery_late-1"))

    async def scenario() -> None:
        broker = await post.unreliable()
        subscription = await broker.subscribe("journal", TOPICS)
        await broker.publish(messages("one", "two", "three"))
        began = post.world.loop.time()
        assert await all_of(subscription, 3) == ["two", "three", "one"]
        assert 0.0 < post.world.loop.time() - began < LATE + 2.0

    live(post.world, scenario())


def test_messages_come_twice() -> None:
    """Every message is there once more, later, though it was acknowledged."""
    post = Post(make(1, sure(Fault.DELIVERY_TWICE)))

    async def scenario() -> None:
        broker = await post.unreliable()
        subscription = await broker.subscribe("journal", TOPICS)
        await broker.publish(messages("one", "two", "three"))
        assert sorted(await all_of(subscription, 6)) == ["one", "one", "three", "three", "two", "two"]

    live(post.world, scenario())


def test_messages_come_in_any_order() -> None:
    """What comes together comes in another order, and all of it."""
    post, sent = Post(make(1, sure(Fault.DELIVERY_SHUFFLED))), [str(number) for number in range(10)]

    async def scenario() -> list[str]:
        broker = await post.unreliable()
        subscription = await broker.subscribe("journal", TOPICS)
        await broker.publish(messages(*sent))
        return await all_of(subscription, 10)

    found = live(post.world, scenario())
    assert sorted(found) == sent != found


def test_a_lost_acknowledgement_is_a_repeat() -> None:
    """What was acknowledged in vain comes again when its time is over, with a higher count of attempts."""
    post = Post(make(1, sure(Fault.ACKNOWLEDGEMENT_LOST), "acknowledgement_lost-1"))

    async def scenario() -> None:
        broker = await post.unreliable()
        subscription = await broker.subscribe("journal", TOPICS)
        await broker.publish(messages("one"))
        await subscription.acknowledge(await subscription.receive(10, 1.0))
        [again] = await subscription.receive(10, 60.0)
        assert (again.message.message_id, again.attempt) == ("one", 2)
        await subscription.acknowledge([again])
        assert await subscription.receive(10, 60.0) == []

    live(post.world, scenario())


def test_what_is_deferred_comes_again() -> None:
    """A deferral is passed on as it is."""
    post = Post(make())

    async def scenario() -> None:
        broker = await post.unreliable()
        subscription = await broker.subscribe("journal", TOPICS)
        await broker.publish(messages("one"))
        await subscription.defer(await subscription.receive(10, 1.0), 5.0)
        began = post.world.loop.time()
        assert await all_of(subscription, 1) == ["one"]
        assert 4.9 < post.world.loop.time() - began < 7.0

    live(post.world, scenario())


def test_death_after_publishing() -> None:
    """A process that dies right after it published has published; so the next life does it again."""
    post = Post(dying(Moment.AFTER_PUBLISH, 2))

    async def scenario() -> None:
        remote = await post.remote()
        subscription = await remote.subscribe("journal", TOPICS)
        life = await started(post.user)
        broker = UnreliableBroker(remote, life, post.world)
        with pytest.raises(Killed):
            await broker.publish(messages("one"))
        assert not life.alive
        assert post.user.life is None
        with pytest.raises(Killed):
            await broker.publish(messages("two"))
        with pytest.raises(Killed):
            await broker.declare({"journal": TOPICS})
        with pytest.raises(Killed):
            await subscription.receive(10, 1.0)
        await started(post.user)
        remote = await post.remote()
        assert names(await (await remote.subscribe("journal", TOPICS)).receive(10, 1.0)) == ["one"]

    live(post.world, scenario())


def test_death_before_an_acknowledgement() -> None:
    """What took effect in a process that died before it said so comes again to the next one."""
    post = Post(dying(Moment.BEFORE_ACKNOWLEDGEMENT, 2))

    async def scenario() -> None:
        remote = await post.remote()
        broker = UnreliableBroker(remote, await started(post.user), post.world)
        subscription = await broker.subscribe("journal", TOPICS)
        await broker.publish(messages("one"))
        deliveries = await subscription.receive(10, 1.0)
        with pytest.raises(Killed):
            await subscription.acknowledge(deliveries)
        for asked in (subscription.receive(10, 1.0), subscription.acknowledge(deliveries), subscription.close()):
            with pytest.raises(Killed):
                await asked
        await started(post.user)
        remote = await post.remote()
        [again] = await (await remote.subscribe("journal", TOPICS)).receive(10, 60.0)
        assert again.message.message_id == "one"

    live(post.world, scenario())


@pytest.mark.parametrize(("moment", "stored"), [(Moment.BEFORE_COMMIT, []), (Moment.AFTER_COMMIT, ["done"])])
def test_death_of_a_store(moment: Moment, stored: list[str]) -> None:
    """A process that uses its store may die right before it, or right after; dead, it uses it no more."""
    world, done = dying(moment), list[str]()

    async def scenario() -> None:
        executor = MortalExecutor(Life(machine(world), 1, world))
        for _ in range(3):
            with pytest.raises(Killed):
                await executor.run(lambda: done.append("done"))
        executor.close()

    live(world, scenario())
    assert done == stored


def test_nothing_to_publish() -> None:
    """Who publishes no messages is done."""
    post = Post(make())

    async def scenario() -> None:
        await (await post.unreliable()).publish([])

    live(post.world, scenario())
