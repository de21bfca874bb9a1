"""Timeouts for very many short waits, all on one timer.

`asyncio.timeout` arms and disarms a timer of its own each time; an order waits five times, and nearly no wait is
too long. Here a wait is an entry in a dict, and one timer rings when the first of them may be over.
"""

import asyncio
import math
from types import TracebackType

from makegood.engine.alarm import Alarm
from makegood.engine.deadline import Deadline


class TimeLimits:
    """The limits of one event loop."""

    def __init__(self) -> None:
        self._open: dict[TimeLimit, None] = {}
        self._alarm = Alarm(self._end_late)

    def until(self, deadline: Deadline) -> "TimeLimit":
        """Use as `with limits.until(deadline): …`; a block that awaits for longer raises TimeoutError."""
        return TimeLimit(self, deadline.at)

    def begin(self, limit: "TimeLimit") -> None:
        """Watches this limit."""
        self._open[limit] = None
        self._alarm.by(limit.at)

    def end(self, limit: "TimeLimit") -> None:
        """Watches it no more."""
        del self._open[limit]

    def _end_late(self, now: float) -> float:
        return min((limit.at for limit in self._open if not limit.over(now)), default=math.inf)


class TimeLimit:
    """One wait; after the block `passed` says whether it was cut off."""

    __slots__ = ("_cancelling", "_limits", "_task", "at", "passed")

    def __init__(self, limits: TimeLimits, at: float) -> None:
        self._limits = limits
        self.at = at
        self.passed = False

    def over(self, now: float) -> bool:
        """Cuts the block off if its time is over, once; says whether it is."""
        if now >= self.at and not self.passed:
            self.passed = True
            self._task.cancel()
        return self.passed

    def __enter__(self) -> "TimeLimit":
        task = asyncio.current_task()
        assert task is not None, "a time limit cuts off a task, and this is none"
        self._task = task
        self._cancelling = task.cancelling()
        self._limits.begin(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._limits.end(self)
        # As asyncio.timeout: a task that somebody else cancelled too stays cancelled.
        if self.passed and self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error
