"""What every database's transaction shares: its time, its ids, what it will say when it commits, what it locked."""

from typing import Any, NamedTuple, TypeVar

import msgspec

from makegood.engine.contracts import Event, Task
from makegood.engine.database.ids import IdSource
from makegood.engine.world import World

E = TypeVar("E", bound=msgspec.Struct)
J = TypeVar("J", bound=msgspec.Struct)


class Published(NamedTuple):
    """An event on its way to the outbox; `trace` is the traceparent of what it came from, if that is traced."""

    event: Event[Any]
    payload: msgspec.Struct
    key: str
    trace: str = ""


class Sent(NamedTuple):
    """A message of no event on its way to the outbox; `delay` in seconds."""

    topic: str
    tag: str
    key: str
    payload: object
    delay: float
    trace: str = ""
    sequence: str = ""


class Enqueued(NamedTuple):
    """A task on its way to the table of tasks; `delay` in seconds."""

    task: Task[Any]
    key: str
    payload: msgspec.Struct
    delay: float
    trace: str = ""


class Outgoing:
    """What a transaction wants to leave with its commit, in the order in which it was said."""

    def __init__(self) -> None:
        self.events: list[Published] = []
        self.messages: list[Sent] = []
        self.tasks: list[Enqueued] = []


class BaseTransaction:
    """The parts of a transaction that need no SQL."""

    def __init__(self, world: World, ids: IdSource) -> None:
        self.now = world.now()
        self.outgoing = Outgoing()
        self._world = world
        self._ids = ids
        self._mine: set[tuple[str, Any]] = set()

    def new_id(self) -> int:
        """An id that is larger than all before it in this process and unique in this service; under 2^63."""
        return self._ids.new_id()

    def random_bytes(self, count: int) -> bytes:
        """`count` bytes that nobody can guess."""
        return self._world.random_bytes(count)

    def publish(self, event: Event[E], payload: E, *, key: str = "") -> None:
        """Says what happened, if and only if this transaction commits; `key` is what people search it by."""
        self.outgoing.events.append(Published(event, payload, key))

    def send(
        self, topic: str, payload: object, *, key: str = "", tag: str = "", delay: float = 0.0, sequence: str = ""
    ) -> None:
        """Sends str, bytes, a struct or a JSON-able object, if and only if this commits; `delay` in seconds.

        Messages of a topic with the same `sequence` keep their order for listeners that want it; they have no delay.
        """
        self.outgoing.messages.append(Sent(topic, tag, key, payload, delay, sequence=sequence))

    def enqueue(self, task: Task[J], key: str, payload: J, *, delay: float = 0.0) -> None:
        """Asks for durable work, once for each key: what is there is kept, and runs in `delay` s or once more."""
        self.outgoing.tasks.append(Enqueued(task, key, payload, delay))

    def _claim(self, table: str, keys: list[Any]) -> None:
        self._mine.update((table, key) for key in keys)

    def _require(self, table: str, keys: list[Any]) -> None:
        for key in keys:
            if (table, key) not in self._mine:
                raise AssertionError(f"{table} {key!r} is written but was not locked in this transaction")
