"""What a service is made of: plain functions, and decorators that say who calls them.

| decorator          | called with                            | by                                       |
| ------------------ | -------------------------------------- | ---------------------------------------- |
| `@operation`       | a transaction and a batch of requests  | RPC, or the same process                 |
| `@query`           | a snapshot and a batch of requests     | the same, on the read-only connection    |
| `@async_operation` | one request and its deadline           | the same; holds no transaction           |
| `@listener`        | a transaction and a batch of payloads  | the broker                               |
| `@sweep`           | a transaction and how many at most     | the clock                                |
| `@task`            | one piece of durable work, async       | the engine's workers                     |
| `@periodic`        | nothing, async                         | the clock                                |

Decorated functions stay what they were: a test opens a database in memory and calls them.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, Protocol, TypeVar, overload

import msgspec

from makegood.engine.contracts import Event, Operation, Task
from makegood.engine.database.table import Schema
from makegood.engine.database.transaction import Reader, Transaction
from makegood.engine.deadline import Deadline
from makegood.engine.tables import EngineTables

S = TypeVar("S")
Q = TypeVar("Q")
A = TypeVar("A")
E = TypeVar("E")
J = TypeVar("J", bound=msgspec.Struct)
O = TypeVar("O")  # noqa: E741 - the outcome of a task

BATCH = 256
"""Most requests in one transaction, unless a function says otherwise."""

BatchFunction = Callable[[S, Transaction, Sequence[Q]], list[A]]
QueryFunction = Callable[[S, Reader, Sequence[Q]], list[A]]


@dataclass(frozen=True)
class OperationSpec:
    """An operation or a query; `sheds` refuses calls whose expected wait is a good part of their deadline."""

    contract: Operation[Any, Any]
    function: Callable[..., Any]
    limit: int = BATCH
    reads: bool = False
    sheds: bool = False


@dataclass(frozen=True)
class AsyncOperationSpec:
    """An operation that talks to several parties and holds no transaction."""

    contract: Operation[Any, Any]
    function: Callable[..., Awaitable[Any]]


@dataclass(frozen=True)
class ListenerSpec:
    """Who hears what; `idempotent` listeners have a natural key for their effect and need no inbox row.

    `ordered` ones hear the messages of a sequence in the order in which they were sent.
    """

    topic: str
    tag: str
    payload: Any
    group: str | None
    function: Callable[..., None]
    idempotent: bool
    batched: bool
    ordered: bool = False


@dataclass(frozen=True)
class SweepSpec:
    """A function that handles at most `limit` due rows each `every` seconds, and says how many it did."""

    function: Callable[..., int]
    every: float
    limit: int


@dataclass(frozen=True)
class PeriodicSpec:
    """An async function that runs every `every` seconds; failing is logged, and it runs again next time."""

    function: Callable[..., Awaitable[None]]
    every: float


class Engine(Protocol):
    """What the engine offers a service that is running."""

    def now(self) -> int:
        """Milliseconds since 1970-01-01 UTC."""
        ...

    def call(self, operation: Operation[Q, A], request: Q, deadline: Deadline) -> Awaitable[A]:
        """Asks a service, wherever it runs. Raises Overloaded, DeadlineExceeded, ServiceUnavailable."""
        ...

    async def write(
        self,
        function: Callable[[Transaction, Sequence[Q]], list[A]],
        requests: Sequence[Q],
        deadline: Deadline | None = None,
    ) -> list[A]:
        """Runs a batch function of this service in a transaction; the first failure is raised.

        After the deadline it raises DeadlineExceeded: what is under way then may still take effect.
        """
        ...

    async def read(self, function: Callable[[Reader, Sequence[Q]], list[A]], requests: Sequence[Q]) -> list[A]:
        """Runs a batch function of this service on a snapshot."""
        ...

    async def compute(self, work: Callable[[], A]) -> A:
        """Runs CPU-heavy work (signing, hashing) in the bounded pool."""
        ...


class Service:
    """A named set of functions over its own tables; `engine` is bound by the host before anything runs."""

    name: ClassVar[str]
    schema: ClassVar[Schema]
    tables: ClassVar[EngineTables]
    """The engine's tables in the service's schema."""
    engine: Engine

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "schema" in vars(cls):
            cls.tables = EngineTables(cls.schema)

    @classmethod
    def specs(cls, kind: type[S]) -> list[S]:
        """What this class declares of one kind, base classes first, in the order of definition."""
        found: dict[str, Any] = {}
        for base in reversed(cls.__mro__):
            for name, member in vars(base).items():
                spec = getattr(member, "makegood_spec", None)
                if isinstance(spec, kind):
                    found[name] = spec
        return list(found.values())


def operation(
    contract: Operation[Q, A], *, limit: int = BATCH, sheds: bool = False
) -> Callable[[BatchFunction[S, Q, A]], BatchFunction[S, Q, A]]:
    """Answers a batch of requests, one answer each in their order, in one transaction."""

    def mark(function: BatchFunction[S, Q, A]) -> BatchFunction[S, Q, A]:
        return _marked(function, OperationSpec(contract, function, limit=limit, sheds=sheds))

    return mark


def query(
    contract: Operation[Q, A], *, limit: int = BATCH
) -> Callable[[QueryFunction[S, Q, A]], QueryFunction[S, Q, A]]:
    """Answers a batch of requests from one snapshot; it cannot write."""

    def mark(function: QueryFunction[S, Q, A]) -> QueryFunction[S, Q, A]:
        return _marked(function, OperationSpec(contract, function, limit=limit, reads=True))

    return mark


def async_operation(
    contract: Operation[Q, A],
) -> Callable[[Callable[[S, Q, Deadline], Awaitable[A]]], Callable[[S, Q, Deadline], Awaitable[A]]]:
    """Answers one request by asking others; it holds no transaction and no lock."""

    def mark(function: Callable[[S, Q, Deadline], Awaitable[A]]) -> Callable[[S, Q, Deadline], Awaitable[A]]:
        return _marked(function, AsyncOperationSpec(contract, function))

    return mark


ListenerFunction = Callable[[S, Transaction, Sequence[E]], None]


@overload
def listener(
    source: Event[E], group: str | None = None, *, idempotent: bool = False
) -> Callable[[ListenerFunction[S, E]], ListenerFunction[S, E]]: ...


@overload
def listener(
    source: str,
    group: str | None = None,
    *,
    payload: type[E],
    tag: str = "",
    idempotent: bool = False,
    ordered: bool = False,
) -> Callable[[ListenerFunction[S, E]], ListenerFunction[S, E]]: ...


def listener(
    source: Event[Any] | str,
    group: str | None = None,
    *,
    payload: Any = None,
    tag: str = "",
    idempotent: bool = False,
    ordered: bool = False,
) -> Callable[[ListenerFunction[S, Any]], ListenerFunction[S, Any]]:
    """Hears an event of a service, or whatever is sent to a topic; the group is the service's name if not given.

    Each event takes effect once: the engine remembers it in the inbox, unless the listener is `idempotent`
    because its effect has a key of its own.

    An `ordered` listener hears the messages of one sequence (`tx.send(…, sequence=…)`) in the order in which they
    were sent: while it fails for one, the later ones of that sequence wait with it; when that one is given up, they
    go on. It is the only listener of its group, and not `idempotent`: a repeat would come out of order.
    """
    if ordered and idempotent:
        raise ValueError(f"a listener of {source} is ordered and idempotent: leave one of them, repeats have no order")
    if isinstance(source, Event):
        topic, tag, payload = source.topic, source.tag, source.payload
    else:
        topic = source

    def mark(function: ListenerFunction[S, Any]) -> ListenerFunction[S, Any]:
        spec = ListenerSpec(topic, tag, payload, group, function, idempotent, isinstance(source, Event), ordered)
        return _marked(function, spec)

    return mark


SweepFunction = Callable[[S, Transaction, int], int]


def sweep(*, every: float, limit: int = BATCH) -> Callable[[SweepFunction[S]], SweepFunction[S]]:
    """Runs every `every` seconds (at once again after a full run) with at most `limit` rows to handle."""

    def mark(function: SweepFunction[S]) -> SweepFunction[S]:
        return _marked(function, SweepSpec(function, every, limit))

    return mark


def periodic(*, every: float) -> Callable[[Callable[[S], Awaitable[None]]], Callable[[S], Awaitable[None]]]:
    """Runs every `every` seconds outside any transaction."""

    def mark(function: Callable[[S], Awaitable[None]]) -> Callable[[S], Awaitable[None]]:
        return _marked(function, PeriodicSpec(function, every))

    return mark


@dataclass(frozen=True, slots=True)
class Later:
    """The task is not done: run it again in `seconds`; this is no failure and counts as no attempt."""

    seconds: float


@dataclass(frozen=True, slots=True)
class TaskResult(Generic[J, O]):
    """What a run of a task brought: `attempt` counts from 1."""

    key: str
    payload: J
    outcome: O
    attempt: int


RecordFunction = Callable[[S, Transaction, Sequence[TaskResult[J, O]]], "list[Later | None]"]


@dataclass
class TaskSpec(Generic[S, J, O]):
    """A task's two halves: the work outside, and the function that records its outcomes."""

    contract: Task[J]
    work: Callable[[S, J], Awaitable[O]]
    record: RecordFunction[S, J, O] | None = field(default=None)


class TaskFunction(Generic[S, J, O]):
    """The decorated work; `@work.done` takes the function that records what came of it."""

    def __init__(self, contract: Task[J], work: Callable[[S, J], Awaitable[O]]) -> None:
        self.makegood_spec = TaskSpec(contract, work)
        self.__doc__ = work.__doc__

    def done(self, record: RecordFunction[S, J, O]) -> RecordFunction[S, J, O]:
        """Records outcomes in one transaction with the end of their tasks; answers None, or Later, for each."""
        self.makegood_spec.record = record
        return record

    def __get__(self, instance: S, owner: type[S]) -> Callable[[J], Awaitable[O]]:
        """Bound to a service it is the plain async function."""

        def bound(payload: J) -> Awaitable[O]:
            return self.makegood_spec.work(instance, payload)

        return bound


def task(
    contract: Task[J],
) -> Callable[[Callable[[S, J], Awaitable[O]]], TaskFunction[S, J, O]]:
    """Durable work outside: leased, run (perhaps twice: use a fixed key), recorded by its `done` function.

    An exception is a failed attempt: it is retried with back-off, and after the last attempt it stays listed
    among the dead letters for a person.
    """

    def mark(work: Callable[[S, J], Awaitable[O]]) -> TaskFunction[S, J, O]:
        return TaskFunction(contract, work)

    return mark


def _marked(function: S, spec: object) -> S:
    function.makegood_spec = spec  # type: ignore[attr-defined]
    return function
