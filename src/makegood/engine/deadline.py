"""How long a caller is willing to wait, as a point in time on the event loop's clock."""

from asyncio import get_running_loop

import msgspec


class Deadline(msgspec.Struct, frozen=True, gc=False):
    """A moment of `asyncio` loop time, in seconds; it never crosses a process: what remains does."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> "Deadline":
        """`seconds` from now."""
        return cls(get_running_loop().time() + seconds)

    def remaining(self) -> float:
        """Seconds left, never below zero."""
        return max(0.0, self.at - get_running_loop().time())

    @property
    def passed(self) -> bool:
        """Whether nobody waits any more."""
        return self.at <= get_running_loop().time()
