"""Progress bars on standard error."""

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


class Steps:
    """A progress bar for one step after another."""

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
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

    def left(self, parts: int) -> None:
        """So many parts are left, of at least as many as were ever left."""
        if self._current is not None:
            task = self._progress.tasks[self._current]
            total = max(task.total or 0, parts)
            self._progress.update(self._current, total=total, completed=total - parts)

    def say(self, what: str) -> None:
        """One line above the bars."""
        self._progress.console.print(what)
