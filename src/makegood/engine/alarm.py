"""One timer for many moments of which nearly none is ever waited for."""

import asyncio
import math
from collections.abc import Callable

REST = 0.01
"""Seconds between two rings: what becomes late one by one, as behind a writer that stands still, is told together."""


class Alarm:
    """Rings at the earliest moment it was told of; `ring` (now) ends what is late and says what comes next.

    For one event loop. Moments are seconds of its clock; infinity means that there is nothing to wait for.
    What ended in time is not taken back: the alarm then rings once for nothing.
    """

    def __init__(self, ring: Callable[[float], float]) -> None:
        self._ring = ring
        self._at = math.inf
        self._rested_at = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def by(self, at: float) -> None:
        """Rings then, or before; behind a ring by `REST` at the earliest."""
        if at < self._at:
            if self._timer is not None:
                self._timer.cancel()
            self._at = at
            self._timer = asyncio.get_running_loop().call_at(max(at, self._rested_at), self._rings)

    def _rings(self) -> None:
        now = asyncio.get_running_loop().time()
        self._at, self._timer, self._rested_at = math.inf, None, now + REST
        self.by(self._ring(now))
