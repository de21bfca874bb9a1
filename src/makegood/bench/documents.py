"""Writes what was measured into a document: each report's tables between the marks that name it.

<!-- bench orders -->
… replaced …
<!-- end -->
"""

import re
from collections.abc import Sequence
from pathlib import Path

import msgspec

from makegood.bench.cluster.results import ClusterReport
from makegood.bench.cluster.tables import markdown_cluster
from makegood.bench.errors import BenchError
from makegood.bench.markdown import FUNCTIONS, table, where
from makegood.bench.results import (
    FORMAT,
    CallbacksReport,
    CallbacksResult,
    Cost,
    OrdersReport,
    OrdersResult,
    SqlFloor,
    Timing,
)

TIMING = ["p50 ms", "p99 ms", "backlog", "drain s"]
"""The columns behind the number of answers a second."""
ANSWERS = (
    *("connections", "callbacks/s", *TIMING),
    *("alone/s", "alone p99 ms", "verify + row/s", "its p99 ms"),
    *("verify / shop", "verify / alone"),
)
CALLBACK_CPU = (
    *("connections", "shop µs", "alone µs", "verify + row µs", "SQL µs", "empty HTTP µs"),
    *("shop / verify", "alone / verify"),
)
"""The columns of both tables of callbacks."""
Report = OrdersReport | CallbacksReport | ClusterReport
KINDS: dict[str, type[Report]] = {"orders": OrdersReport, "callbacks": CallbacksReport, "cluster": ClusterReport}


class _Kind(msgspec.Struct):
    bench: str
    format: int


def read_report(file: Path) -> Report:
    """A report that a bench wrote. Raises BenchError when it is none, or of another version."""
    try:
        content = file.read_bytes()
        kind = msgspec.json.decode(content, type=_Kind)
        if kind.bench not in KINDS or kind.format != FORMAT:
            raise BenchError(f"{file} is of another version of makegood: measure again with --output {file}")
        return msgspec.json.decode(content, type=KINDS[kind.bench])
    except (OSError, msgspec.MsgspecError) as error:
        raise BenchError(f"{file} is no bench report ({error}): write one with `makegood bench … --output`") from error


def name_of(report: Report) -> str:
    """`orders`, `history` (orders with a past beside those without), `callbacks` or `cluster`."""
    if not isinstance(report, OrdersReport):
        return report.bench
    return "history" if any(result.history for result in report.results) else "orders"


def write_into(document: Path, reports: Sequence[Report]) -> None:
    """Replaces the reports' tables. Raises BenchError when the document has no place for one."""
    text = document.read_text()
    for report in reports:
        name = name_of(report)
        place = re.compile(rf"(<!-- bench {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        if not place.search(text):
            raise BenchError(f"{document} has no place for it: add the lines <!-- bench {name} --> and <!-- end -->")
        fresh = markdown(report)
        text = place.sub(lambda found, fresh=fresh: f"{found[1]}{fresh}{found[2]}", text)
    document.write_text(text)


def markdown(report: Report) -> str:
    """The report's tables."""
    if isinstance(report, ClusterReport):
        return markdown_cluster(report)
    if isinstance(report, CallbacksReport):
        tables = [
            table(ANSWERS, list(map(answer_cells, report.results))),
            table(CALLBACK_CPU, list(map(callback_cells, report.results))),
            _work([(f"{one.connections:,}", one.cost, one.sql) for one in report.results]),
        ]
    else:
        tables = [_orders(report.results), _batches(report.results), _work([_named(one) for one in report.results])]
    return "\n".join([where(report.machine, report.at, report.seconds), *tables, ""])


def order_cells(one: OrdersResult) -> list[str]:
    """A case's figures, from orders a second to the shop's multiple of both floors."""
    cpu = [one.cost.cpu_us, one.sql.cpu_us, one.http.cpu_us, one.rest_us]
    return [*_timing(one.timing), *(f"{each:.0f}" for each in cpu), f"{one.ratio:.2f}"]


def answer_cells(one: CallbacksResult) -> list[str]:
    """How fast callbacks were answered: by the shop, by one whose listeners hear nothing, by the verifying endpoint."""
    others = [f"{each:,.1f}" for each in (one.alone.p99_ms, one.verified.p99_ms)]
    alone, verified = f"{one.alone.per_second:,.0f}", f"{one.verified.per_second:,.0f}"
    ratios = [f"{one.speed_ratio:.2f}", f"{one.alone_speed_ratio:.2f}"]
    return [f"{one.connections:,}", *_timing(one.timing), alone, others[0], verified, others[1], *ratios]


def callback_cells(one: CallbacksResult) -> list[str]:
    """What a callback took of each of them, beside the floors."""
    cpu = [one.cost.cpu_us, one.alone.cpu_us, one.verified.cpu_us, one.sql.cpu_us, one.http.cpu_us]
    ratios = [f"{one.cpu_ratio:.2f}", f"{one.alone_cpu_ratio:.2f}"]
    return [f"{one.connections:,}", *(f"{each:.0f}" for each in cpu), *ratios]


def _timing(timing: Timing) -> list[str]:
    latencies = [f"{timing.p50_ms:.1f}", f"{timing.p99_ms:.1f}"]
    return [f"{timing.per_second:,.0f}", *latencies, f"{timing.backlog:,}", f"{timing.drain_seconds:.1f}"]


def _orders(results: Sequence[OrdersResult]) -> str:
    head = ["case", "orders/s", *TIMING, "shop µs", "SQL µs", "empty HTTP µs", "rest µs", "shop / floors"]
    return table(head, [[_name(one), *order_cells(one)] for one in results])


def _batches(results: Sequence[OrdersResult]) -> str:
    rows: list[list[str]] = []
    for one in results:
        sizes = [one.cost.batches.get(name, 0.0) for name in FUNCTIONS]
        batches = [f"{size:.1f}" if size else "–" for size in sizes]
        rows.append([_name(one), *batches, f"{one.cost.written_bytes:,.0f}", f"{one.cost.client_cpu_us:.0f}"])
    return table(["average batch", *FUNCTIONS.values(), "bytes written an order", "client µs"], rows)


def _work(results: Sequence[tuple[str, Cost, SqlFloor]]) -> str:
    return table(
        ["the same work", "rows: shop", "rows: floor", "commits: shop", "commits: floor"],
        [
            [
                name,
                f"{sum(cost.rows.values()):.2f}",
                f"{sum(sql.rows.values()):.2f}",
                f"{sum(cost.commits.get(file, 0.0) for file in sql.commits):.3f}",
                f"{sum(sql.commits.values()):.3f}",
            ]
            for name, cost, sql in results
        ],
    )


def _named(result: OrdersResult) -> tuple[str, Cost, SqlFloor]:
    return _name(result), result.cost, result.sql


def _name(result: OrdersResult) -> str:
    return f"{result.case}; {result.history:,} orders before" if result.history else str(result.case)
