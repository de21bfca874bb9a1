"""The only door to time and chance: the sandbox's own time, which can run faster than the world's, and its tokens."""

import secrets
import time
from datetime import UTC, datetime
from typing import Final, Protocol

import msgspec

TOKEN_BYTES: Final = 12
MIN_SPEED: Final = 0.01
MAX_SPEED: Final = 10_000.0
MAX_ADVANCE_SECONDS: Final = 366 * 24 * 3600


class World(Protocol):
    """Where time and chance come from; a simulation has one of its own."""

    def now(self) -> int:
        """Milliseconds UTC."""
        ...

    def random_bytes(self, count: int) -> bytes:
        """`count` bytes that nobody can guess."""
        ...


class Machine:
    """The machine's own clock and randomness."""

    def now(self) -> int:
        """Milliseconds UTC."""
        return time.time_ns() // 1_000_000

    def random_bytes(self, count: int) -> bytes:
        """`count` bytes that nobody can guess."""
        return secrets.token_bytes(count)


MACHINE: Final = Machine()


class Anchor(msgspec.Struct, frozen=True):
    """Where the two clocks met, in milliseconds UTC, and how many virtual seconds a real one has."""

    virtual: int
    real: int
    speed: float


class Clock:
    """Milliseconds UTC that pass `speed` times as fast as the world's."""

    def __init__(self, anchor: Anchor, world: World = MACHINE) -> None:
        self.anchor: Anchor = anchor
        self._world = world

    @classmethod
    def at_world_time(cls, world: World = MACHINE) -> "Clock":
        """A clock that shows the world's time, at its speed."""
        now = world.now()
        return cls(Anchor(virtual=now, real=now, speed=1.0), world)

    def now(self) -> int:
        """Virtual milliseconds UTC; never behind the anchor, whatever the world's clock does."""
        anchor = self.anchor
        elapsed = max(0, self._world.now() - anchor.real)
        return anchor.virtual + int(elapsed * anchor.speed)

    def world_now(self) -> int:
        """The world's milliseconds UTC, whatever this clock shows: what signatures are dated with."""
        return self._world.now()

    def ahead(self) -> int:
        """By how many milliseconds it is ahead of the world's, which is the merchants'."""
        return self.now() - self.world_now()

    def set_speed(self, speed: float) -> None:
        """Lets time pass `speed` times as fast from now on."""
        self.anchor = Anchor(virtual=self.now(), real=self._world.now(), speed=speed)

    def advance(self, seconds: float) -> None:
        """Jumps ahead by virtual seconds."""
        now = self.now() + int(seconds * 1000)
        self.anchor = Anchor(virtual=now, real=self._world.now(), speed=self.anchor.speed)

    def real_seconds(self, virtual_milliseconds: int) -> float:
        """How long that takes in the world, in seconds."""
        return virtual_milliseconds / 1000 / self.anchor.speed

    def new_token(self) -> str:
        """24 characters nobody can guess, fit for a URL."""
        return self._world.random_bytes(TOKEN_BYTES).hex()


def rfc3339(milliseconds: int | None) -> str | None:
    """That time as text, UTC, to the millisecond."""
    if milliseconds is None:
        return None
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def random_digits(count: int) -> str:
    """That many decimal digits, from the machine: for the numbers of a new merchant."""
    return f"{secrets.randbelow(10**count):0{count}d}"


def random_hex(count: int) -> str:
    """That many hexadecimal digits in capitals, from the machine: for the secrets of a new merchant."""
    return secrets.token_hex((count + 1) // 2)[:count].upper()
