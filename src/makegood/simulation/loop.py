"""An event loop whose time jumps to the next timer, and in which processes die as `kill -9` ends them.

Everything a task starts inherits its context, and with it the process (`LIFE`) that it belongs to. What belongs to a
process that has died never runs again: no `finally`, no callback. A cancelled task would clean up; a killed one
cannot.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from contextvars import Context, ContextVar, copy_context
from heapq import heappop, heappush
from itertools import count
from typing import Any, Protocol

LONGEST = 30 * 86_400.0
"""Seconds of its own time after which a world has hung."""


class Mortal(Protocol):
    """Something that runs on the loop and may die."""

    alive: bool
    steps: int
    """Steps that are left to it: at the last one it dies. Below zero it lives on."""
    frozen_until: float
    """Seconds of the loop's clock until which it stands still."""

    def dies_waiting(self) -> None:
        """It dies where it waits: before the step that would be next."""
        ...


LIFE: ContextVar[Mortal | None] = ContextVar("life", default=None)
"""To whom the running code belongs; None is the world itself, which does not die."""


class LastStep(BaseException):
    """The loop has come as far as it should."""


class Step:
    """A callback that is to run; what `call_soon` and `call_at` return. As asyncio's handles, at half their cost."""

    __slots__ = ("args", "at", "callback", "cancelled_", "context")

    def __init__(self, callback: Callable[..., object], args: tuple[Any, ...], context: Context, at: float) -> None:
        self.callback: Callable[..., object] | None = callback
        self.args = args
        self.context = context
        self.at = at
        self.cancelled_ = False

    def cancel(self) -> None:
        """It does not run."""
        self.cancelled_ = True
        self.callback, self.args = None, ()

    def cancelled(self) -> bool:
        """Whether it was cancelled."""
        return self.cancelled_

    def when(self) -> float:
        """The loop's time at which it runs, in seconds."""
        return self.at


class VirtualTimeLoop(asyncio.BaseEventLoop):
    """An event loop without sockets, threads or waiting; what blocks must run in line.

    It raises LastStep instead of running its step number `last_step`, if that is given.
    """

    def __init__(self, last_step: int | None = None) -> None:
        super().__init__()
        self.steps = 0
        """Steps that were run."""
        self.last_step = last_step
        self._now = 0.0
        self._soon: deque[Step] = deque()
        self._timers: list[tuple[float, int, Step]] = []
        self._numbers = count()

    def time(self) -> float:
        """Seconds since the loop was made."""
        return self._now

    def call_soon(self, callback: Callable[..., object], *args: Any, context: Context | None = None) -> Any:
        """Runs it after what is to run already."""
        step = Step(callback, args, copy_context() if context is None else context, 0.0)
        self._soon.append(step)
        return step

    def call_later(
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> Any:
        """Runs it in `delay` seconds."""
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None) -> Any:
        """Runs it when the loop's time is `when`; of two at the same time the one that was asked for first."""
        step = Step(callback, args, copy_context() if context is None else context, when)
        heappush(self._timers, (when, next(self._numbers), step))
        return step

    def _run_once(self) -> None:
        soon, timers = self._soon, self._timers
        if not soon:
            self._jump()
        while timers and timers[0][0] <= self._now:
            soon.append(heappop(timers)[2])
        for _ in range(len(soon)):
            step = soon.popleft()
            if step.callback is None:
                continue
            life = step.context.get(LIFE)
            if life is not None and life.frozen_until > self._now:
                heappush(timers, (life.frozen_until, next(self._numbers), step))
            elif life is None or (life.alive and self._lives_on(life)):
                self._count()
                self._run(step)

    def _count(self) -> None:
        self.steps += 1
        if self.steps == self.last_step:
            raise LastStep

    def _lives_on(self, life: Mortal) -> bool:
        """Counts a step of a process: it may be the one before which it dies."""
        life.steps -= 1
        if life.steps == 0:
            life.dies_waiting()
        return life.alive

    def _run(self, step: Step) -> None:
        assert step.callback is not None
        try:
            step.context.run(step.callback, *step.args)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            name = getattr(step.callback, "__qualname__", type(step.callback).__name__)
            self.call_exception_handler({"message": f"{name} failed", "exception": error})

    def _jump(self) -> None:
        timers = self._timers
        while timers and timers[0][2].callback is None:
            heappop(timers)
        if not timers:
            raise RuntimeError("everybody waits for somebody else: nothing will ever happen")
        self._now = max(self._now, timers[0][0])
        if self._now > LONGEST:
            raise RuntimeError(f"the scenario still runs after {LONGEST:.0f} s of its own time")

    def _process_events(self, event_list: list[Any]) -> None:
        """There are none: nothing outside can happen."""

    def _write_to_self(self) -> None:
        """Nobody else's thread could wake this loop."""
