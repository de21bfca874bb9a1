"""What the web asks of the shop that runs behind it."""

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeVar

import msgspec

from makegood.engine.contracts import Operation
from makegood.engine.dead_letters import DeadLetter, Looked
from makegood.engine.deadline import Deadline

Q = TypeVar("Q")
A = TypeVar("A")


class DeadLetters(msgspec.Struct, frozen=True):
    """One page of dead letters; `next` is the `after` of the next, None at the end."""

    letters: tuple[DeadLetter, ...]
    next: str | None = None


class WorkSeen(msgspec.Struct, frozen=True):
    """A task that is not done: of a service, its kind and key. Times in ms UTC; `next_at` None: given up.

    `attempt` counts the runs begun since it was asked for, `running` says that one is under way (or its process has
    died), `error` is why the last run failed. A task that is done leaves no trace.
    """

    service: str
    kind: str
    key: str
    attempt: int
    running: bool
    created_at: int
    next_at: int | None
    error: str
    payload: str


class Traces(msgspec.Struct, frozen=True):
    """What waits or has failed around an order, and who listens to what.

    `listeners` names the groups that hear an event, `orders: paid`. Not `complete`: there are more set-aside events
    than were looked through.
    """

    letters: tuple[DeadLetter, ...]
    work: tuple[WorkSeen, ...]
    listeners: Mapping[str, tuple[str, ...]]
    complete: bool = True


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


class FunctionFigures(msgspec.Struct, frozen=True):
    """What one function of a service has done since it started; `seconds` is time in its transactions.

    `failed` requests raised, `expired` ones had no answer by their deadline, `shed` ones were refused at once.
    """

    function: str
    batches: int
    requests: int
    failed: int
    expired: int
    shed: int
    seconds: float
    waiting: int = 0
    """Calls in its queue now."""
    sizes: tuple[int, ...] = ()
    """Batches by size, as `batching.SIZES` bounds them; empty where that is not known."""
    times: tuple[int, ...] = ()
    """Batches by seconds, as `batching.TIMES` bounds them; likewise."""


class GroupFigures(msgspec.Struct, frozen=True):
    """A consumer group: messages it has not handled, and the age of the oldest in ms (0 without one)."""

    group: str
    lag: int
    oldest: int


class ServiceFigures(msgspec.Struct, frozen=True):
    """What a service in this process has done since it started, and what waits in it now.

    `batches`, `requests`, `failures` and `commits` only grow. `queue` is calls that wait, `outbox` messages not yet
    sent, `lag` messages its groups have not handled, `set_aside` events to be tried again, `dead` those given up.
    `tasks_due` may run now, `tasks_late` of them should have begun some seconds ago. Counts of rows end at a limit.
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
    commits: int = 0
    functions: tuple[FunctionFigures, ...] = ()
    groups: tuple[GroupFigures, ...] = ()
    tasks_due: int = 0
    tasks_late: int = 0
    counts: Mapping[str, int] = {}
    """What else has happened in it here, as `Execution.figures` says it; empty where that is not known."""


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

    async def dead_letters(
        self, after: str | None, limit: int, service: str | None = None, group: str | None = None
    ) -> DeadLetters:
        """At most `limit` dead letters behind the id `after`, all or a service's or group's. Raises ValueError."""
        ...

    async def replay_dead_letters(self, ids: Sequence[str]) -> list[bool]:
        """Has each tried again at once, from its first try; False for one that is not there.

        Raises ValueError when one of them is no id; then none is replayed.
        """
        ...

    async def look_at_dead_letters(self, ids: Sequence[str]) -> list[Looked]:
        """What has become of each. Raises ValueError when one of them is no id."""
        ...

    async def traces(self, keys: Sequence[str]) -> Traces:
        """Work under one of these keys, and set-aside events that name one: ids of an order, its payments, refunds."""
        ...

    async def audit(self) -> AuditReport:
        """Checks the promises on the live shop."""
        ...

    def services(self) -> Sequence[ServiceFigures]:
        """Figures of the services in this process."""
        ...
