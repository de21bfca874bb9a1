"""What a cluster had used and done at one moment: CPU of each process, its own figures, rows by table."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import httpx
from prometheus_client.parser import text_string_to_metric_families

from makegood.bench.cluster.counters import Counts, counted
from makegood.bench.cluster.database import ReadTables
from makegood.bench.cluster.site import Program, Site
from makegood.bench.cluster.written import RowsByTable
from makegood.bench.errors import BenchError
from makegood.bench.process import Usage
from makegood.bench.shop import ANSWER, DRAIN
from makegood.operators.shop import LOOK_EVERY

QUIET = 2
"""Looks in a row that find nothing waiting: processes count at different moments."""
PAUSE = 1.0
"""Seconds between looks: each costs every process some CPU, which is measured with the orders'."""
OUTBOX, LAG, HEARD = "makegood_service_outbox", "makegood_group_lag", "makegood_service_messages_received_total"


@dataclass(frozen=True)
class ClusterMark:
    """Everything at one moment."""

    counts: Counts
    rows: RowsByTable
    used: Mapping[str, Usage]


class RunningCluster:
    """A cluster that is looked at; implements `Measured`."""

    def __init__(self, site: Site, tables: ReadTables, http: httpx.AsyncClient) -> None:
        self._site = site
        self._tables = tables
        self._http = http
        self._first: Counts = {}

    async def mark(self) -> ClusterMark:
        """CPU is read last, so that asking costs the run behind it nothing."""
        counts, rows = await self._counts(), self._tables.rows()
        return ClusterMark(counts, rows, {one.name: one.usage() for one in self._site.programs})

    async def backlog(self) -> int:
        """Messages that wait to be sent, or to be handled by services that have handled any in this bench.

        RocketMQ counts messages whose tags a group does not want as its lag until its poll ends, some 20 s later.
        """
        counts = await self._counts()
        self._first = self._first or counts
        hear = {service for (service,) in counted(self._first, counts, HEARD)}
        waiting = (value for key, value in counts.items() if key[0] == OUTBOX or (key[0] == LAG and hear & {*key[1:]}))
        return int(sum(waiting))

    async def drained(self) -> None:
        """Returns when every message has been handled."""
        loop = asyncio.get_running_loop()
        end, quiet = loop.time() + DRAIN, 0
        # Processes count what waits now and then, so what they say is young only after that time.
        await asyncio.sleep(LOOK_EVERY + PAUSE)
        while quiet < QUIET:
            quiet = 0 if await self.backlog() else quiet + 1
            if loop.time() > end:
                raise BenchError(f"messages are not handled after {DRAIN:.0f} s: measure for fewer --seconds")
            await asyncio.sleep(PAUSE)

    async def _counts(self) -> Counts:
        counts: dict[tuple[str, ...], float] = {}
        for text in await asyncio.gather(*(self._text(one) for one in self._site.ours)):
            for family in text_string_to_metric_families(text):
                for sample in family.samples:
                    key = (sample.name, *(value for _, value in sorted(sample.labels.items())))
                    counts[key] = counts.get(key, 0.0) + sample.value
        return counts

    async def _text(self, program: Program) -> str:
        try:
            answer = await self._http.get(f"http://127.0.0.1:{program.port}/metrics", timeout=ANSWER)
            answer.raise_for_status()
        except httpx.HTTPError as error:
            raise BenchError(f"{program.name} does not say its figures ({error!r}): see its log") from error
        return answer.text
