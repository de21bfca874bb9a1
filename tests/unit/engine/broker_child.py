"""A process that uses the embedded broker until it is killed, and says what it was promised: a line each.

Usage: broker_child.py FILE publish|acknowledge|defer
"""

import asyncio
import sys
from pathlib import Path

from makegood.engine.broker.embedded import EmbeddedBroker
from makegood.engine.broker.port import Message, Subscription
from makegood.engine.executor import ThreadExecutor
from makegood.engine.world import SystemWorld

ALL = frozenset[str]()
PUBLISHERS = 8
DEFERRED = 3600.0
"""Seconds for which everything is deferred."""


def say(*words: str) -> None:
    """Tells the parent that this holds from now on."""
    sys.stdout.write(" ".join(words) + "\n")
    sys.stdout.flush()


async def publish(broker: EmbeddedBroker, publisher: int) -> None:
    """Publishes three messages at a time, and says so when they are stored."""
    for number in range(0, 1_000_000, 3):
        ids = [f"{publisher}-{number + one}" for one in range(3)]
        await broker.publish([Message(topic="orders", message_id=one, body=one.encode() * 50) for one in ids])
        say(*ids)


async def acknowledge(broker: EmbeddedBroker, group: Subscription) -> None:
    """Acknowledges, every other delivery later than the next ones; says so once that was written."""
    late: list[str] = []
    while deliveries := await group.receive(9, 10):
        await group.acknowledge(deliveries[1::2])
        await group.acknowledge(deliveries[0::2])
        late += [delivery.message.message_id for delivery in deliveries]
        if len(late) > 50:
            await broker.stats()
            say(*late)
            late = []


async def defer(group: Subscription) -> None:
    """Defers a third of the deliveries and acknowledges nothing; says so."""
    while deliveries := await group.receive(9, 10):
        await group.defer(deliveries[::3], DEFERRED)
        say(*[delivery.message.message_id for delivery in deliveries[::3]])


async def main(path: Path, what: str) -> None:
    """Runs until it is killed."""
    broker = EmbeddedBroker.open(path, SystemWorld(), ThreadExecutor("broker"))
    group = await broker.subscribe("points", {"orders": ALL})
    say("ready")
    if what == "publish":
        await asyncio.gather(*(publish(broker, publisher) for publisher in range(PUBLISHERS)))
    elif what == "acknowledge":
        await acknowledge(broker, group)
    else:
        await defer(group)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
