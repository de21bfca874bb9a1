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
    """One process's number in one service. `alone`: no other process lives, so a number may be had again at once."""

    def __init__(self, tables: EngineTables, world: World, owner: str, *, alone: bool) -> None:
        self._table = tables.processes
        self._world = world
        self._owner = owner
        self._alone = alone

    def acquire(self, tx: Any, requests: Sequence[None]) -> list[IdSource]:
        """Leases the lowest free number; its ids begin behind all that its last holder could have minted."""
        held: dict[int, ProcessRow] = {row.number: row for row in tx.page(self._table, limit=PROCESSES)}
        number = next((n for n in range(PROCESSES) if self._free(held.get(n), tx.now)), None)
        if number is None:
            raise DatabaseUnavailable(f"all {PROCESSES} process numbers are leased; wait for one to run out")
        start = max(tx.now, held[number].leased_until if number in held else 0)
        self._store(tx, number, start + LEASE)
        return [IdSource(self._world, number, start, start + LEASE) for _ in requests]

    def renew(self, tx: Any, sources: Sequence[IdSource]) -> list[int]:
        """Holds the number for longer; the answer is the new end."""
        ends: list[int] = []
        for source in sources:
            end = max(tx.now, source.latest) + LEASE
            self._store(tx, source.number, end)
            ends.append(end)
        return ends

    def _free(self, row: ProcessRow | None, now: int) -> bool:
        return row is None or self._alone or row.leased_until < now

    def _store(self, tx: Any, number: int, leased_until: int) -> None:
        row = ProcessRow(number, self._owner, leased_until)
        if tx.lock(self._table, [number]):
            tx.update(self._table, [row])
        else:
            tx.insert(self._table, [row])
