"""What the web asks of the shop that runs behind it."""

from collections.abc import Sequence
from typing import Protocol, TypeVar

import msgspec

from makegood.engine.contracts import Operation
from makegood.engine.dead_letters import DeadLetter
from makegood.engine.deadline import Deadline

Q = TypeVar("Q")
A = TypeVar("A")


class DeadLetters(msgspec.Struct, frozen=True):
    """One page of dead letters; `next` is the `after` of the next, None at the end."""

    letters: tuple[DeadLetter, ...]
    next: str | None = None


class PromiseChecked(msgspec.Struct, frozen=True):
    """A promise (`P1`), in words, how many things were looked at, how many break it, and a few of those."""

    promise: str
    title: str
    checked: int
    broken: int
    examples: tuple[str, ...] = ()


class AuditReport(msgspec.Struct, frozen=True):
    """Every promise, in their order; `at` is when the check ended, in ms UTC."""

    at: int
    promises: tuple[PromiseChecked, ...]


class ServiceFigures(msgspec.Struct, frozen=True):
    """What a service in this process has done since it started, and what waits in it now.

    `batches`, `requests` and `failures` only grow. `queue` is calls that wait, `outbox` messages not yet sent,
    `lag` messages its groups have not handled, `set_aside` events to be tried again, `dead` those given up.
    """

    service: str
    batches: int
    requests: int
    failures: int
    queue: int
    outbox: int
    lag: int
    set_aside: int
    dead: int


class Shop(Protocol):
    """The running shop."""

    def now(self) -> int:
        """Milliseconds since 1970-01-01 UTC."""
        ...

    async def call(self, operation: Operation[Q, A], request: Q, deadline: Deadline) -> A:
        """Asks a service. Raises Overloaded, DeadlineExceeded, ServiceUnavailable, OperationFailed, DatabaseError."""
        ...

    def ready(self) -> str | None:
        """None when orders can be taken, else why not."""
        ...

    async def dead_letters(self, after: str | None, limit: int) -> DeadLetters:
        """At most `limit` dead letters behind the id `after`. Raises ValueError for what is no id."""
        ...

    async def replay_dead_letter(self, id: str) -> bool:
        """Has the consumer try this event again from its first try; False when there is no such letter."""
        ...

    async def audit(self) -> AuditReport:
        """Checks the promises on the live shop."""
        ...

    def services(self) -> Sequence[ServiceFigures]:
        """Figures of the services in this process."""
        ...
