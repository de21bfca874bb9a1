"""Draws what an order and a callback cost against how many come at once, with the floors as lines below."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from makegood.bench.cluster.results import ClusterReport
from makegood.bench.documents import Report, name_of
from makegood.bench.results import CallbacksReport, OrdersReport, OrdersResult

SIZE = (7.0, 4.2)
"""Inches."""
PLAIN = ("spread", 1, False)
"""The kind of order whose cost is drawn over all numbers of buyers."""


class Line(NamedTuple):
    """One line: CPU microseconds for each number of buyers or connections."""

    label: str
    values: Sequence[float]
    style: str


def draw(report: Report, folder: Path) -> Path | None:
    """Writes an SVG; None when the report has fewer than two points to draw, or is of a cluster."""
    if isinstance(report, ClusterReport):
        return None
    if isinstance(report, CallbacksReport):
        found = [float(one.connections) for one in report.results]
        title, lines = "CPU µs a callback, by connections", _callback_lines(report)
    else:
        plain = OrdersReport(report.machine, report.at, report.seconds, _plain(report))
        found = [float(one.case.buyers) for one in plain.results]
        title, lines = "CPU µs an order, by buyers", _order_lines(plain)
    if len(found) < 2:
        return None
    path = folder / f"bench-{name_of(report)}.svg"
    _write(path, title, found, lines)
    return path


def _plain(report: OrdersReport) -> list[OrdersResult]:
    return [
        one for one in report.results if not one.history and (one.case.goods, one.case.lines, one.case.extras) == PLAIN
    ]


def _order_lines(report: OrdersReport) -> list[Line]:
    results = report.results
    return [
        Line("the shop", [one.cost.cpu_us for one in results], "o-"),
        Line("both floors", [one.sql.cpu_us + one.http.cpu_us for one in results], "s--"),
        Line("floor: the same rows by SQL", [one.sql.cpu_us for one in results], "^:"),
        Line("floor: empty endpoint", [one.http.cpu_us for one in results], "v:"),
    ]


def _callback_lines(report: CallbacksReport) -> list[Line]:
    results = report.results
    return [
        Line("the shop, with all that follows", [one.cost.cpu_us for one in results], "o-"),
        Line("answers alone", [one.alone.cpu_us for one in results], "d-"),
        Line("floor: verify, store one row", [one.verified.cpu_us for one in results], "s--"),
        Line("floor: the same rows by SQL", [one.sql.cpu_us for one in results], "^:"),
        Line("floor: empty endpoint", [one.http.cpu_us for one in results], "v:"),
    ]


def _write(path: Path, title: str, found: Sequence[float], lines: Sequence[Line]) -> None:
    mpl.rcParams["svg.hashsalt"] = "makegood"  # the same figures give the same file
    figure = Figure(figsize=SIZE, layout="constrained")
    FigureCanvasSVG(figure)
    axes = figure.add_subplot()
    for line in lines:
        axes.plot(found, line.values, line.style, label=line.label)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xticks(found, [f"{number:,.0f}" for number in found])
    axes.set_title(title)
    axes.grid(visible=True, which="both", alpha=0.3)
    axes.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})
