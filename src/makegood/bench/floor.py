"""The floor under an order: the same rows in the same files, in as many commits, by raw SQL alone.

    python -m makegood.bench.floor PLAN RESULT

Nothing is read, decided, sent or answered; rows are made beforehand. A thread for each file writes as fast as the
disk lets it, since the shop too commits in its files at the same time.
"""

import sys
import threading
import time
from collections.abc import Callable, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import apsw
import msgspec

from makegood.bench.plan import DURABLE_ALWAYS, FilePlan, FloorFigures, Plan, Writes
from makegood.engine.database.sqlite import CHECKPOINT

SHORT_TEXT = 16
"""Characters from which on a made-up text key is a hash, as far apart from the last as the shop's."""
Row = tuple[Any, ...]
Statement = tuple[str, list[Row]]


class Commit(msgspec.Struct, frozen=True):
    """What one commit runs; `durable`: it is flushed to the disk."""

    statements: list[Statement]
    durable: bool


class _Table:
    """The statements of a table, and fresh rows like its sample."""

    def __init__(self, connection: apsw.Connection, writes: Writes) -> None:
        about = connection.execute(f"PRAGMA table_info({writes.table})").fetchall()
        columns = [f'"{row[1]}"' for row in about]
        self.writes = writes
        self._key = [at for _, at in sorted((row[5], at) for at, row in enumerate(about) if row[5])]
        self._fresh = {self._key[0], *_unique_columns(connection, writes.table)}
        rest = [at for at in range(len(columns)) if at not in self._key]
        # An update that changes nothing writes its row all the same: any column does.
        self._changing = [at for at in writes.changed if at in rest] or rest[-1:]
        marks = ", ".join("?" for _ in columns)
        match = " AND ".join(f"{columns[at]} = ?" for at in self._key)
        change = ", ".join(f"{columns[at]} = ?" for at in self._changing)
        self.insert = f"INSERT INTO {writes.table} ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608 - from the schema
        self.update = f"UPDATE {writes.table} SET {change} WHERE {match}"  # noqa: S608
        self.delete = f"DELETE FROM {writes.table} WHERE {match}"  # noqa: S608

    def row(self, number: int) -> Row:
        """A new row like the sample: what must be unique is."""
        sample = self.writes.sample
        return tuple(_fresh(value, number) if at in self._fresh else value for at, value in enumerate(sample))

    def key_of(self, row: Row) -> Row:
        """What finds the row."""
        return tuple(row[at] for at in self._key)

    def changed(self, row: Row, number: int) -> Row:
        """The parameters that change what the shop changes; numbers differ each time, as nothing is written else."""
        return (*(self._changed_value(row, at, number) for at in self._changing), *self.key_of(row))

    def _changed_value(self, row: Row, at: int, number: int) -> Any:
        value = (self.writes.newest or row)[at]
        if at in self._fresh:
            return row[at]
        return _fresh(value, number) if isinstance(value, int) else value


class _Rows:
    """The rows of one table through a whole run, in the order in which they come, change and go."""

    def __init__(self, table: _Table, orders: int) -> None:
        writes = table.writes
        self.table = table
        self.inserted, self.updated, self.deleted = (
            round(orders * each) for each in (writes.inserted, writes.updated, writes.deleted)
        )
        # Rows that go are none of those that change, or a change might come too late to find its row.
        follows = self.inserted >= self.updated / 2 and not self.deleted
        kept = 0 if follows else min(max(1, writes.keys), self.updated)
        there = [table.row(number) for number in range(kept + max(0, self.deleted - self.inserted))]
        self.there = there
        self._new = [table.row(len(there) + number) for number in range(self.inserted)]
        self._changing = self._new if follows else there[:kept]
        self._going = there[kept:] + self._new
        self._step = len(self._new) / self.updated if follows and self.updated else 1.0

    def statements(self, commit: int, commits: int) -> list[Statement]:
        """This commit's part of the whole."""
        table = self.table
        new = [self._new[at] for at in _early_part(self.inserted, commit, commits)]
        changed = [table.changed(self._row_to_change(at), at) for at in _part(self.updated, commit, commits)]
        gone = [table.key_of(self._going[at]) for at in _part(self.deleted, commit, commits)]
        found = [(table.insert, new), (table.update, changed), (table.delete, gone)]
        return [(text, rows) for text, rows in found if rows]

    def _row_to_change(self, at: int) -> Row:
        return self._changing[int(at * self._step) % len(self._changing)]


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
        rows = [_Rows(_Table(self._connection, writes), orders) for writes in plan.writes]
        self._fill(rows)
        count = max(1, round(orders * plan.commits))
        self._commits = [_commit(rows, at, count) for at in range(count)]
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

    def _fill(self, rows: Sequence[_Rows]) -> None:
        with self._connection:
            for one in rows:
                self._connection.executemany(one.table.insert, one.there)


def run(plan: Plan) -> FloorFigures:
    """Does what the plan says; only the writing is measured."""
    files = [FileFloor(Path(plan.folder), one, plan.orders) for one in plan.files]
    cpu, began = time.process_time(), time.perf_counter()
    _in_threads([file.run for file in files])
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


def _in_threads(works: Sequence[Callable[[], None]]) -> None:
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


def _commit(rows: Sequence[_Rows], at: int, count: int) -> Commit:
    statements = [statement for one in rows for statement in one.statements(at, count)]
    return Commit(statements, any(text.startswith("INSERT") for text, _ in statements))


def _part(total: int, at: int, count: int) -> range:
    return range(total * at // count, total * (at + 1) // count)


def _early_part(total: int, at: int, count: int) -> range:
    """Ahead of `_part`: a row is there when it is changed."""
    return range(-(-total * at // count), -(-total * (at + 1) // count))


def _unique_columns(connection: apsw.Connection, table: str) -> set[int]:
    """The first column of each unique index."""
    indexes = [row[1] for row in connection.execute(f"PRAGMA index_list({table})") if row[2] and row[3] != "pk"]
    first = "SELECT cid FROM pragma_index_info(?) WHERE seqno = 0"
    return {connection.execute(first, (index,)).get for index in indexes}


def _fresh(value: Any, number: int) -> Any:
    match value:
        case int():
            return value + 1 + number
        case str() if len(value) >= SHORT_TEXT:
            return blake2b(number.to_bytes(8, "big"), digest_size=64).hexdigest()[: len(value)]
        case str():
            return f"{number:0{len(value)}}"
        case _:
            return value


def main() -> None:
    """Runs a plan from a file, and writes what came of it to another."""
    given, result = Path(sys.argv[1]), Path(sys.argv[2])
    figures = run(msgspec.msgpack.decode(given.read_bytes(), type=Plan))
    draft = result.with_suffix(".new")
    draft.write_bytes(msgspec.msgpack.encode(figures))
    draft.rename(result)


if __name__ == "__main__":
    main()
