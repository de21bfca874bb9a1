"""`makegood bench callbacks`: signed callbacks of open payments, beside an endpoint that verifies and stores them."""

import time
from collections.abc import Sequence
from pathlib import Path

from makegood.bench.errors import BenchError
from makegood.bench.floors import http_floor, one_by_one, sql_floor, verified_floor
from makegood.bench.generator import Driven
from makegood.bench.history import SETTINGS, with_orders
from makegood.bench.house import House, build, now, this_machine
from makegood.bench.measuring import Run, Runner, commits_of, cost_of, different, query
from makegood.bench.notices import account_of, open_payments, platform_key, signed_requests
from makegood.bench.plan import RowsSeen, rows_seen
from makegood.bench.progress import Steps
from makegood.bench.results import AnswersAlone, CallbacksReport, CallbacksResult
from makegood.bench.shop import Mark, RunningShop, running_shop

CONNECTIONS: tuple[int, ...] = (1, 8, 64, 256)
MAX_CONNECTIONS = 4_000
"""Most connections that the shop's server takes."""
WARM_PART = 0.1
"""Which part of the callbacks is sent before any is measured."""
HTTP_SECONDS = 1.5
"""Seconds for which the empty endpoint is driven."""
OK = 200
SUCCESS = b"success"
STORED = {
    "captured": ("payments.db", "SELECT count(*) FROM payments WHERE state = 'PAID'"),
    "notifications": ("payments.db", "SELECT count(*) FROM notifications WHERE effect = 'captured'"),
    "paid orders": ("orders.db", "SELECT count(*) FROM orders WHERE payment_status = 'PAID'"),
    "points": ("points.db", "SELECT count(*) FROM entries"),
}
"""What every callback brings about once: its file, and how it is counted."""
AT_ONCE = ("captured", "notifications")
"""Which of these are there when it is answered."""


class CallbacksBench:
    """Measures with each number of connections, each in a fresh copy of a house with open payments."""

    def __init__(self, folder: Path, house: House, requests: Sequence[bytes], seconds: float, steps: Steps) -> None:
        self._folder = folder
        self._house = house
        self._requests = requests
        self._warm = int(len(requests) * WARM_PART)
        self._seconds = seconds
        self._steps = steps
        self._key = platform_key(account_of(house.template))

    async def count(self, connections: Sequence[int]) -> dict[int, RowsSeen]:
        """What a callback writes, in one shop that is never timed. Raises BenchError."""
        folder = self._house.copy("counted")
        each = len(self._requests) // len(connections)
        async with running_shop(folder, rows=True, settings=SETTINGS) as shop:
            seen = {
                number: await self._count(shop, number, self._requests[at * each : (at + 1) * each])
                for at, number in enumerate(connections)
            }
        self._house.remove(folder)
        return seen

    async def measure(self, connections: int, seen: RowsSeen) -> CallbacksResult:
        """One number of connections. Raises BenchError when it cannot be measured."""
        folder, place = self._house.copy(f"callbacks-{connections}"), self._folder
        self._steps.begin(f"measuring: {connections} connections")
        run, stored = await self._timed(folder, connections)
        driven = run.driven
        # A machine's speed changes within minutes, so what is compared is measured side by side.
        verified = await verified_floor(place, self._key, self._requests, self._warm, connections, self._seconds)
        alone, wrong = await self._alone(connections)
        self._steps.begin(f"floors: {connections} connections")
        sql = await sql_floor(place, folder, seen, commits_of(run), driven.answers)
        self._house.remove(folder)
        seconds = min(HTTP_SECONDS, self._seconds)
        return CallbacksResult(
            connections=connections,
            callbacks=driven.answers,
            timing=run.timing(),
            answers=run.answers(),
            stored=stored,
            cost=cost_of(run, seen),
            verified=verified,
            sql=sql,
            http=await http_floor(place, self._requests[0], OK, len(SUCCESS), connections, seconds),
            alone=alone,
            failures=[*failures(driven, stored), *wrong, *different(seen, sql)],
        )

    async def _count(self, shop: RunningShop, connections: int, requests: Sequence[bytes]) -> RowsSeen:
        self._steps.begin(f"counting rows: {connections} connections")
        before = await shop.counts()
        async with Runner(shop, connections, shop.url) as runner:
            driven = await runner.warm(one_by_one(requests), self._seconds)
        return rows_seen(before, await shop.counts(), driven.answers)

    async def _alone(self, connections: int) -> tuple[AnswersAlone, list[str]]:
        """What answers take, and what was wrong, in a shop in which nothing follows."""
        folder = self._house.copy(f"alone-{connections}")
        run, stored = await self._timed(folder, connections, deaf=True)
        self._house.remove(folder)
        timing, used = run.timing(), run.after.used.since(run.before.used)
        alone = AnswersAlone(timing.per_second, timing.p99_ms, used.cpu / run.driven.answers * 1e6)
        return alone, failures(run.driven, {what: stored[what] for what in AT_ONCE})

    async def _timed(self, folder: Path, connections: int, *, deaf: bool = False) -> tuple[Run[Mark], dict[str, int]]:
        async with (
            running_shop(folder, deaf=deaf, settings=SETTINGS) as shop,
            Runner(shop, connections, shop.url) as runner,
        ):
            await runner.warm(one_by_one(self._requests[: self._warm]))
            before = _stored(folder)
            run = await runner.run(one_by_one(self._requests[self._warm :]), self._seconds)
            after = _stored(folder)
        return run, {what: count - before[what] for what, count in after.items()}


def failures(driven: Driven, stored: dict[str, int]) -> list[str]:
    """What is not as it should be, a sentence each."""
    found: list[str] = []
    for status, count in sorted(driven.statuses.items()):
        examples = driven.examples[status]
        if status != OK or any(example != SUCCESS for example in examples):
            text = examples[0][:200].decode("utf-8", "replace")
            found.append(f"{count} callbacks were answered {status} {text!r}, not {OK} 'success'")
    answered = driven.statuses[OK]
    found += [f"{answered} callbacks succeeded, {count} {what}" for what, count in stored.items() if count != answered]
    return found


async def bench_callbacks(
    folder: Path, connections: Sequence[int], callbacks: int, seconds: float, steps: Steps
) -> CallbacksReport:
    """Measures in an empty folder, each number of connections for so many seconds or callbacks. Raises BenchError."""
    machine, began = this_machine(), time.monotonic()
    steps.begin("making a shop")
    house = await build(folder)
    steps.begin(f"making {callbacks:,} open payments")
    house = await with_orders(house, "open", callbacks, steps.part, paid=False)
    steps.begin(f"signing {callbacks:,} callbacks")
    payments = open_payments(house.template, callbacks)
    requests = await signed_requests(account_of(house.template), payments, steps.part)
    bench = CallbacksBench(folder, house, requests, seconds, steps)
    seen = await bench.count(connections)
    results = [await bench.measure(number, rows) for number, rows in seen.items()]
    return CallbacksReport(machine, now(), round(time.monotonic() - began, 1), results)


def chosen_connections(text: str | None) -> list[int]:
    """The numbers that an option names. Raises BenchError."""
    try:
        numbers = [int(part) for part in text.split(",")] if text else [*CONNECTIONS]
    except ValueError as error:
        raise BenchError(f"--connections {text}: give whole numbers with commas, such as 8,64") from error
    if not all(1 <= number <= MAX_CONNECTIONS for number in numbers):
        raise BenchError(f"--connections {text}: give 1 to {MAX_CONNECTIONS:,}")
    return numbers


def _stored(folder: Path) -> dict[str, int]:
    return {what: int(query(folder / file, text)[0][0]) for what, (file, text) in STORED.items()}
