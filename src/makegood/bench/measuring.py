"""One timed run against a shop, and everything that the shop and the load generator used for it."""

import asyncio
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, Self, TypeVar

import apsw

from makegood.bench.errors import BenchError
from makegood.bench.generator import Driven, Generator, NextRequest, merged
from makegood.bench.plan import RowsSeen
from makegood.bench.results import Cost, SqlFloor, Timing
from makegood.bench.shop import Mark

M_co = TypeVar("M_co", covariant=True)
"""All that something had used at one moment."""
WARM = 0.5
"""Seconds of requests before a run is measured."""
ROUNDING = 8
"""Rows by which a file's floor may differ from the shop: half a row for each table and what is done to it."""


class Measured(Protocol[M_co]):
    """What a run is driven against. Every method raises BenchError when it has ended."""

    async def mark(self) -> M_co:
        """Everything it has used so far. CPU is read last, so that asking costs the run behind it nothing."""
        ...

    async def backlog(self) -> int:
        """How many messages wait to be sent or handled."""
        ...

    async def drained(self) -> None:
        """Returns when none does."""
        ...


@dataclass(frozen=True)
class Run(Generic[M_co]):
    """What one timed run gave, and what was used from its first request until every message was handled."""

    driven: Driven
    before: M_co
    after: M_co
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


def commits_of(run: Run[Mark]) -> dict[str, float]:
    """Commits for each answer, by file."""
    before, after = run.before.counts.commits, run.after.counts.commits
    return {file: (count - before.get(file, 0)) / run.driven.answers for file, count in sorted(after.items())}


def cost_of(run: Run[Mark], seen: RowsSeen) -> Cost:
    """What an answer took."""
    before, after, answers = run.before, run.after, run.driven.answers
    used = after.used.since(before.used)
    ran = after.figures.ran_since(before.figures)
    return Cost(
        cpu_us=used.cpu / answers * 1e6,
        client_cpu_us=run.client_cpu / answers * 1e6,
        written_bytes=used.written / answers,
        resident_bytes=used.resident,
        batches={name: after.figures.batch(name, before.figures) for name in ran},
        rows=seen.for_each(),
        commits=commits_of(run),
    )


class Runner(Generic[M_co]):
    """Connections to a shop, in equal parts to each of its addresses, over which one run after another is driven."""

    def __init__(self, shop: Measured[M_co], connections: int, *urls: str) -> None:
        self._shop = shop
        self._generators = [Generator(url) for url in urls[:connections]]
        many, more = divmod(connections, len(self._generators))
        self._shares = [many + (at < more) for at in range(len(self._generators))]

    async def __aenter__(self) -> Self:
        for generator, share in zip(self._generators, self._shares, strict=True):
            await generator.open(share)
        return self

    async def __aexit__(self, *_: object) -> None:
        for generator in self._generators:
            generator.close()

    async def warm(self, requests: NextRequest, seconds: float = WARM) -> Driven:
        """Drives requests that are not measured, and waits until the shop has nothing left to do."""
        driven = await self._drive(requests, seconds)
        await self._shop.drained()
        return driven

    async def run(self, requests: NextRequest, seconds: float) -> Run[M_co]:
        """Drives and measures. Raises BenchError when nothing was answered."""
        before = await self._shop.mark()
        client = time.process_time()
        driven = await self._drive(requests, seconds)
        client, ended = time.process_time() - client, time.monotonic()
        backlog = await self._shop.backlog()
        await self._shop.drained()
        drain = time.monotonic() - ended
        if not driven.answers:
            raise BenchError(f"nothing was answered in {seconds} s: give more --seconds")
        return Run(driven, before, await self._shop.mark(), client, backlog, drain)

    async def _drive(self, requests: NextRequest, seconds: float) -> Driven:
        return merged(await asyncio.gather(*(one.drive(requests, seconds) for one in self._generators)))


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
