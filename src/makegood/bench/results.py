"""What a bench found, as it is written to JSON. Times are seconds, milliseconds or CPU microseconds, as named."""

from typing import Generic, TypeVar

import msgspec

from makegood.bench.cases import Case

FORMAT = 2
"""Raised when a field is removed or means something else."""


class SqlFloor(msgspec.Struct, frozen=True):
    """The same rows in as many commits by raw SQL: for each order, and by file."""

    orders: int
    per_second: float
    cpu_us: float
    rows: dict[str, float]
    commits: dict[str, float]


class HttpFloor(msgspec.Struct, frozen=True):
    """An endpoint of the same server that reads the same body and answers as many bytes."""

    per_second: float
    cpu_us: float
    client_cpu_us: float
    p99_ms: float = 0.0


class AnswersAlone(msgspec.Struct, frozen=True):
    """The shop while none of its listeners hears: what a callback takes until it is answered, its message sent."""

    per_second: float
    p99_ms: float
    cpu_us: float


class Cost(msgspec.Struct, frozen=True):
    """What the shop took for each order, or each callback; `rows` and `commits` by file.

    `cpu_us` is of all threads, from the first request until every message was handled.
    """

    cpu_us: float
    client_cpu_us: float
    written_bytes: float
    resident_bytes: int
    batches: dict[str, float]
    rows: dict[str, float]
    commits: dict[str, float]


class Timing(msgspec.Struct, frozen=True):
    """How fast requests were answered, and what was left to do when the last one was sent.

    `per_second` is of the `seconds` in which requests were sent. `backlog` counts the messages that the shop said were
    waiting then; it counts every LOOK_EVERY seconds. `drain_seconds` passed until it said that none was left.
    """

    seconds: float
    per_second: float
    p50_ms: float
    p99_ms: float
    backlog: int
    drain_seconds: float


class OrdersResult(msgspec.Struct, frozen=True):
    """One case. `history`: paid orders that were there before; `failures` say what was not as it should be."""

    case: Case
    history: int
    orders: int
    timing: Timing
    answers: dict[str, int]
    stored: dict[str, int]
    cost: Cost
    sql: SqlFloor
    http: HttpFloor
    failures: list[str]

    @property
    def ratio(self) -> float:
        """The shop's CPU for an order as a multiple of both floors together."""
        floors = self.sql.cpu_us + self.http.cpu_us
        return self.cost.cpu_us / floors if floors else 0.0

    @property
    def rest_us(self) -> float:
        """CPU microseconds of an order that are neither the rows nor HTTP."""
        return self.cost.cpu_us - self.sql.cpu_us - self.http.cpu_us


class CallbacksResult(msgspec.Struct, frozen=True):
    """Callbacks over so many connections. `verified`: an endpoint that verifies the signature and stores one row.

    `stored` counts what the callbacks brought about: payments captured, orders paid, entries of points.
    """

    connections: int
    callbacks: int
    timing: Timing
    answers: dict[str, int]
    stored: dict[str, int]
    cost: Cost
    verified: HttpFloor
    sql: SqlFloor
    http: HttpFloor
    alone: AnswersAlone
    failures: list[str]

    @property
    def cpu_ratio(self) -> float:
        """The shop's CPU for a callback as a multiple of the verifying endpoint's."""
        return self.cost.cpu_us / self.verified.cpu_us if self.verified.cpu_us else 0.0

    @property
    def speed_ratio(self) -> float:
        """The verifying endpoint's callbacks a second as a multiple of the shop's."""
        return self.verified.per_second / self.timing.per_second if self.timing.per_second else 0.0

    @property
    def alone_cpu_ratio(self) -> float:
        """As `cpu_ratio`, of the answers alone."""
        return self.alone.cpu_us / self.verified.cpu_us if self.verified.cpu_us else 0.0

    @property
    def alone_speed_ratio(self) -> float:
        """As `speed_ratio`, of the answers alone."""
        return self.verified.per_second / self.alone.per_second if self.alone.per_second else 0.0


class Machine(msgspec.Struct, frozen=True):
    """Where it was measured; `load` is the machine's one-minute load when the bench began."""

    processors: int
    model: str
    python: str
    load: float


Result = TypeVar("Result", OrdersResult, CallbacksResult)


class _Report(msgspec.Struct, Generic[Result], frozen=True):
    """What was measured where, when, and in how many seconds."""

    machine: Machine
    at: str
    seconds: float
    results: list[Result]

    @property
    def ok(self) -> bool:
        """Whether everything was answered, and took effect, as it should."""
        return not any(result.failures for result in self.results)


class OrdersReport(_Report[OrdersResult], frozen=True):
    """`makegood bench orders`: every case, in the order in which they ran."""

    format: int = FORMAT
    bench: str = "orders"


class CallbacksReport(_Report[CallbacksResult], frozen=True):
    """`makegood bench callbacks`: every number of connections, in the order in which they ran."""

    format: int = FORMAT
    bench: str = "callbacks"
