"""The floor under an order: the same rows in the same files, in as many commits, by raw SQL alone.

    python -m makegood.bench.floor PLAN RESULT

Nothing is read, decided, sent or answered; rows are made beforehand. A thread for each file writes as fast as the
disk lets it, since the shop too commits in its files at the same time.
"""

import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import apsw
import msgspec

from makegood.bench.plan import DURABLE_ALWAYS, FilePlan, FloorFigures, Plan, Writes
from makegood.bench.rows import Kind, Row, Rows, Shape
from makegood.engine.database.sqlite import CHECKPOINT

Statement = tuple[str, list[Row]]


class Commit(msgspec.Struct, frozen=True):
    """What one commit runs; `durable`: it is flushed to the disk."""

    statements: list[Statement]
    durable: bool


class _Table:
    """The statements of a table, and its rows."""

    def __init__(self, connection: apsw.Connection, writes: Writes, orders: int) -> None:
        about = connection.execute(f"PRAGMA table_info({writes.table})").fetchall()
        columns = [f'"{row[1]}"' for row in about]
        key = tuple(at for _, at in sorted((row[5], at) for at, row in enumerate(about) if row[5]))
        self._kind = kind = Kind(Shape(len(columns), key, _unique_columns(connection, writes.table)), writes)
        self.rows = Rows(kind, orders)
        marks = ", ".join("?" for _ in columns)
        match = " AND ".join(f"{columns[at]} = ?" for at in key)
        change = ", ".join(f"{columns[at]} = ?" for at in kind.changing)
        self.insert = f"INSERT INTO {writes.table} ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608 - from the schema
        self._update = f"UPDATE {writes.table} SET {change} WHERE {match}"  # noqa: S608
        self._delete = f"DELETE FROM {writes.table} WHERE {match}"  # noqa: S608

    def statements(self, commit: int, commits: int) -> list[Statement]:
        """This commit's part of the whole."""
        kind, part = self._kind, self.rows.part(commit, commits)
        changed = [(*(row[at] for at in kind.changing), *kind.key_of(row)) for row in part.changed]
        found = [(self.insert, part.new), (self._update, changed), (self._delete, part.gone)]
        return [(text, rows) for text, rows in found if rows]


class FileFloor:
    """One file, prepared: `run` does everything that is measured."""

    def __init__(self, folder: Path, plan: FilePlan, orders: int) -> None:
        self.name = plan.file
        self._broker = plan.file == DURABLE_ALWAYS
        self._connection = apsw.Connection(str(folder / f"{plan.file}.db"))
        # As the shop opens them: engine/broker/embedded_store.py the broker's, engine/database/sqlite.py the others.
        own = "locking_mode=EXCLUSIVE" if self._broker else f"wal_autocheckpoint={CHECKPOINT}"
        for pragma in (own, f"page_size={plan.page_size}", "journal_mode=WAL", "synchronous=FULL"):
            self._connection.execute(f"PRAGMA {pragma}")
        for statement in plan.schema:
            self._connection.execute(statement)
        tables = [_Table(self._connection, writes, orders) for writes in plan.writes]
        self._fill(tables)
        count = max(1, round(orders * plan.commits))
        self._commits = [_commit(tables, at, count) for at in range(count)]
        self._before = self._connection.total_changes()
        self.commits = 0

    @property
    def rows(self) -> int:
        """Rows that SQLite says were written."""
        return self._connection.total_changes() - self._before

    def run(self) -> None:
        """Writes everything, one commit after another."""
        connection, durable = self._connection, True
        for commit in self._commits:
            if self._broker and commit.durable != durable:
                durable = commit.durable
                connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            connection.execute("BEGIN IMMEDIATE")
            for text, rows in commit.statements:
                connection.executemany(text, rows)
            connection.execute("COMMIT")
            self.commits += 1

    def close(self) -> None:
        """Closes the file."""
        self._connection.close()

    def _fill(self, tables: Sequence[_Table]) -> None:
        with self._connection:
            for one in tables:
                self._connection.executemany(one.insert, one.rows.there)


def run(plan: Plan) -> FloorFigures:
    """Does what the plan says; only the writing is measured."""
    files = [FileFloor(Path(plan.folder), one, plan.orders) for one in plan.files]
    cpu, began = time.process_time(), time.perf_counter()
    in_threads([file.run for file in files])
    seconds, used = time.perf_counter() - began, time.process_time() - cpu
    figures = FloorFigures(
        plan.orders,
        used,
        seconds,
        {file.name: file.rows for file in files},
        {file.name: file.commits for file in files},
    )
    for file in files:
        file.close()
    return figures


def in_threads(works: Sequence[Callable[[], None]]) -> None:
    """Does all of it at once, and raises the first failure."""
    failures: list[BaseException] = []

    def guarded(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for failure in failures:
        raise failure


def _commit(tables: Sequence[_Table], at: int, count: int) -> Commit:
    statements = [statement for one in tables for statement in one.statements(at, count)]
    return Commit(statements, any(text.startswith("INSERT") for text, _ in statements))


def _unique_columns(connection: apsw.Connection, table: str) -> tuple[int, ...]:
    """The first column of each unique index."""
    indexes = [row[1] for row in connection.execute(f"PRAGMA index_list({table})") if row[2] and row[3] != "pk"]
    first = "SELECT cid FROM pragma_index_info(?) WHERE seqno = 0"
    return tuple(connection.execute(first, (index,)).get for index in indexes)


def main() -> None:
    """Runs a plan from a file, and writes what came of it to another."""
    given, result = Path(sys.argv[1]), Path(sys.argv[2])
    figures = run(msgspec.msgpack.decode(given.read_bytes(), type=Plan))
    draft = result.with_suffix(".new")
    draft.write_bytes(msgspec.msgpack.encode(figures))
    draft.rename(result)


if __name__ == "__main__":
    main()
