"""A world whose clock only the test moves."""

import random


class ManualWorld:
    """Implements `World`: time stands still until `advance`, randomness follows from the seed.

    Timers of a real event loop do not see this clock: who waits already sleeps on; who asks after `advance` sees it.
    """

    def __init__(self, now: int = 1_700_000_000_000, seed: int = 0) -> None:
        self._now = now
        self._random = random.Random(seed)

    def advance(self, milliseconds: int) -> None:
        """Lets time pass; back is refused with ValueError."""
        if milliseconds < 0:
            raise ValueError(f"time does not go back by {-milliseconds} ms: make another world")
        self._now += milliseconds

    def now(self) -> int:
        """Milliseconds since 1970-01-01 UTC."""
        return self._now

    def random_bytes(self, count: int) -> bytes:
        """`count` bytes, the same for the same seed."""
        return self._random.randbytes(count)

    def jitter(self) -> float:
        """A number in [0, 1), the same for the same seed."""
        return self._random.random()
