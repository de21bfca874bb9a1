"""Makes a failing world smaller: the fewest faults and buyers with which the same promise is still broken.

Delta debugging (Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", 2002): first over whole
kinds of faults, then over single faults, then over buyers, and again as long as that helps. Leaving something out
changes what follows, so each round goes on from what the smallest world so far really injected.
"""

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from typing import NamedTuple, TypeVar

import msgspec

from makegood.simulation.choosing import Only, kind_of
from makegood.simulation.runs import EACH, Options, Ran
from makegood.simulation.workers import Lost

T = TypeVar("T")

MOST_RUNS = 600
"""Worlds that are run at most to make one smaller."""
MOST_SECONDS = 180.0
"""Seconds of real time after which the smallest world so far is good enough."""

Runs = Callable[[Iterable[Options]], Generator[Ran | Lost]]
"""Runs worlds of the one seed lazily, and gives what came of them in the same order."""


class Shrunk(NamedTuple):
    """The smallest world that was found, after how many runs; `least`: nothing single can be left out of it."""

    options: Options
    ran: Ran
    runs: int
    least: bool


class Shrinking:
    """Shrinks one world in which `promise` is broken; `told` hears of every run."""

    def __init__(
        self,
        ran: Ran,
        options: Options,
        promise: str,
        runs: Runs,
        told: Callable[[int, Ran], None],
        *,
        most_runs: int = MOST_RUNS,
        most_seconds: float = MOST_SECONDS,
    ) -> None:
        self._promise = promise
        self._runs = runs
        self._told = told
        self._most_runs = most_runs
        self._ends = time.monotonic() + most_seconds
        self._count = 0
        self._options, self._ran = options, ran

    def shrink(self) -> Shrunk:
        """The smallest world that could be found within the limits."""
        self._kinds()
        before: tuple[int, int] | None = None
        while before != self._size() and not self._exhausted():
            before = self._size()
            self._faults()
            self._buyers()
        smallest = msgspec.structs.replace(self._options, left_out=Only(frozenset(self._injected(str))))
        return Shrunk(smallest, self._ran, self._count, not self._exhausted())

    def _size(self) -> tuple[int, int]:
        return len(self._ran.injected), len(self._present())

    def _exhausted(self) -> bool:
        return self._count >= self._most_runs or time.monotonic() > self._ends

    def _kinds(self) -> None:
        def without_others(kinds: Sequence[str]) -> Options:
            return msgspec.structs.replace(self._options, left_out=Only(frozenset(kinds)))

        self._reduce(self._injected(kind_of), without_others, lambda: self._injected(kind_of))

    def _faults(self) -> None:
        def without_others(names: Sequence[str]) -> Options:
            return msgspec.structs.replace(self._options, left_out=Only(frozenset(names)))

        self._reduce(self._injected(str), without_others, lambda: self._injected(str))
        self._options = without_others(self._injected(str))

    def _buyers(self) -> None:
        def without_others(buyers: Sequence[int]) -> Options:
            return msgspec.structs.replace(self._options, buyers=frozenset(buyers))

        self._reduce(self._present(), without_others, self._present, least=1)

    def _injected(self, part: Callable[[str], T]) -> list[T]:
        """What the smallest world so far injected, each once, in the order of their first times."""
        return list(dict.fromkeys(part(fault.name) for fault in self._ran.injected))

    def _present(self) -> list[int]:
        chosen = self._options.buyers
        return list(range(max(1, self._options.orders // EACH))) if chosen is None else sorted(chosen)

    def _reduce(
        self,
        items: list[T],
        keeping: Callable[[Sequence[T]], Options],
        left: Callable[[], list[T]],
        least: int = 0,
    ) -> None:
        """Delta debugging over items: `keeping` some of them, `left` are those of the smallest world so far."""
        parts = 2
        while len(items) > least and not self._exhausted():
            smaller = list(_smaller(items, parts))
            found = self._first(keeping(some) for some in smaller)
            if found is not None:
                kept = set(smaller[found])
                items = [item for item in left() if item in kept]
                parts = 2 if found < parts else max(2, parts - 1)
                parts = max(2, min(parts, len(items)))
            elif parts >= len(items):
                return
            else:
                parts = min(2 * parts, len(items))

    def _first(self, candidates: Iterator[Options]) -> int | None:
        """The number of the first candidate with which the promise is still broken; it is the smallest from now on."""
        tried: list[Options] = []

        def trying() -> Iterator[Options]:
            for options in candidates:
                tried.append(options)
                yield options

        outcomes = self._runs(trying())
        try:
            for at, outcome in enumerate(outcomes):
                if self._fails(outcome):
                    assert isinstance(outcome, Ran)
                    self._options, self._ran = tried[at], outcome
                    return at
                if self._exhausted():
                    return None
        finally:
            outcomes.close()
        return None

    def _fails(self, outcome: Ran | Lost) -> bool:
        self._count += 1
        fails = isinstance(outcome, Ran) and any(broken.promise == self._promise for broken in outcome.broken)
        best = outcome if fails and isinstance(outcome, Ran) else self._ran
        self._told(self._count, best)
        return fails


def _smaller(items: list[T], parts: int) -> Iterator[list[T]]:
    """The parts by themselves, then everything but one of them."""
    if len(items) == 1:
        yield []
        return
    size = len(items)
    bounds = [(size * at // parts, size * (at + 1) // parts) for at in range(parts)]
    yield from (items[begin:end] for begin, end in bounds)
    if parts > 2:
        yield from (items[:begin] + items[end:] for begin, end in bounds)
