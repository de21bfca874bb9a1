"""What a bench of the cluster found, as it is written to JSON; units as in `bench/results.py`."""

import msgspec

from makegood.bench.cases import Case
from makegood.bench.results import FORMAT, HttpFloor, Machine, OrdersResult, Timing


class ServerFloor(msgspec.Struct, frozen=True):
    """The same rows in as many commits by raw SQL, for each order: CPU of the client and of the database's server."""

    orders: int
    per_second: float
    client_us: float
    server_us: float
    rows: dict[str, float]
    commits: dict[str, float]


class Hop(msgspec.Struct, frozen=True):
    """A way between two processes: how many of what go over it for each order, and how many with one send."""

    name: str
    for_each: float
    together: float


class ClusterResult(msgspec.Struct, frozen=True):
    """One case. `embedded` is the same case in one process, measured in the same run.

    `cpu` is CPU microseconds an order by process, of all threads, from the first request until every message was
    handled; `resident` its bytes of memory then. `rows` (written) and `commits` are for each order, by service.
    """

    case: Case
    orders: int
    timing: Timing
    answers: dict[str, int]
    stored: dict[str, int]
    cpu: dict[str, float]
    resident: dict[str, int]
    client_us: float
    batches: dict[str, float]
    hops: list[Hop]
    rows: dict[str, float]
    commits: dict[str, float]
    sql: ServerFloor
    http: HttpFloor
    embedded: OrdersResult
    python_us: float
    """Of all the shop's own processes together."""
    servers_us: dict[str, float]
    """Of MariaDB, RocketMQ (broker, proxy and name server) and ZooKeeper."""
    failures: list[str]

    @property
    def ratio(self) -> float:
        """The CPU of the shop's own processes as a multiple of the embedded shop's."""
        return self.python_us / self.embedded.cost.cpu_us


class ClusterReport(msgspec.Struct, frozen=True):
    """`makegood bench orders --config`: every case, in the order in which they ran."""

    machine: Machine
    at: str
    seconds: float
    results: list[ClusterResult]
    format: int = FORMAT
    bench: str = "cluster"

    @property
    def ok(self) -> bool:
        """Whether everything was answered, and took effect, as it should."""
        return not any(one.failures or one.embedded.failures for one in self.results)
