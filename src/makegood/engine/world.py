"""The only door to time and chance, so that a simulated world can hold both in its hand."""

import os
import random
import time
from typing import Protocol


class World(Protocol):
    """Time and randomness, as the engine's users get them."""

    def now(self) -> int:
        """Milliseconds since 1970-01-01 UTC."""
        ...

    def random_bytes(self, count: int) -> bytes:
        """`count` bytes that nobody can guess."""
        ...

    def jitter(self) -> float:
        """A number in [0, 1) that spreads retries; not for secrets."""
        ...


class SystemWorld:
    """The machine's own clock and randomness."""

    def now(self) -> int:
        """Milliseconds since 1970-01-01 UTC."""
        return time.time_ns() // 1_000_000

    def random_bytes(self, count: int) -> bytes:
        """`count` bytes from the operating system."""
        return os.urandom(count)

    def jitter(self) -> float:
        """A number in [0, 1)."""
        return random.random()  # noqa: S311 - spreads retries, keeps no secret
