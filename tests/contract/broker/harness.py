"""What the contract suite needs of a broker beside its port: to open it again, to let time pass, and fresh names."""

from pathlib import Path
from typing import Protocol

from makegood.engine.broker.embedded import EmbeddedBroker
from makegood.engine.broker.embedded_topic import WINDOW
from makegood.engine.broker.port import INVISIBLE, Broker, Delivery, Message, Subscription
from makegood.engine.executor import Executor
from tests.support.world import ManualWorld


class Harness(Protocol):
    """One broker under test."""

    window: int
    """Most deliveries of one group that are out at a time."""
    slack: float
    """Seconds by which a delivery may be late."""
    invisible: float
    """Seconds after which what is neither acknowledged nor deferred comes again."""
    delay: float
    """Seconds for which a test puts something off; a multiple of it is a long time."""
    moment: float
    """Seconds that a test waits to see that nothing comes."""

    async def open(self) -> Broker:
        """The broker, with what it held when it was closed."""
        ...

    async def pass_time(self, seconds: float) -> None:
        """Returns when the broker believes that so much time has passed."""
        ...

    def now(self) -> int:
        """The broker's time, ms UTC."""
        ...

    def name(self, what: str) -> str:
        """A topic or a group that exists and that no other test uses."""
        ...

    async def close(self) -> None:
        """Closes what `open` opened, and lets go of everything else."""
        ...


class EmbeddedHarness:
    """The embedded broker on a file, with a clock of its own."""

    window = WINDOW
    slack = 0.5
    invisible = INVISIBLE
    delay = 12.0
    moment = 0.1

    def __init__(self, file: Path, executor: Executor) -> None:
        self._file = file
        self._executor = executor
        self._world = ManualWorld()
        self._opened: list[EmbeddedBroker] = []

    async def open(self) -> Broker:
        """The broker, with what it held when it was closed."""
        self._opened.append(EmbeddedBroker.open(self._file, self._world, self._executor))
        return self._opened[-1]

    async def pass_time(self, seconds: float) -> None:
        """Moves the clock."""
        self._world.advance(round(seconds * 1000))

    def now(self) -> int:
        """The broker's time, ms UTC."""
        return self._world.now()

    def name(self, what: str) -> str:
        """Every test has a file of its own, so that any name will do."""
        return what

    async def close(self) -> None:
        """Closes the brokers."""
        for broker in self._opened:
            await broker.close()
        self._executor.close()


def message(topic: str, number: int, tag: str = "", deliver_at: int = 0) -> Message:
    """A message whose id and body say its number."""
    return Message(topic=topic, message_id=f"m{number}", body=f"body {number}".encode(), tag=tag, deliver_at=deliver_at)


def ids(deliveries: list[Delivery]) -> list[str]:
    """The message ids, sorted."""
    return sorted(delivery.message.message_id for delivery in deliveries)


async def gather(subscription: Subscription, count: int, wait: float = 5.0) -> list[Delivery]:
    """Deliveries until there are `count`, or none comes for `wait` seconds; nothing is acknowledged."""
    found: list[Delivery] = []
    while len(found) < count:
        more = await subscription.receive(count - len(found), wait)
        if not more:
            break
        found += more
    return found


async def nothing_more(subscription: Subscription, harness: Harness) -> bool:
    """Whether nothing comes for a moment."""
    return await subscription.receive(10, harness.moment) == []
