"""Whether another process should be asked, from what it did lately."""

REST, LONGEST_REST = 0.5, 5.0
"""Seconds for which a process that was lost, or silent, is asked only if there is no other; doubled each time."""


class Health:
    """Of one process; all times are seconds of the event loop's clock."""

    def __init__(self) -> None:
        self._rests_until = 0.0
        self._heard_at = 0.0
        self._failures = 0

    def resting(self, now: float) -> bool:
        """Whether another process should rather be asked, if there is one."""
        return now < self._rests_until

    def heard(self, now: float) -> None:
        """It answers."""
        self._heard_at = now
        self._failures = 0

    def silent(self, now: float) -> None:
        """A question was not answered in time: it rests, unless it answered others meanwhile."""
        if now - self._heard_at > REST:
            self.rest(now)

    def rest(self, now: float) -> None:
        """It was lost, or takes nothing: it rests, each time longer until it answers again."""
        if not self.resting(now):
            self._rests_until = now + min(LONGEST_REST, REST * 2.0 ** min(self._failures, 32))
            self._failures += 1
