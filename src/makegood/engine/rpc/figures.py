"""What calls between processes have come to since the start: plain counts, read when somebody asks.

`docs/observability.md` says what to make of them.
"""

import asyncio
from bisect import bisect_left
from collections.abc import Sequence
from typing import Any, NamedTuple

from makegood.engine.batching import TIMES
from makegood.engine.contracts import Operation
from makegood.engine.errors import DatabaseError, DeadlineExceeded, Overloaded, ServiceUnavailable


class CallFigures:
    """Calls of one operation that have ended.

    `failed` counts those without an answer by why, `times` all that were begun by how long they took, by the first
    bound of `TIMES` that is not less (or, last, by none), and `seconds` is their sum.
    """

    __slots__ = ("calls", "failed", "seconds", "times")

    def __init__(self) -> None:
        self.calls = 0
        self.seconds = 0.0
        self.times = [0] * (len(TIMES) + 1)
        self.failed: dict[str, int] = {}

    def ended(self, seconds: float, error: BaseException | None = None) -> None:
        """One that took so long; the error is why it has no answer."""
        self.calls += 1
        self.seconds += seconds
        self.times[bisect_left(TIMES, seconds)] += 1
        if error is not None:
            self._fail(error)

    def refused(self, error: BaseException) -> None:
        """One that was not begun."""
        self.calls += 1
        self._fail(error)

    def _fail(self, error: BaseException) -> None:
        kind = kind_of(error)
        self.failed[kind] = self.failed.get(kind, 0) + 1


class FrameFigures:
    """Frames that held calls of one service, and how many calls of it they held."""

    __slots__ = ("calls", "frames")

    def __init__(self) -> None:
        self.frames = 0
        self.calls = 0


class SideFigures:
    """One side of this process's calls, with the streams that are open on it now."""

    def __init__(self) -> None:
        self.operations: dict[tuple[str, str], CallFigures] = {}
        self.frames: dict[str, FrameFigures] = {}
        self.streams = 0

    def of(self, operation: Operation[Any, Any]) -> CallFigures:
        """Those of one operation."""
        key = (operation.service, operation.name)
        found = self.operations.get(key)
        if found is None:
            found = self.operations[key] = CallFigures()
        return found

    def carried(self, services: Sequence[str]) -> None:
        """A frame held calls of these services, one each."""
        for service in dict.fromkeys(services):
            figures = self.frames.get(service)
            if figures is None:
                figures = self.frames[service] = FrameFigures()
            figures.frames += 1
            figures.calls += services.count(service)


class ClientFigures(SideFigures):
    """What this process asks others. By service: calls asked once more, and the providers that are known now."""

    def __init__(self) -> None:
        super().__init__()
        self.repeats: dict[str, int] = {}
        self.providers: dict[str, int] = {}

    def repeated(self, service: str) -> None:
        """A call of it goes to another provider, or to the same once more."""
        self.repeats[service] = self.repeats.get(service, 0) + 1


class ServerFigures(SideFigures):
    """What others ask this process, and the answers that went back in frames."""

    def __init__(self) -> None:
        super().__init__()
        self.answers = 0
        self.answer_frames = 0


class RpcFigures(NamedTuple):
    """All calls of a process; without a server, others do not call it."""

    client: ClientFigures
    server: ServerFigures | None = None


def kind_of(error: BaseException) -> str:
    """Why a call has no answer, in a word."""
    match error:
        case Overloaded():
            return "overloaded"
        case DeadlineExceeded():
            return "deadline"
        case ServiceUnavailable():
            return "unavailable"
        case DatabaseError():
            return "database"
        case asyncio.CancelledError():
            return "cancelled"
        case _:
            return "failed"
