"""`makegood bench orders`: each case in a fresh copy of one shop, its floors behind it in the same run."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from makegood.bench.cases import Case, OrderRequests
from makegood.bench.floors import http_floor, sql_floor
from makegood.bench.generator import Driven
from makegood.bench.history import with_orders
from makegood.bench.house import House, add_coupons, build, now, this_machine
from makegood.bench.measuring import WARM, Run, Runner, commits_of, cost_of, different, query
from makegood.bench.plan import RowsSeen, rows_seen
from makegood.bench.progress import Steps
from makegood.bench.results import OrdersReport, OrdersResult
from makegood.bench.shop import Mark, RunningShop, running_shop

COUNTED_SECONDS = 0.7
"""Seconds of orders while rows are counted."""
COUNTED_ORDERS = 3_000
"""Most orders while rows are counted."""
FASTEST = 12_000
"""Orders a second for which coupons are prepared."""
FLOOR_SECONDS = 2.0
"""The floor writes as many orders as the shop does in so many seconds."""
HTTP_SECONDS = 1.5
"""Seconds for which the empty endpoint is driven."""
ENDLESS = 1 << 40
"""More orders than any run places."""
DECISIONS = {"confirmed": 201, "out_of_stock": 409}
"""Which answer belongs to an order as it is stored; an undecided one (202) is stored as ''."""
STORED = "SELECT decision, count(*) FROM orders WHERE order_id > ? GROUP BY decision"


class _Measured(NamedTuple):
    run: Run[Mark]
    stored: dict[str, int]
    ran_out: bool


class OrdersBench:
    """Runs cases one after another, each in a fresh copy of a house."""

    def __init__(self, folder: Path, seconds: float, steps: Steps) -> None:
        self._folder = folder
        self._seconds = seconds
        self._steps = steps

    async def count(self, house: House, cases: Sequence[Case]) -> dict[Case, RowsSeen]:
        """What each case writes, in one shop that is never timed. Raises BenchError."""
        shop_folder = house.copy("counted")
        for case in cases:
            if case.extras:
                add_coupons(shop_folder, case, COUNTED_ORDERS)
        async with running_shop(shop_folder, rows=True) as shop:
            seen = {case: await self._count(house, shop, case) for case in cases}
        house.remove(shop_folder)
        return seen

    async def run(self, house: House, seen: Mapping[Case, RowsSeen], history: int) -> list[OrdersResult]:
        """Every case that was counted. Raises BenchError when one cannot be measured."""
        return [await self._measure(house, case, rows, history) for case, rows in seen.items()]

    async def _count(self, house: House, shop: RunningShop, case: Case) -> RowsSeen:
        self._steps.begin(f"counting rows: {case}")
        requests = OrderRequests(case, house.tokens, case.name, limit=COUNTED_ORDERS)
        before = await shop.counts()
        async with Runner(shop, case.buyers, shop.url) as runner:
            driven = await runner.warm(requests.next, COUNTED_SECONDS)
        return rows_seen(before, await shop.counts(), driven.answers)

    async def _measure(self, house: House, case: Case, seen: RowsSeen, history: int) -> OrdersResult:
        shop_folder = house.copy(case.name)
        self._steps.begin(f"measuring: {case}{f', {history:,} orders before' if history else ''}")
        run, stored, ran_out = await self._timed(house, shop_folder, case)
        self._steps.begin(f"floors: {case}")
        driven = run.driven
        orders = max(case.buyers, int(driven.per_second * FLOOR_SECONDS))
        sql = await sql_floor(self._folder, shop_folder, seen, commits_of(run), orders)
        house.remove(shop_folder)
        request = OrderRequests(case, house.tokens, case.name, limit=1).example()
        size, seconds = driven.answer_bytes // driven.answers, min(HTTP_SECONDS, self._seconds)
        http = await http_floor(self._folder, request, case.status, size, case.buyers, seconds)
        return OrdersResult(
            case=case,
            history=history,
            orders=driven.answers,
            timing=run.timing(),
            answers=run.answers(),
            stored=stored,
            cost=cost_of(run, seen),
            sql=sql,
            http=http,
            failures=[*failures(case, driven, stored, ran_out=ran_out), *different(seen, sql)],
        )

    async def _timed(self, house: House, folder: Path, case: Case) -> _Measured:
        limit = int((WARM + self._seconds) * FASTEST) if case.extras else ENDLESS
        if case.extras:
            add_coupons(folder, case, limit)
        requests = OrderRequests(case, house.tokens, case.name, limit=limit)
        file = folder / "orders.db"
        async with running_shop(folder) as shop, Runner(shop, case.buyers, shop.url) as runner:
            await runner.warm(requests.next)
            [(last,)] = query(file, "SELECT coalesce(max(order_id), 0) FROM orders")
            run = await runner.run(requests.next, self._seconds)
            stored = {str(decision): int(count) for decision, count in query(file, STORED, int(last))}
        return _Measured(run, stored, requests.placed >= limit)


def failures(case: Case, driven: Driven, stored: Mapping[str, int], *, ran_out: bool) -> list[str]:
    """What is not as the case says, a sentence each."""
    found: list[str] = []
    for status, count in sorted(driven.statuses.items()):
        if status != case.status:
            example = driven.examples[status][0][:200].decode("utf-8", "replace")
            found.append(f"{count} answers were {status}, not {case.status}: {example}")
    for decision, status in DECISIONS.items():
        if stored.get(decision, 0) != driven.statuses[status]:
            found.append(
                f"{driven.statuses[status]} orders were answered {status}, {stored.get(decision, 0)} stored so"
            )
    if ran_out:
        found.append("the coupons ran out before the time: measure for fewer --seconds")
    return found


async def bench_orders(
    folder: Path, cases: Sequence[Case], seconds: float, steps: Steps, *, history: int = 0
) -> OrdersReport:
    """Measures these cases in an empty folder, each for so many seconds; with `history` paid orders once more.

    Raises BenchError.
    """
    machine, began = this_machine(), time.monotonic()
    steps.begin("making a shop")
    house = await build(folder)
    bench = OrdersBench(folder, seconds, steps)
    seen = await bench.count(house, cases)
    results = await bench.run(house, seen, 0)
    if history:
        steps.begin(f"making {history:,} paid orders")
        old = await with_orders(house, "history", history, steps.part, paid=True)
        results += await bench.run(old, seen, history)
    return OrdersReport(machine, now(), round(time.monotonic() - began, 1), results)
