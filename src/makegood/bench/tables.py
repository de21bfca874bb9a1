"""What a bench found, as tables for people."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from makegood.bench.documents import ANSWERS, CALLBACK_CPU, TIMING, answer_cells, callback_cells, order_cells
from makegood.bench.markdown import FUNCTIONS
from makegood.bench.results import CallbacksReport, Cost, OrdersReport, OrdersResult, SqlFloor


def show_orders(report: OrdersReport, console: Console) -> None:
    """Prints every table, then what was wrong."""
    console.print(_costs(report.results))
    console.print(_batches(report.results))
    console.print(_rows([(str(one.case), one.cost, one.sql) for one in report.results], "an order"))
    for result in report.results:
        for failure in result.failures:
            console.print(f"FAILED {result.case}: {failure}", markup=False, soft_wrap=True)


def show_callbacks(report: CallbacksReport, console: Console) -> None:
    """Prints every table, then what was wrong."""
    answers, cpu = _table("answers", ANSWERS, []), _table("CPU µs a callback", CALLBACK_CPU, ["batch", "client"])
    for one in report.results:
        answers.add_row(*answer_cells(one))
        batch = one.cost.batches.get("payments.record", 0.0)
        cpu.add_row(*callback_cells(one), f"{batch:.1f}", f"{one.cost.client_cpu_us:.0f}")
    console.print(answers)
    console.print(cpu)
    console.print(_rows([(f"{one.connections:,}", one.cost, one.sql) for one in report.results], "a callback"))
    for one in report.results:
        for failure in one.failures:
            console.print(f"FAILED {one.connections} connections: {failure}", markup=False, soft_wrap=True)


def _costs(results: Sequence[OrdersResult]) -> Table:
    table = _table(
        "CPU µs an order",
        ["case", "history", "orders/s", *TIMING, "shop", "SQL floor", "empty HTTP", "rest", "shop/floors"],
        ["client", "SQL orders/s", "HTTP req/s", "answers"],
    )
    for one in results:
        table.add_row(
            str(one.case),
            f"{one.history:,}",
            *order_cells(one),
            f"{one.cost.client_cpu_us:.0f}",
            f"{one.sql.per_second:,.0f}",
            f"{one.http.per_second:,.0f}",
            ", ".join(f"{status}: {count:,}" for status, count in one.answers.items()),
        )
    return table


def _batches(results: Sequence[OrdersResult]) -> Table:
    table = _table("average batch", ["case", *FUNCTIONS.values(), "bytes written an order", "resident MiB"], [])
    for one in results:
        batches = [one.cost.batches.get(name, 0.0) for name in FUNCTIONS]
        sizes = [f"{batch:.1f}" if batch else "-" for batch in batches]
        table.add_row(str(one.case), *sizes, f"{one.cost.written_bytes:,.0f}", f"{one.cost.resident_bytes / 2**20:.0f}")
    return table


def _rows(results: Sequence[tuple[str, Cost, SqlFloor]], each: str) -> Table:
    columns = ["case", "file", "rows: shop", "floor", "commits: shop", "floor"]
    table = _table(f"rows and commits {each}", columns, [])
    for name, cost, sql in results:
        for file in sorted(sql.rows):
            table.add_row(
                name,
                file,
                f"{cost.rows.get(file, 0.0):.3f}",
                f"{sql.rows[file]:.3f}",
                f"{cost.commits.get(file, 0.0):.4f}",
                f"{sql.commits[file]:.4f}",
            )
    return table


def _table(title: str, columns: Sequence[str], more: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left")
    for name in [*columns, *more]:
        table.add_column(name, justify="left" if name in ("case", "file", "answers") else "right")
    return table
