"""How far a bench has come: one bar on standard error, drawn seldom, for drawing takes CPU from the load generator."""

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

DRAWN = 1.0
"""Times a second."""


class Steps:
    """A bar over a known number of steps."""

    def __init__(self, steps: int) -> None:
        self._progress = Progress(
            BarColumn(20),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.description}"),
            console=Console(stderr=True),
            refresh_per_second=DRAWN,
        )
        self._task = self._progress.add_task("starting", total=steps)
        self._begun = 0

    def __enter__(self) -> "Steps":
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._progress.update(self._task, total=self._begun, completed=self._begun, description="done")
        self._progress.stop()

    def begin(self, what: str) -> None:
        """The step before is done, this one begins."""
        self._progress.update(self._task, completed=self._begun, description=what)
        self._begun += 1

    def part(self, done: float) -> None:
        """This part (0 to 1) of the step is done."""
        self._progress.update(self._task, completed=self._begun - 1 + min(1.0, done))
