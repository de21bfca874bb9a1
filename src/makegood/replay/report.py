"""What a replay tells its user: progress while it runs, then a table or JSON."""

import sys
from types import TracebackType

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from makegood.replay.compare import Difference, Differences
from makegood.replay.expected import Dropped, Expected, Figures
from makegood.replay.placing import Outcome

SHOWN = 50


class Summary(msgspec.Struct, frozen=True):
    """The whole result; amounts in fen, `seconds` of placing and paying."""

    ok: bool
    expected: Figures
    actual: Figures
    dropped: Dropped
    outcome: Outcome
    differences: int
    listed: list[Difference]
    retries: int
    seconds: float


def summary(
    expected: Expected,
    actual: Figures,
    differences: Differences,
    *,
    outcome: Outcome,
    retries: int,
    seconds: float,
) -> Summary:
    """A replay is right when every basket was bought and nothing differs."""
    return Summary(
        ok=not differences.count and not outcome.refused,
        expected=expected.figures,
        actual=actual,
        dropped=expected.dropped,
        outcome=outcome,
        differences=differences.count,
        listed=differences.listed,
        retries=retries,
        seconds=round(seconds, 3),
    )


class Steps:
    """A progress bar on standard error, for one step after another."""

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self._current: TaskID | None = None

    def __enter__(self) -> "Steps":
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def begin(self, what: str, total: int | None) -> None:
        """Begins a step of `total` parts, None when nobody knows yet."""
        self._current = self._progress.add_task(what, total=total)

    def advance(self, parts: int = 1) -> None:
        """Some more parts of the step are done."""
        if self._current is not None:
            self._progress.advance(self._current, parts)

    def reach(self, parts: int) -> None:
        """So many parts of the step are done."""
        if self._current is not None:
            self._progress.update(self._current, completed=parts)

    def say(self, what: str) -> None:
        """One line above the bars."""
        self._progress.console.print(what)


def show(result: Summary, json_output: bool) -> None:
    """Writes the result to standard output: JSON, or a table and the first 50 differences."""
    if json_output:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(result)).decode() + "\n")
        return
    console = Console(highlight=False)
    console.print(_table(result))
    console.print(_dropped(result.dropped), markup=False, soft_wrap=True)
    for line in _complaints(result):
        console.print(line, markup=False, soft_wrap=True)


def _table(result: Summary) -> Table:
    table = Table("figure", "data set", "shop", "")
    for column in table.columns[1:3]:
        column.justify = "right"
    have = msgspec.structs.asdict(result.actual)
    for name, wanted in msgspec.structs.asdict(result.expected).items():
        verdict = "" if wanted == have[name] else "differs"
        table.add_row(name.replace("_", " "), f"{wanted:,}", f"{have[name]:,}", verdict)
    return table


def _dropped(dropped: Dropped) -> str:
    return (
        f"Not ordered: {dropped.lines:,} lines ({dropped.no_quantity:,} without a quantity, "
        f"{dropped.no_amount:,} that cost nothing), with them {dropped.baskets:,} baskets, "
        f"and {dropped.coupons:,} fen of coupons."
    )


def _complaints(result: Summary) -> list[str]:
    refusals = [f"basket {refused.basket}: {refused.refusal}" for refused in result.outcome.refusals]
    differences = [str(difference) for difference in result.listed]
    if result.ok:
        return [f"The shop holds what the data set says. {result.outcome.placed:,} orders, {result.seconds:.0f} s."]
    return [
        f"{result.outcome.refused:,} baskets were refused, {result.differences:,} facts differ.",
        *refusals[:SHOWN],
        *differences[:SHOWN],
    ]
