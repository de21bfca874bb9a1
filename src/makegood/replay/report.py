"""What a replay tells its user at its end: tables, or JSON."""

import sys
from collections.abc import Mapping

import msgspec
from rich.console import Console
from rich.table import Table

from makegood.replay.compare import Difference
from makegood.replay.expected import Dropped, Expected, Figures
from makegood.replay.placing import Outcome
from makegood.replay.proof import Proof
from makegood.replay.watching import Sample, Usage, Watch

SHOWN = 50
_MIB = 1024 * 1024


class Seconds(msgspec.Struct):
    """Where the time went, in seconds."""

    read: float = 0.0
    """Reading the data set, and computing what must come out."""
    load: float = 0.0
    """Telling the shop its goods, users and coupons."""
    find: float = 0.0
    """Looking for what an earlier run bought."""
    buy: float = 0.0
    """Placing and paying."""
    drain: float = 0.0
    """Waiting for messages and notifications that were still under way."""
    prove: float = 0.0
    """Comparing all that the shop holds."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The whole result; amounts in fen, memory in bytes."""

    ok: bool
    expected: Figures
    actual: Figures
    dropped: Dropped
    outcome: Outcome
    retries: int
    differences: int
    listed: list[Difference]
    seconds: Seconds
    total_seconds: float
    orders_per_second: float
    processes: dict[str, Usage]
    memory: list[Sample]

    @classmethod
    def of(
        cls, expected: Expected, proof: Proof, outcome: Outcome, *, retries: int, seconds: Seconds, watch: Watch
    ) -> "Report":
        """A replay is right when every basket was bought and nothing differs."""
        return cls(
            ok=not proof.differences.count and not outcome.refused,
            expected=expected.figures,
            actual=proof.actual,
            dropped=expected.dropped,
            outcome=outcome,
            retries=retries,
            differences=proof.differences.count,
            listed=proof.differences.listed,
            seconds=seconds,
            total_seconds=round(sum(msgspec.structs.astuple(seconds)), 3),
            orders_per_second=round(outcome.bought / seconds.buy, 1) if seconds.buy else 0.0,
            processes=watch.usage(),
            memory=watch.samples,
        )


def show(report: Report, json_output: bool) -> None:
    """Writes the result to standard output: JSON, or tables and the first 50 differences."""
    if json_output:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(report)).decode() + "\n")
        return
    console = Console(highlight=False)
    for table in (_figures(report), _times(report), _processes(report.processes)):
        console.print(table)
    for line in [_dropped(report.dropped), *_verdict(report)]:
        console.print(line, markup=False, soft_wrap=True)


def _table(*columns: str) -> Table:
    table = Table(*columns)
    for column in table.columns[1:]:
        column.justify = "right"
    return table


def _figures(report: Report) -> Table:
    table = _table("figure", "data set", "shop", "")
    have = msgspec.structs.asdict(report.actual)
    for name, wanted in msgspec.structs.asdict(report.expected).items():
        verdict = "" if wanted == have[name] else "differs"
        table.add_row(name.replace("_", " "), f"{wanted:,}", f"{have[name]:,}", verdict)
    return table


def _times(report: Report) -> Table:
    table = _table("step", "seconds", "orders a second")
    for name, seconds in msgspec.structs.asdict(report.seconds).items():
        table.add_row(name, f"{seconds:,.1f}", f"{report.orders_per_second:,.1f}" if name == "buy" else "")
    table.add_section()
    table.add_row("all", f"{report.total_seconds:,.1f}", "")
    return table


def _processes(processes: Mapping[str, Usage]) -> Table:
    table = _table("process", "CPU seconds", "MiB at first", "at most", "at last")
    for name, usage in processes.items():
        cpu = "not told" if usage.cpu_seconds is None else f"{usage.cpu_seconds:,.1f}"
        memory = (usage.resident_first, usage.resident_most, usage.resident_last)
        table.add_row(name, cpu, *["" if one is None else f"{one // _MIB:,}" for one in memory])
    return table


def _dropped(dropped: Dropped) -> str:
    return (
        f"Not ordered: {dropped.lines:,} lines ({dropped.no_quantity:,} without a quantity, "
        f"{dropped.no_amount:,} that cost nothing), with them {dropped.baskets:,} baskets, "
        f"and {dropped.coupons:,} fen of coupons."
    )


def _verdict(report: Report) -> list[str]:
    outcome = report.outcome
    did = f"{outcome.bought:,} orders bought, {outcome.sold_before:,} found sold."
    if report.retries:
        did += f" Requests asked again: {report.retries:,}."
    if outcome.placed_again:
        did += f" Placed again under fresh keys: {outcome.placed_again:,}."
    if report.ok:
        return [did, f"The shop holds what the data set says. {report.total_seconds:.0f} s."]
    return [
        did,
        f"{outcome.refused:,} baskets were refused, {report.differences:,} facts differ.",
        *[f"basket {refused.basket}: {refused.refusal}" for refused in outcome.refusals[:SHOWN]],
        *[str(difference) for difference in report.listed[:SHOWN]],
    ]
