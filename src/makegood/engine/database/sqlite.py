"""SQLite, through apsw: a writer connection and two read-only ones, each on its own worker thread.

WAL, synchronous=FULL and BEGIN IMMEDIATE: what was answered is on disk, and one writer at a time decides.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar

import apsw
import msgspec

from makegood.engine.database.base import BaseTransaction
from makegood.engine.database.ids import IdSource
from makegood.engine.database.port import Work
from makegood.engine.database.table import Table
from makegood.engine.errors import DatabaseUnavailable, DuplicateKey
from makegood.engine.executor import Executor, Executors
from makegood.engine.world import World

R = TypeVar("R", bound=msgspec.Struct)
K = TypeVar("K", bound="str | int | tuple[Any, ...]")
T = TypeVar("T")

CHECKPOINT = 4_000
"""Pages in the log (16 MB) from which on a commit copies them into the database: the more, the more often each was
rewritten meanwhile, and the fewer flushes."""
BUSY_TIMEOUT = 5_000
"""Milliseconds to wait for another process's lock before DatabaseUnavailable."""

_UNAVAILABLE = (
    apsw.BusyError,
    apsw.LockedError,
    apsw.FullError,
    apsw.IOError,
    apsw.CantOpenError,
    apsw.NoMemError,
    apsw.InterruptError,
    apsw.ReadOnlyError,
    apsw.ConnectionClosedError,
    apsw.CorruptError,
    apsw.NotADBError,
    apsw.ProtocolError,
    apsw.PermissionsError,
    apsw.AbortError,
    apsw.InternalError,
)


_DUPLICATE = (apsw.SQLITE_CONSTRAINT_UNIQUE, apsw.SQLITE_CONSTRAINT_PRIMARYKEY, apsw.SQLITE_CONSTRAINT_ROWID)


class _Statements:
    """The SQL of one table's verbs, written once."""

    def __init__(self, table: Table[Any, Any]) -> None:
        columns = ", ".join(table.columns)
        match = " AND ".join(f"{column} = ?" for column in table.key)
        self.select = f"SELECT {columns} FROM {table.name}"
        self.by_key = f"{self.select} WHERE {match}"
        self.order = ", ".join(table.key)
        self.order_down = ", ".join(f"{column} DESC" for column in table.key)
        self.key = f"({self.order})"
        self.key_marks = f"({', '.join('?' for _ in table.key)})"
        self.insert = f"INSERT INTO {table.name} ({columns}) VALUES ({', '.join('?' for _ in table.columns)})"
        self.update = f"UPDATE {table.name} SET {', '.join(f'{c} = ?' for c in table.changing)} WHERE {match}"
        self.delete = f"DELETE FROM {table.name} WHERE {match}"
        self.update_at = [table.columns.index(name) for name in (*table.changing, *table.key)]


@lru_cache(maxsize=1024)
def _statements(table: Table[Any, Any]) -> _Statements:
    return _Statements(table)


class _Translated:
    """A block that raises the engine's errors for SQLite's; what is neither is a bug and passes through.

    A class and not a generator: every verb passes here, and a generator would cost it a microsecond and a half.
    """

    __slots__ = ()

    def __enter__(self) -> None:
        """Nothing to do."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if isinstance(error, apsw.ConstraintError) and getattr(error, "extendedresult", 0) in _DUPLICATE:
            raise DuplicateKey(str(error)) from error
        if isinstance(error, _UNAVAILABLE):
            raise DatabaseUnavailable(f"SQLite: {error}; check the disk and who else has the file open") from error


_translated = _Translated()


class SqliteTransaction(BaseTransaction):
    """The verbs in SQLite's best form: a statement compiled once and run for each row, without a round trip."""

    def __init__(self, connection: apsw.Connection, world: World, ids: IdSource) -> None:
        super().__init__(world, ids)
        self._connection = connection

    def select(self, table: Table[R, K], keys: Iterable[K]) -> dict[K, R]:
        """The rows that exist, by key, in key order."""
        ordered = sorted(set(keys))
        marks = _marks(table, ordered)
        if not marks:
            return {}
        rows = self._rows(table, _statements(table).by_key, marks)
        return {table.key_of(row): row for row in rows}

    def select_by(self, table: Table[R, K], column: str, values: Iterable[str | int]) -> list[R]:
        """The rows whose (indexed) column has one of these values; in the order of value, then of key."""
        sql = _statements(table)
        marks = [(value,) for value in sorted(set(values))]  # type: ignore[type-var]
        if not marks:
            return []
        text = f"{sql.select} WHERE {column} = ? ORDER BY {sql.order}"
        return self._rows(table, text, marks)

    def page(
        self,
        table: Table[R, K],
        *,
        where: Mapping[str, str | int] | None = None,
        after: K | None = None,
        descending: bool = False,
        limit: int,
    ) -> list[R]:
        """At most `limit` rows in key order behind `after`; `where` columns should be an index's beginning."""
        sql = _statements(table)
        conditions = [f"{column} = ?" for column in where or {}]
        marks: list[Any] = list((where or {}).values())
        if after is not None:
            conditions.append(f"{sql.key} {'<' if descending else '>'} {sql.key_marks}")
            marks.extend(after if isinstance(after, tuple) else (after,))
        condition = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        text = f"{sql.select}{condition} ORDER BY {sql.order_down if descending else sql.order} LIMIT ?"
        return self._rows(table, text, [(*marks, limit)])

    def due(
        self,
        table: Table[R, K],
        column: str,
        until: int,
        limit: int,
        where: Mapping[str, str | int] | None = None,
    ) -> list[R]:
        """At most `limit` rows whose `column` is not NULL and at most `until`, the oldest first.

        The columns of `where`, then `column`, should be an index.
        """
        conditions = " AND ".join([*(f"{name} = ?" for name in where or {}), f"{column} <= ?"])
        sql = _statements(table)
        text = f"{sql.select} WHERE {conditions} ORDER BY {column}, {sql.order} LIMIT ?"
        return self._rows(table, text, [(*(where or {}).values(), until, limit)])

    def lock(self, table: Table[R, K], keys: Iterable[K]) -> dict[K, R]:
        """As `select`; the whole database is this transaction's already, so it only takes note."""
        found = self.select(table, keys)
        self._claim(table.name, list(found))
        return found

    def insert(self, table: Table[R, K], rows: Sequence[R]) -> None:
        """Adds rows; raises DuplicateKey when one exists, whereupon the whole batch runs again."""
        if rows:
            with _translated:
                self._connection.executemany(_statements(table).insert, map(msgspec.structs.astuple, rows))
            self._claim(table.name, [table.key_of(row) for row in rows])

    def update(self, table: Table[R, K], rows: Iterable[R]) -> None:
        """Writes the changing columns of rows that were locked or inserted in this transaction."""
        changed = list(rows)
        if not changed:
            return
        self._require(table.name, [table.key_of(row) for row in changed])
        sql = _statements(table)
        values = [msgspec.structs.astuple(row) for row in changed]
        with _translated:
            self._connection.executemany(sql.update, [[row[at] for at in sql.update_at] for row in values])

    def delete(self, table: Table[R, K], keys: Iterable[K]) -> None:
        """Removes rows that were locked in this transaction."""
        gone = list(keys)
        if not gone:
            return
        self._require(table.name, gone)
        with _translated:
            self._connection.executemany(_statements(table).delete, _marks(table, gone))

    def discard(self, table: Table[R, K], keys: Sequence[K]) -> None:
        """Removes rows unseen; only for rows that nobody but this process touches."""
        if keys:
            with _translated:
                self._connection.executemany(_statements(table).delete, _marks(table, list(keys)))

    def _rows(self, table: Table[R, Any], text: str, marks: Sequence[Any]) -> list[R]:
        row = table.row
        with _translated:  # the first row is read by executemany itself
            return [row(*values) for values in self._connection.executemany(text, marks)]


class Connections(NamedTuple):
    """The connections to one database, each used on one thread at a time."""

    writer: apsw.Connection
    reader: apsw.Connection
    surveyor: apsw.Connection


class SqliteDatabase:
    """One service's database: a file with three connections, or one connection in memory."""

    def __init__(
        self, connections: Connections, world: World, executors: Executors, *, owns_connections: bool = True
    ) -> None:
        self.ids = IdSource(world)
        self._owns_connections = owns_connections
        self._world = world
        self._connections = connections
        self._writer = connections.writer
        self._executors = executors

    @classmethod
    def open(cls, path: Path, world: World, executors: Executors) -> Self:
        """A database file that has been migrated; raises DatabaseUnavailable when it cannot be opened."""
        with _translated:
            connections = Connections(_connect(path), _connect(path, reads=True), _connect(path, reads=True))
            return cls(connections, world, executors)

    @classmethod
    def in_memory(cls, world: World, executor: Executor, connection: apsw.Connection) -> Self:
        """A database over one connection, which outlives this object as a disk outlives a process."""
        connections = Connections(connection, connection, connection)
        return cls(connections, world, Executors.all(executor), owns_connections=False)

    async def write(self, work: Work[T]) -> T:
        """Runs `work` in a transaction; when this returns its effect is on disk."""
        return await self._executors.write.run(lambda: self.transact(work))

    async def read(self, work: Work[T]) -> T:
        """Runs `work` on a snapshot that sees every commit made before."""
        return await self._executors.read.run(lambda: self.look(work))

    async def survey(self, work: Work[T]) -> T:
        """As `read`, for what takes long: queries do not wait for it."""
        return await self._executors.survey.run(lambda: self._look(self._connections.surveyor, work))

    def transact(self, work: Work[T]) -> T:
        """The same as `write`, on the calling thread."""
        self._abandon(self._writer)
        with _translated:
            self._writer.execute("BEGIN IMMEDIATE")
        try:
            answer = work(self.transaction_on(self._writer))
            with _translated:
                self._writer.execute("COMMIT")
        except BaseException:
            self._abandon(self._writer)
            raise
        return answer

    def look(self, work: Work[T]) -> T:
        """The same as `read`, on the calling thread."""
        return self._look(self._connections.reader, work)

    def transaction_on(self, connection: apsw.Connection) -> SqliteTransaction:
        """The verbs for a transaction that has just begun on this connection."""
        return SqliteTransaction(connection, self._world, self.ids)

    def close(self) -> None:
        """Waits for what is running and closes the files; a connection that was passed in stays open."""
        self._executors.close()
        if self._owns_connections:
            for connection in reversed(self._connections):
                connection.close()

    def _look(self, connection: apsw.Connection, work: Work[T]) -> T:
        self._abandon(connection)
        with _translated:
            connection.execute("BEGIN")
        try:
            return work(self.transaction_on(connection))
        finally:
            self._abandon(connection)

    def _abandon(self, connection: apsw.Connection) -> None:
        """Rolls back what failed now, or what a roll-back that failed or a process that died left open."""
        if connection.in_transaction:
            with _translated:
                connection.execute("ROLLBACK")


def _marks(table: Table[Any, Any], keys: list[Any]) -> list[tuple[Any, ...]]:
    return keys if len(table.key) > 1 else [(key,) for key in keys]


def _connect(path: Path, *, reads: bool = False) -> apsw.Connection:
    connection = apsw.Connection(str(path))
    connection.set_busy_timeout(BUSY_TIMEOUT)
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        f"wal_autocheckpoint={CHECKPOINT}",
        f"query_only={int(reads)}",
    ):
        connection.execute(f"PRAGMA {pragma}")
    return connection
