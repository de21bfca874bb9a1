"""The floor under an order of the cluster: the same rows in the same tables, in as many commits, by raw SQL alone.

    DATABASE_URL=mysql://… python -m makegood.bench.cluster.floor PLAN RESULT

Nothing is read, decided, sent or answered; the statements are written beforehand, in the shop's own forms, which are
the cheapest that were found. A connection for each service writes as fast as the server lets it. It works in schemas
of its own, `makegood_bench_<service>`, made with the shop's migrations and emptied at the beginning.
"""

import os
import sys
import time
from pathlib import Path

import msgspec

from makegood.bench.floor import in_threads
from makegood.bench.plan import FilePlan, FloorFigures, Plan, Writes
from makegood.bench.rows import Kind, Rows, Shape
from makegood.engine.database.migrations import migrate
from makegood.engine.database.mysql import MysqlAddress, create_schema, sqlalchemy_url
from makegood.engine.database.mysql.connection import WRITER, MysqlConnection
from makegood.engine.database.mysql.statements import sql_of
from makegood.engine.database.table import Schema, Table
from makegood.engine.world import SystemWorld
from makegood.shop.assembly import CLASSES, migrations_of

SCHEMAS = "makegood_bench"
"""The floor's own, instead of the shop's."""
URL = "DATABASE_URL"
"""The environment variable with the database's address: others can read a process's arguments."""
READY = "ready"
"""The file in the plan's folder that is there once everything is prepared."""
FILLED = 500
"""Rows of one statement while tables are filled."""


class _Table:
    """A table's rows as statements."""

    def __init__(self, schema: Schema, writes: Writes, orders: int) -> None:
        self._table = table = schema.tables[writes.table]
        at = table.columns.index
        shape = Shape(len(table.columns), tuple(map(at, table.key)), _unique_columns(schema, table))
        changing = tuple(map(at, table.changing))
        self._kind = Kind(shape, msgspec.structs.replace(writes, changed=changing))
        self._rows = Rows(self._kind, orders)
        self._sql = sql_of(table)

    def fill(self) -> list[bytes]:
        """The statements that empty it, and write the rows that must be there."""
        there = [self._table.row(*row) for row in self._rows.there]
        parts = [there[at : at + FILLED] for at in range(0, len(there), FILLED)]
        empty = b"DELETE FROM `%s`" % self._table.name.encode()
        return [empty, *(statement for part in parts for statement in self._sql.insert(part))]

    def statements(self, commit: int, commits: int) -> list[bytes]:
        """This commit's part of the whole. A row that changes twice in it is written once, with its last values."""
        part, kind = self._rows.part(commit, commits), self._kind
        changed = {kind.key_of(row): row for row in part.changed}
        gone = [key[0] if len(key) == 1 else key for key in part.gone]
        return [
            *(self._sql.insert([self._table.row(*row) for row in part.new]) if part.new else ()),
            *(self._sql.update([self._table.row(*row) for row in changed.values()]) if changed else ()),
            *(self._sql.delete(gone) if gone else ()),
        ]


class ServiceFloor:
    """One service's schema, prepared: `run` does everything that is measured."""

    def __init__(self, url: str, plan: FilePlan, orders: int) -> None:
        kind = next(one for one in CLASSES if one.name == plan.file)
        create_schema(url, kind.name)
        migrate(sqlalchemy_url(url, kind.name), kind.schema, migrations_of(kind))
        self.name = plan.file
        self._connection = MysqlConnection(MysqlAddress.parse(url, kind.name), WRITER, SystemWorld())
        tables = [_Table(kind.schema, writes, orders) for writes in plan.writes]
        self.ready()
        for table in tables:
            for statement in table.fill():
                self._connection.execute(statement)
        self._connection.execute(b"COMMIT")
        self.commits = max(1, round(orders * plan.commits))
        self._packets = [_packet(tables, at, self.commits) for at in range(self.commits)]

    def ready(self) -> None:
        """Connects again, if the server has ended the connection meanwhile."""
        self._connection.ready()

    def run(self) -> None:
        """Writes everything, one commit after another, each in one round trip."""
        for packet in self._packets:
            self._connection.execute(packet)

    def close(self) -> None:
        """Closes the connection."""
        self._connection.close()


def run(url: str, plan: Plan) -> FloorFigures:
    """Does what the plan says; only the writing is measured. `rows` are counted by the server, not here."""
    services = [ServiceFloor(url, one, plan.orders) for one in plan.files]
    Path(plan.folder, READY).touch()
    sys.stdin.readline()
    for one in services:
        one.ready()
    cpu, began = time.process_time(), time.perf_counter()
    in_threads([one.run for one in services])
    seconds, used = time.perf_counter() - began, time.process_time() - cpu
    for one in services:
        one.close()
    return FloorFigures(plan.orders, used, seconds, {}, {one.name: one.commits for one in services})


def _packet(tables: list[_Table], commit: int, commits: int) -> bytes:
    return b";".join([*(statement for one in tables for statement in one.statements(commit, commits)), b"COMMIT"])


def _unique_columns(schema: Schema, table: Table[msgspec.Struct, str]) -> tuple[int, ...]:
    """The first column of each unique index."""
    indexes = [one for one in schema.metadata.tables[table.name].indexes if one.unique]
    return tuple(table.columns.index(next(iter(one.columns)).name) for one in indexes)


def main() -> None:
    """Runs a plan from a file when a line comes, and writes what came of it to another."""
    given, result = Path(sys.argv[1]), Path(sys.argv[2])
    figures = run(os.environ[URL], msgspec.msgpack.decode(given.read_bytes(), type=Plan))
    draft = result.with_suffix(".new")
    draft.write_bytes(msgspec.msgpack.encode(figures))
    draft.rename(result)


if __name__ == "__main__":
    main()
