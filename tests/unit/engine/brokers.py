"""What the tests of the embedded broker share."""

import apsw

from makegood.engine.broker.embedded import EmbeddedBroker
from makegood.engine.executor import InlineExecutor
from tests.contract.broker.harness import ids, message
from tests.support.world import ManualWorld

ALL = frozenset[str]()


def opened(db: apsw.Connection, world: ManualWorld) -> EmbeddedBroker:
    """A broker over the store, as after a crash if there was one before."""
    return EmbeddedBroker.open(db, world, InlineExecutor())


def stored(db: apsw.Connection) -> int:
    """How many messages there are."""
    return db.execute("SELECT count(*) FROM messages").get


async def consume(broker: EmbeddedBroker, group: str, topic: str) -> list[str]:
    """Receives and acknowledges all there is."""
    subscription = await broker.subscribe(group, {topic: ALL})
    found: list[str] = []
    while deliveries := await subscription.receive(100, 0):
        found += ids(deliveries)
        await subscription.acknowledge(deliveries)
    await subscription.close()
    await broker.stats()
    return found


async def fill(broker: EmbeddedBroker, topic: str, count: int) -> None:
    """Publishes messages 0 to `count`, a hundred at a time."""
    for start in range(0, count, 100):
        await broker.publish([message(topic, number) for number in range(start, min(start + 100, count))])
