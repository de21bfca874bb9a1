"""How far a simulation has come, on standard error."""

from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from makegood.simulation.report import Tally
from makegood.simulation.runs import Ran

DRAWN = 2.0
"""Times a second that it is drawn anew."""


class Bars:
    """A bar for the worlds, and one for each that is made smaller."""

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(20),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[told]}"),
            console=Console(stderr=True),
            refresh_per_second=DRAWN,
        )
        self._task: TaskID | None = None

    def __enter__(self) -> "Bars":
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def begin(self, what: str, total: int) -> None:
        """Begins something of at most `total` parts."""
        self._task = self._progress.add_task(what, total=total, told="")

    def worlds(self, tally: Tally) -> None:
        """So many worlds are done."""
        failed = f", {tally.failed + tally.lost} failed" if tally.failed + tally.lost else ""
        told = (
            f"{tally.orders:,} orders, {tally.seconds / 3600:,.1f} virtual hours, "
            f"{tally.injected.total():,} faults{failed}"
        )
        self._reach(tally.worlds + tally.lost, told)

    def smaller(self, runs: int, best: Ran) -> None:
        """So many runs were needed to come so far."""
        self._reach(runs, f"{len(best.injected):,} faults, {best.orders:,} orders left")

    def done(self) -> None:
        """What was begun last is done, in fewer parts than it could have had."""
        if self._task is not None:
            self._progress.update(self._task, total=self._progress.tasks[self._task].completed)

    def _reach(self, parts: int, told: str) -> None:
        if self._task is not None:
            self._progress.update(self._task, completed=parts, told=told)
