"""Shows a person what was simulated."""

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table

from makegood.simulation.command import Simulated
from makegood.simulation.explaining import Explained
from makegood.simulation.report import Report

SHOWN = 20
"""Failing worlds that are named."""


def show(simulated: Simulated, console: Console) -> None:
    """Tables of the worlds, of their faults and promises; then every explained failure, and the verdict."""
    report = simulated.report
    for table in (_worlds(report), _faults(report), _promises(report)):
        console.print(table)
    for explained in simulated.explained:
        _explain(explained, console)
    for line in [*simulated.story, *_verdict(simulated)]:
        console.print(line, markup=False, soft_wrap=True)


def _worlds(report: Report) -> Table:
    table = _table("worlds", f"{report.worlds:,}")
    for name, value in (
        *((f"of them {name}", f"{count:,}") for name, count in report.topologies.items()),
        ("orders", f"{report.orders:,}"),
        ("confirmed", f"{report.confirmed:,}"),
        ("answers to orders", f"{report.answers:,}"),
        ("virtual hours", f"{report.virtual_hours:,.1f}"),
        ("steps", f"{report.steps:,}"),
        ("CPU seconds", f"{report.cpu_seconds:,.1f}"),
        ("orders a CPU second", f"{report.orders_per_cpu_second:,.0f}"),
    ):
        table.add_row(name, value)
    return table


def _faults(report: Report) -> Table:
    table = _table("fault", "", "injected", "in worlds")
    table.columns[1].justify = "left"
    for one in report.faults:
        table.add_row(one.name, one.happens, f"{one.injected:,}", f"{one.worlds:,}")
    table.add_section()
    table.add_row("all", "", f"{sum(one.injected for one in report.faults):,}", "")
    return table


def _promises(report: Report) -> Table:
    table = _table("promise", "looked at", "broken in worlds")
    for one in report.promises:
        style = "red" if one.broken_in else ""
        table.add_row(one.promise, f"{one.examined:,}", f"{one.broken_in:,}", style=style)
    return table


def _table(*columns: str) -> Table:
    table = Table(*columns)
    for column in table.columns[1:]:
        column.justify = "right"
    return table


def _explain(one: Explained, console: Console) -> None:
    smallest = "the smallest world" if one.least else "the smallest world found in the time for it"
    lines = [
        "",
        f"Seed {one.seed} breaks {one.promise}: {one.subject}: {one.detail}",
        f"Of {one.injected:,} faults and {one.orders:,} orders, {smallest} that breaks it has {len(one.faults):,} and "
        f"{one.orders_left:,} ({one.runs:,} runs):",
        *(f"{fault.at:9.3f}  {fault.name}  {fault.happens}: {fault.where}" for fault in one.faults),
        "",
        *one.story,
        "",
        f"Replay it: {one.command}",
    ]
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)


def _verdict(simulated: Simulated) -> Iterator[str]:
    report = simulated.report
    for lost in report.losses[:SHOWN]:
        yield f"seed {lost.seed} did not come to its end: {lost.why}"
    for failed in report.failures[:SHOWN]:
        first = failed.broken[0]
        yield f"seed {failed.seed} breaks {failed.count:,}, first {first.promise}: {first.subject}: {first.detail}"
    yield f"Digest of the traces: {report.digest}" if simulated.digest is None else f"Digest: {simulated.digest}"
    if simulated.stopped and report.ok:
        yield "Stopped on the way, as asked for: whether every promise holds shows at a world's end."
    elif report.ok:
        yield f"Every promise held, in worlds: {report.worlds:,}."
    else:
        yield f"Worlds that broke a promise: {report.failed:,}; that did not come to their end: {report.lost:,}."
