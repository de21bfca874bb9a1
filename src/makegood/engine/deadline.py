"""How long a caller is willing to wait, as a point in time on the event loop's clock."""

import asyncio
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment of `asyncio` loop time, in seconds; it never crosses a process: what remains does."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> "Deadline":
        """`seconds` from now."""
        return cls(asyncio.get_running_loop().time() + seconds)

    def remaining(self) -> float:
        """Seconds left, never below zero."""
        return max(0.0, self.at - asyncio.get_running_loop().time())

    @property
    def passed(self) -> bool:
        """Whether nobody waits any more."""
        return self.remaining() <= 0.0
