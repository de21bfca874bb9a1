"""The process number that makes ids unique, leased in the service's own database."""

from collections.abc import Sequence
from typing import Any

from makegood.engine.database.ids import PROCESSES, IdSource
from makegood.engine.errors import DatabaseUnavailable
from makegood.engine.tables import EngineTables, ProcessRow
from makegood.engine.world import World

LEASE = 10_000
"""Milliseconds for which a number is held; no id is minted past its end."""
RENEW = 3.0
"""Seconds between renewals."""


class NumberLease:
    """One process's number in one service. `alone`: no other process lives, so a number may be had again at once.

    A process that stood still for longer than its lease may have lost the number to another: so the row names the
    life that holds it, and who is not named there leases another number.
    """

    def __init__(self, tables: EngineTables, world: World, owner: str, *, alone: bool) -> None:
        self._table = tables.processes
        self._world = world
        self._owner = f"{owner} {world.random_bytes(8).hex()}"
        self._alone = alone

    def acquire(self, tx: Any, requests: Sequence[None]) -> list[IdSource]:
        """Leases the lowest free number; its ids begin behind all that its last holder could have minted."""
        return [self._acquire(tx) for _ in requests]

    def renew(self, tx: Any, sources: Sequence[IdSource]) -> list[int | None]:
        """Holds the number for longer; the answer is the new end, or None when another process has the number."""
        return [self._renew(tx, source) for source in sources]

    def _acquire(self, tx: Any) -> IdSource:
        leased: dict[int, ProcessRow] = {row.number: row for row in tx.page(self._table, limit=PROCESSES)}
        for number in range(PROCESSES):
            if self._free(leased.get(number), tx.now):
                row = tx.lock(self._table, [number]).get(number)  # another process may just have leased it
                if self._free(row, tx.now):
                    return self._lease(tx, number, row)
        raise DatabaseUnavailable(f"all {PROCESSES} process numbers are leased; wait for one to run out")

    def _lease(self, tx: Any, number: int, held: ProcessRow | None) -> IdSource:
        start = max(tx.now, held.leased_until) if held else tx.now
        row = ProcessRow(number, self._owner, start + LEASE)
        if held:
            tx.update(self._table, [row])
        else:
            tx.insert(self._table, [row])
        return IdSource(self._world, number, start, row.leased_until)

    def _renew(self, tx: Any, source: IdSource) -> int | None:
        row: ProcessRow | None = tx.lock(self._table, [source.number]).get(source.number)
        if row is None or row.owner != self._owner:
            return None
        row.leased_until = max(tx.now, source.latest) + LEASE
        tx.update(self._table, [row])
        return row.leased_until

    def _free(self, row: ProcessRow | None, now: int) -> bool:
        return row is None or self._alone or row.owner == self._owner or row.leased_until < now
