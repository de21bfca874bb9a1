"""A world: its seed, its time, what goes wrong in it, and what happened."""

import asyncio
import re
from collections.abc import Callable, Container
from contextvars import copy_context
from random import Random
from typing import Any

from makegood.simulation.faults import Faults, Rates
from makegood.simulation.loop import VirtualTimeLoop
from makegood.simulation.trace import Trace

FAULTS_FOR = 25.0
"""Seconds after which nothing fails any more."""
BEGINNING = 1_750_000_000_000
"""Milliseconds since 1970-01-01 UTC at which every world begins."""


_ADDRESS = re.compile(r" at 0x[0-9a-f]+")
"""Where something lies in memory, which is no part of a trace."""


class World:
    """What everything in one simulated world shares. Implements the engine's `World` for who looks from outside."""

    def __init__(self, seed: int, loop: VirtualTimeLoop, rates: Rates, left_out: Container[str], *, keep: bool) -> None:
        self.seed = seed
        self.loop = loop
        self.faults = Faults(seed, rates, loop.time, left_out)
        self.trace = Trace(loop.time, keep=keep)
        self.chance = Random(f"world {seed}")
        """For what is no fault: delays, choices."""
        self.bugs: list[str] = []
        """What no fault explains: an exception that nobody expected."""
        self.heals_at = FAULTS_FOR
        """Seconds after which nothing fails any more, nor stands still."""
        self.ended = False
        """Nobody dies or starts any more."""
        self._leapt = 0
        self._context = copy_context()
        self._graves: list[object] = []

    def now(self) -> int:
        """Milliseconds since 1970-01-01 UTC."""
        return BEGINNING + self._leapt + int(self.loop.time() * 1000)

    def leap(self, milliseconds: int) -> None:
        """All clocks go ahead, though nobody waited: what comes up after days comes up now."""
        self._leapt += milliseconds
        self.trace.note("world", "leaps", f"{milliseconds} ms")

    def random_bytes(self, count: int) -> bytes:
        """`count` bytes, from the seed."""
        return self.chance.randbytes(count)

    def jitter(self) -> float:
        """A number in [0, 1), from the seed."""
        return self.chance.random()

    def later(self, seconds: float, what: Callable[..., object], *arguments: Any) -> asyncio.TimerHandle:
        """Does it in the world's own name, whoever asks."""
        return self.loop.call_later(seconds, what, *arguments, context=self._context)

    def bug(self, where: str, error: BaseException | None) -> None:
        """Something failed that must not, whatever happens."""
        where, said = _ADDRESS.sub("", where), _ADDRESS.sub("", repr(error))
        self.bugs.append(f"{where}: {said}")
        self.trace.note(where, "fails", said)

    def bury(self) -> None:
        """Keeps every task as it is: one that nobody refers to any more would be closed, and so clean up."""
        self._graves.append(list(asyncio.all_tasks(self.loop)))
