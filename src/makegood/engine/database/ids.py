"""Ids: milliseconds, a process number and a counter in 63 bits, so they sort by time and need no round trip.

Layout: 41 bits of milliseconds since 2020-01-01 UTC, 10 bits of process number, 12 bits of counter.
"""

from makegood.engine.errors import DatabaseUnavailable
from makegood.engine.world import World

EPOCH = 1_577_836_800_000
"""2020-01-01 UTC in milliseconds; 41 bits last until 2089."""
PROCESSES = 1 << 10
_COUNTER_BITS = 12
_PROCESS_BITS = 10


class IdSource:
    """Mints ids for one process that holds the lease of `number` until `leased_until` (ms UTC)."""

    def __init__(self, world: World, number: int = 0, start: int = 0, leased_until: int | None = None) -> None:
        assert 0 <= number < PROCESSES
        self.number = number
        self.leased_until = leased_until
        self._world = world
        self._ms = max(world.now(), start)
        self._counter = 0
        self.first = self.new_id()

    @property
    def latest(self) -> int:
        """The millisecond of the last id."""
        return self._ms

    def new_id(self) -> int:
        """The next id, never behind one given before, even when the clock goes back."""
        now = self._world.now()
        if now > self._ms:
            self._ms, self._counter = now, 0
        elif self._counter + 1 >> _COUNTER_BITS:
            self._ms, self._counter = self._ms + 1, 0
        else:
            self._counter += 1
        if self.leased_until is not None and self._ms >= self.leased_until:
            raise DatabaseUnavailable("the lease of this process number has run out; it is being renewed")
        return ((self._ms - EPOCH) << (_PROCESS_BITS + _COUNTER_BITS)) | (self.number << _COUNTER_BITS) | self._counter
