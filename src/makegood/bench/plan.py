"""The plan of a floor: which rows in which tables, in how many commits; taken from what the shop was seen to write."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import apsw
import msgspec

from makegood.bench.counted import Counts

LEAST = 0.001
"""Rows or commits for each order below which they belong to the clock, not to orders: leases, sweeps."""
DURABLE_ALWAYS = "broker"
"""The file whose commits are flushed only when they hold a new message, as the shop's broker does."""


class Writes(msgspec.Struct, frozen=True):
    """Rows written to one table for each order, with an example of such a row.

    `keys` different rows were updated; when the table gets new rows, those are updated. An update writes the columns
    in the places `changed`, with values like those of the row `newest`.
    """

    table: str
    inserted: float
    updated: float
    deleted: float
    sample: tuple[Any, ...]
    keys: int
    changed: tuple[int, ...] = ()
    newest: tuple[Any, ...] = ()


class FilePlan(msgspec.Struct, frozen=True):
    """One file: its tables as the shop declares them, its commits and writes for each order."""

    file: str
    schema: tuple[str, ...]
    page_size: int
    commits: float
    writes: tuple[Writes, ...]


class Plan(msgspec.Struct, frozen=True):
    """What a floor is to do for so many orders, in a folder of its own."""

    folder: str
    orders: int
    files: tuple[FilePlan, ...]


class FloorFigures(msgspec.Struct, frozen=True):
    """What a floor did: CPU seconds, seconds, rows and commits by file as SQLite counted them."""

    orders: int
    cpu: float
    seconds: float
    rows: dict[str, int]
    commits: dict[str, int]


class RowsSeen(msgspec.Struct, frozen=True):
    """What the shop wrote while its rows were counted, and for how many orders; the rows of this time only."""

    orders: int
    rows: dict[str, dict[str, dict[str, int]]]
    samples: dict[str, dict[str, tuple[Any, ...]]]
    keys: dict[str, dict[str, int]]
    changed: dict[str, dict[str, tuple[int, ...]]]
    updated: dict[str, dict[str, tuple[Any, ...]]]

    def for_each(self) -> dict[str, float]:
        """Rows for each order, by file."""
        return {
            file: sum(sum(done.values()) for done in tables.values()) / self.orders
            for file, tables in sorted(self.rows.items())
        }


def rows_seen(before: Counts, after: Counts, orders: int) -> RowsSeen:
    """The rows written between two counts."""
    rows: dict[str, dict[str, dict[str, int]]] = {}
    for file, tables in after.rows.items():
        for table, done in tables.items():
            earlier = before.rows.get(file, {}).get(table, {})
            new = {did: count - earlier.get(did, 0) for did, count in done.items() if count > earlier.get(did, 0)}
            if sum(new.values()) > LEAST * orders:
                rows.setdefault(file, {})[table] = new
    return RowsSeen(orders, rows, after.samples, after.keys, _changed(before, after), after.updated)


def _changed(before: Counts, after: Counts) -> dict[str, dict[str, tuple[int, ...]]]:
    """The columns that updates between two counts changed."""
    found: dict[str, dict[str, tuple[int, ...]]] = {}
    for file, tables in after.changed.items():
        for table, columns in tables.items():
            earlier = before.changed.get(file, {}).get(table, {})
            new = tuple(column for column, updates in sorted(columns.items()) if updates > earlier.get(column, 0))
            found.setdefault(file, {})[table] = new
    return found


def plan(folder: Path, shop: Path, seen: RowsSeen, commits: Mapping[str, float], orders: int) -> Plan:
    """The same rows in as many commits; the tables are read from the files of a shop that is stopped."""
    files = [
        _file_plan(shop / f"{file}.db", file, seen, commits.get(file, 0.0))
        for file in sorted(seen.rows)
        if commits.get(file, 0.0) > LEAST
    ]
    return Plan(str(folder), orders, tuple(files))


def _file_plan(path: Path, file: str, seen: RowsSeen, commits: float) -> FilePlan:
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        rows = connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY type DESC, rowid")
        schema = tuple(str(row[0]) for row in rows)
        page_size = int(connection.execute("PRAGMA page_size").get)
    finally:
        connection.close()
    return FilePlan(file, schema, page_size, commits, tuple(_writes(file, seen)))


def _writes(file: str, seen: RowsSeen) -> list[Writes]:
    return [
        Writes(
            table=table,
            inserted=done.get("insert", 0) / seen.orders,
            updated=done.get("update", 0) / seen.orders,
            deleted=done.get("delete", 0) / seen.orders,
            sample=seen.samples[file][table],
            keys=seen.keys.get(file, {}).get(table, 0),
            changed=seen.changed.get(file, {}).get(table, ()),
            newest=seen.updated.get(file, {}).get(table, ()),
        )
        for table, done in sorted(seen.rows[file].items())
        if table in seen.samples.get(file, {})
    ]
