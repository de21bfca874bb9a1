"""Rows by table, as a database counts them."""

from typing import NamedTuple


class RowsOf(NamedTuple):
    """What was done to a table, in rows."""

    read: int = 0
    inserted: int = 0
    updated: int = 0
    deleted: int = 0

    def since(self, earlier: "RowsOf") -> "RowsOf":
        """What was done in between."""
        return RowsOf(*(now - then for now, then in zip(self, earlier, strict=True)))

    @property
    def written(self) -> int:
        """All but the rows read."""
        return self.inserted + self.updated + self.deleted


RowsByTable = dict[str, dict[str, RowsOf]]
"""By service and table."""


def rows_since(now: RowsByTable, then: RowsByTable) -> RowsByTable:
    """What was done in between, to the tables that were touched."""
    found: RowsByTable = {}
    for service, tables in sorted(now.items()):
        for table, counts in sorted(tables.items()):
            done = counts.since(then.get(service, {}).get(table, RowsOf()))
            if any(done):
                found.setdefault(service, {})[table] = done
    return found
