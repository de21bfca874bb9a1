"""One timed run against a shop, and everything that the shop and the load generator used for it."""

import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw

from makegood.bench.counted import Counts
from makegood.bench.errors import BenchError
from makegood.bench.generator import Driven, Generator, NextRequest
from makegood.bench.plan import RowsSeen
from makegood.bench.process import Usage
from makegood.bench.results import Cost, SqlFloor, Timing
from makegood.bench.shop import Figures, RunningShop

WARM = 0.5
"""Seconds of requests before a run is measured."""
ROUNDING = 8
"""Rows by which a file's floor may differ from the shop: half a row for each table and what is done to it."""


@dataclass(frozen=True)
class Mark:
    """Everything the shop and this process had used at one moment."""

    figures: Figures
    counts: Counts
    used: Usage
    client: float


@dataclass(frozen=True)
class Run:
    """What one timed run gave, and what was used from its first request until every message was handled."""

    driven: Driven
    before: Mark
    after: Mark
    client_cpu: float
    backlog: int
    drain_seconds: float

    def timing(self) -> Timing:
        """How fast it went."""
        driven = self.driven
        return Timing(
            seconds=driven.seconds,
            per_second=driven.per_second,
            p50_ms=driven.percentile(0.5) * 1e3,
            p99_ms=driven.percentile(0.99) * 1e3,
            backlog=self.backlog,
            drain_seconds=self.drain_seconds,
        )

    def answers(self) -> dict[str, int]:
        """How many answers had each status."""
        return {str(status): count for status, count in sorted(self.driven.statuses.items())}

    def commits(self) -> dict[str, float]:
        """Commits for each answer, by file."""
        before, after = self.before.counts.commits, self.after.counts.commits
        return {file: (count - before.get(file, 0)) / self.driven.answers for file, count in sorted(after.items())}

    def cost(self, seen: RowsSeen) -> Cost:
        """What an answer took."""
        before, after, answers = self.before, self.after, self.driven.answers
        used = after.used.since(before.used)
        ran = after.figures.ran_since(before.figures)
        return Cost(
            cpu_us=used.cpu / answers * 1e6,
            client_cpu_us=self.client_cpu / answers * 1e6,
            written_bytes=used.written / answers,
            resident_bytes=used.resident,
            batches={name: after.figures.batch(name, before.figures) for name in ran},
            rows=seen.for_each(),
            commits=self.commits(),
        )


class Runner:
    """Connections to a shop, over which one run after another is driven."""

    def __init__(self, shop: RunningShop, connections: int) -> None:
        self._shop = shop
        self._connections = connections
        self._generator = Generator(shop.url)

    async def __aenter__(self) -> "Runner":
        await self._generator.open(self._connections)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._generator.close()

    async def warm(self, requests: NextRequest, seconds: float = WARM) -> Driven:
        """Drives requests that are not measured, and waits until the shop has nothing left to do."""
        driven = await self._generator.drive(requests, seconds)
        await self._shop.drained()
        return driven

    async def run(self, requests: NextRequest, seconds: float) -> Run:
        """Drives and measures. Raises BenchError when nothing was answered."""
        before = await _mark(self._shop)
        driven = await self._generator.drive(requests, seconds)
        client, ended = time.process_time() - before.client, time.monotonic()
        backlog = (await self._shop.figures()).backlog
        await self._shop.drained()
        drain = time.monotonic() - ended
        if not driven.answers:
            raise BenchError(f"nothing was answered in {seconds} s: give more --seconds")
        return Run(driven, before, await _mark(self._shop), client, backlog, drain)


async def _mark(shop: RunningShop) -> Mark:
    """CPU is read last, so that asking costs the run behind it nothing."""
    figures, counts = await shop.figures(), await shop.counts()
    return Mark(figures, counts, shop.usage(), time.process_time())


def different(seen: RowsSeen, sql: SqlFloor) -> list[str]:
    """Files in which the floor did not write the shop's rows, a sentence each; a row more or less is rounding."""
    return [
        f"the floor wrote {sql.rows[file]:.3f} rows each in {file}, the shop {rows:.3f}"
        for file, rows in seen.for_each().items()
        if file in sql.rows and abs(sql.rows[file] - rows) * sql.orders > ROUNDING
    ]


def query(file: Path, statement: str, *values: int) -> list[tuple[Any, ...]]:
    """What a running shop has stored in one of its files."""
    with closing(apsw.Connection(str(file), flags=apsw.SQLITE_OPEN_READONLY)) as connection:
        connection.set_busy_timeout(5_000)
        return list(connection.execute(statement, values))
