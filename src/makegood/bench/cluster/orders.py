"""`makegood bench orders --config`: each case embedded first, then on the cluster, its floors behind it."""

import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from makegood.bench import cases as documents
from makegood.bench.cases import Case, OrderRequests
from makegood.bench.cluster.counters import counted
from makegood.bench.cluster.database import ReadTables
from makegood.bench.cluster.floors import server_floor
from makegood.bench.cluster.hops import hops
from makegood.bench.cluster.marks import ClusterMark, RunningCluster
from makegood.bench.cluster.plan import cluster_plan, unplanned
from makegood.bench.cluster.results import ClusterReport, ClusterResult
from makegood.bench.cluster.site import SERVERS, Site, read_site
from makegood.bench.cluster.written import RowsByTable, rows_since
from makegood.bench.errors import BenchError
from makegood.bench.floors import http_floor
from makegood.bench.house import build, coupons_of, now, this_machine, tokens_of
from makegood.bench.measuring import Run, Runner
from makegood.bench.orders import ENDLESS, FLOOR_SECONDS, HTTP_SECONDS, OrdersBench, failures
from makegood.bench.plan import RowsSeen
from makegood.bench.progress import Steps
from makegood.bench.results import OrdersResult
from makegood.bench.shop import ANSWER
from makegood.engine.world import SystemWorld
from makegood.operators.client import OperatorClient, OperatorError

FASTEST = 4_000
"""Orders a second for which coupons are prepared."""
WARM = 3.0
"""Seconds of requests before a run is measured: a Java process gets faster in its first seconds."""


class ClusterBench:
    """Runs cases one after another on the same cluster; what they order stays there."""

    def __init__(self, folder: Path, site: Site, shop: RunningCluster, tables: ReadTables, seconds: float) -> None:
        self._folder = folder
        self._site = site
        self._shop = shop
        self._tables = tables
        self._seconds = seconds
        self._tokens = tokens_of(site.signing_key)

    async def load(self) -> None:
        """Goods and buyers; loading them again changes nothing."""
        for document in documents.documents():
            await self._load(document)

    async def measure(self, case: Case, seen: RowsSeen, embedded: OrdersResult) -> ClusterResult:
        """One case. Raises BenchError."""
        tag = f"{case.name}-{SystemWorld().now():x}"
        limit = await self._add_coupons(case, tag) if case.extras else ENDLESS
        requests = OrderRequests(case, self._tokens, tag, limit=limit)
        async with Runner(self._shop, case.buyers, *self._site.gateways) as runner:
            await runner.warm(requests.next, WARM)
            last = self._tables.last_order()
            run = await runner.run(requests.next, self._seconds)
            stored = self._tables.stored(last)
        return await self._result(case, seen, embedded, run, stored, ran_out=requests.placed >= limit)

    async def _result(
        self,
        case: Case,
        seen: RowsSeen,
        embedded: OrdersResult,
        run: Run[ClusterMark],
        stored: Mapping[str, int],
        *,
        ran_out: bool,
    ) -> ClusterResult:
        driven, answers = run.driven, run.driven.answers
        rows = rows_since(run.after.rows, run.before.rows)
        commits = _commits(run)
        orders = max(case.buyers, int(driven.per_second * FLOOR_SECONDS))
        plan = cluster_plan(self._folder / "floor", seen, rows, commits, answers, orders)
        sql = await server_floor(self._folder, self._site, plan)
        request = OrderRequests(case, self._tokens, "floor", limit=1).example()
        seconds = min(HTTP_SECONDS, self._seconds)
        size = driven.answer_bytes // answers
        http = await http_floor(self._folder, request, case.status, size, case.buyers, seconds)
        cpu = _cpu(run)
        return ClusterResult(
            case=case,
            orders=answers,
            timing=run.timing(),
            answers=run.answers(),
            stored=dict(stored),
            cpu=cpu,
            resident={name: used.resident for name, used in sorted(run.after.used.items())},
            client_us=run.client_cpu / answers * 1e6,
            batches=_batches(run),
            hops=hops(run.before.counts, run.after.counts, answers),
            rows=_written(rows, answers),
            commits=commits,
            sql=sql,
            http=http,
            embedded=embedded,
            python_us=sum(cpu[one.name] for one in self._site.ours),
            servers_us=self._servers(cpu),
            failures=[*failures(case, driven, stored, ran_out=ran_out), *unplanned(plan, rows, answers)],
        )

    def _servers(self, cpu: Mapping[str, float]) -> dict[str, float]:
        found = dict.fromkeys(SERVERS.values(), 0.0)
        for one in self._site.programs:
            if not one.is_ours:
                found[SERVERS[one.kind]] += cpu[one.name]
        return found

    async def _add_coupons(self, case: Case, tag: str) -> int:
        """A coupon for every order; returns how many."""
        count = int((WARM + self._seconds) * FASTEST)
        for document in coupons_of(case, tag, count):
            await self._load(document)
        return count

    async def _load(self, document: bytes) -> None:
        try:
            async with OperatorClient(self._site.run) as client:
                await client.load(document)
        except OperatorError as error:
            raise BenchError(str(error)) from error


async def bench_cluster(
    folder: Path, config: Path, cases: Sequence[Case], seconds: float, steps: Steps
) -> ClusterReport:
    """Measures these cases on the cluster of this configuration, each for so many seconds. Raises BenchError."""
    machine, began = this_machine(), time.monotonic()
    site = read_site(config)
    steps.begin("making an embedded shop")
    house = await build(folder)
    embedded = OrdersBench(folder, seconds, steps)
    seen = await embedded.count(house, cases)
    beside = dict(zip(seen, await embedded.run(house, seen, 0), strict=True))
    results: list[ClusterResult] = []
    async with _running(folder, site, seconds) as bench:
        steps.begin("loading goods and buyers into the cluster")
        await bench.load()
        for case in cases:
            steps.begin(f"the cluster: {case}")
            results.append(await bench.measure(case, seen[case], beside[case]))
    return ClusterReport(machine, now(), round(time.monotonic() - began, 1), results)


@asynccontextmanager
async def _running(folder: Path, site: Site, seconds: float) -> AsyncGenerator[ClusterBench]:
    tables = ReadTables.open(site.database)
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=ANSWER) as http:
            yield ClusterBench(folder, site, RunningCluster(site, tables, http), tables, seconds)
    finally:
        tables.close()


def _cpu(run: Run[ClusterMark]) -> dict[str, float]:
    """CPU microseconds for each answer, by process."""
    before, answers = run.before.used, run.driven.answers
    return {name: used.since(before[name]).cpu / answers * 1e6 for name, used in sorted(run.after.used.items())}


def _commits(run: Run[ClusterMark]) -> dict[str, float]:
    """Commits for each answer, by service."""
    done = counted(run.before.counts, run.after.counts, "makegood_service_commits_total")
    return {labels[0]: count / run.driven.answers for labels, count in sorted(done.items())}


def _batches(run: Run[ClusterMark]) -> dict[str, float]:
    """The average batch of each function that ran, over all processes."""
    batches = counted(run.before.counts, run.after.counts, "makegood_function_batches_total")
    requests = counted(run.before.counts, run.after.counts, "makegood_function_requests_total")
    return {f"{service}.{name}": requests.get((name, service), 0) / n for (name, service), n in sorted(batches.items())}


def _written(rows: RowsByTable, answers: int) -> dict[str, float]:
    return {service: sum(one.written for one in tables.values()) / answers for service, tables in rows.items()}
