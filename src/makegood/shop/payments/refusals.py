"""Callbacks that proved nothing are written down, so that people can see attacks and wrong keys; within bounds."""

from collections.abc import Sequence

import msgspec

from makegood.engine.database.transaction import Transaction
from makegood.shop.payments.tables import REFUSALS, RefusalRow

KEPT = 10_000
"""Most refused callbacks kept; the oldest go first."""
MAX_BODY = 4_096
"""Most bytes kept of a body."""
MAX_DETAIL = 500
"""Most characters kept of why."""


class Refusal(msgspec.Struct, frozen=True):
    """A callback that proved nothing, and why."""

    channel: str
    reason: str
    detail: str
    body: bytes


class RateLimit:
    """How many may be written in this minute, in this process: a flood must not fill the database."""

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._minute = 0
        self._count = 0

    def allows(self, now: int) -> bool:
        """Counts one more at `now` (ms UTC), and says whether it is within the limit."""
        minute = now // 60_000
        if minute != self._minute:
            self._minute, self._count = minute, 0
        self._count += 1
        return self._count <= self._per_minute


def record_refusals(tx: Transaction, refusals: Sequence[Refusal]) -> list[None]:
    """Writes them down and drops as many of the oldest as are too many."""
    newest = tx.page(REFUSALS, descending=True, limit=1)
    first = newest[0].refusal_id + 1 if newest else 1
    tx.insert(REFUSALS, [_row(tx, first + at, one) for at, one in enumerate(refusals)])
    gone = range(max(1, first - KEPT), max(1, first + len(refusals) - KEPT))
    tx.delete(REFUSALS, tx.lock(REFUSALS, gone))
    return [None for _ in refusals]


def _row(tx: Transaction, number: int, refusal: Refusal) -> RefusalRow:
    detail = refusal.detail[:MAX_DETAIL]
    return RefusalRow(number, refusal.channel, refusal.reason, detail, tx.now, refusal.body[:MAX_BODY])
