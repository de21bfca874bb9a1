"""One timer for many moments of which nearly none is ever waited for."""

import asyncio
import math
from collections.abc import Callable


class Alarm:
    """Rings at the earliest moment it was told of; `ring` (now) ends what is late and says what comes next.

    Moments are seconds of the event loop's clock; infinity means that there is nothing to wait for. What ended in
    time is not taken back: the alarm then rings once for nothing.
    """

    def __init__(self, ring: Callable[[float], float]) -> None:
        self._ring = ring
        self._at = math.inf
        self._timer: asyncio.TimerHandle | None = None

    def by(self, at: float) -> None:
        """Rings then, or before."""
        if at < self._at:
            if self._timer is not None:
                self._timer.cancel()
            self._at = at
            self._timer = asyncio.get_running_loop().call_at(at, self._rings)

    def _rings(self) -> None:
        self._at, self._timer = math.inf, None
        self.by(self._ring(asyncio.get_running_loop().time()))
