"""What a bench of the cluster found, as tables: on the terminal for people, in Markdown for a document."""

from collections.abc import Sequence
from typing import NamedTuple

from rich.console import Console
from rich.table import Table as RichTable

from makegood.bench.cluster.results import ClusterReport, ClusterResult
from makegood.bench.markdown import FUNCTIONS, table, where

ABREAST = 3
"""Cases beside one another on the terminal."""


class Grid(NamedTuple):
    """A table: its title, the heads of its columns, its rows."""

    title: str
    head: list[str]
    rows: list[list[str]]


def grids(results: Sequence[ClusterResult]) -> list[Grid]:
    """Every table of a report."""
    return [_costs(results), _processes(results), _batches(results), _hops(results), _work(results)]


def show_cluster(report: ClusterReport, console: Console) -> None:
    """Prints every table, for a few cases at a time, then what was wrong."""
    some = [report.results[at : at + ABREAST] for at in range(0, len(report.results), ABREAST)]
    for grid in [grid for results in some for grid in grids(results)]:
        drawn = RichTable(title=grid.title, title_justify="left")
        for at, name in enumerate(grid.head):
            drawn.add_column(name, justify="right" if at else "left")
        for row in grid.rows:
            drawn.add_row(*row)
        console.print(drawn)
    for one in report.results:
        for failure in [*one.failures, *(f"embedded: {each}" for each in one.embedded.failures)]:
            console.print(f"FAILED {one.case}: {failure}", markup=False, soft_wrap=True)


def markdown_cluster(report: ClusterReport) -> str:
    """The report's tables."""
    tables = [f"{grid.title}:\n\n{table(grid.head, grid.rows)}" for grid in grids(report.results)]
    return "\n".join([where(report.machine, report.at, report.seconds), *tables, ""])


def _costs(results: Sequence[ClusterResult]) -> Grid:
    """A column for each case: there are more figures than cases."""
    figures = [_figures(one) for one in results]
    rows = [[name, *(each[name] for each in figures)] for name in figures[0]] if figures else []
    return Grid("Orders, and CPU µs for each", ["", *(str(one.case) for one in results)], rows)


def _figures(one: ClusterResult) -> dict[str, str]:
    timing = one.timing
    return {
        "orders a second": f"{timing.per_second:,.0f}",
        "p50 ms": f"{timing.p50_ms:.1f}",
        "p99 ms": f"{timing.p99_ms:.1f}",
        "drain s": f"{timing.drain_seconds:.1f}",
        "the shop's processes": f"{one.python_us:.0f}",
        "the embedded shop": f"{one.embedded.cost.cpu_us:.0f}",
        "cluster / embedded": f"{one.ratio:.2f}",
        **{server: f"{cpu:.0f}" for server, cpu in one.servers_us.items()},
        "floor of the rows: client": f"{one.sql.client_us:.0f}",
        "floor of the rows: MariaDB": f"{one.sql.server_us:.0f}",
        "floor of HTTP": f"{one.http.cpu_us:.0f}",
        "load generator": f"{one.client_us:.0f}",
    }


def _processes(results: Sequence[ClusterResult]) -> Grid:
    names = sorted({name for one in results for name in one.cpu})
    rows = [[name, *(f"{one.cpu.get(name, 0.0):.0f}" for one in results)] for name in names]
    return Grid("CPU µs an order by process", ["process", *(str(one.case) for one in results)], rows)


def _batches(results: Sequence[ClusterResult]) -> Grid:
    rows = [
        [short, *(f"{size:.1f}" if (size := one.batches.get(name)) else "–" for one in results)]
        for name, short in FUNCTIONS.items()
    ]
    return Grid("Average batch", ["function", *(str(one.case) for one in results)], rows)


def _hops(results: Sequence[ClusterResult]) -> Grid:
    names = list(dict.fromkeys(hop.name for one in results for hop in one.hops))
    found = [{hop.name: f"{hop.together:.1f} ({hop.for_each:.2f})" for hop in one.hops} for one in results]
    rows = [[name, *(each.get(name, "–") for each in found)] for name in names]
    return Grid("How many go together (and for each order)", ["way", *(str(one.case) for one in results)], rows)


def _work(results: Sequence[ClusterResult]) -> Grid:
    rows = [
        [
            str(one.case),
            service,
            f"{rows:.3f}",
            f"{one.sql.rows.get(service, 0.0):.3f}",
            f"{one.commits.get(service, 0.0):.4f}",
            f"{one.sql.commits.get(service, 0.0):.4f}",
        ]
        for one in results
        for service, rows in one.rows.items()
    ]
    head = ["case", "service", "rows", "floor", "commits", "floor"]
    return Grid("Rows written and commits for each order", head, rows)
