"""The verbs on MySQL: one statement for a batch, and writes that wait for the next round trip."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from makegood.engine.database.base import BaseTransaction
from makegood.engine.database.ids import IdSource
from makegood.engine.database.mysql.connection import MysqlConnection, Rows
from makegood.engine.database.mysql.statements import sql_of
from makegood.engine.database.table import Table
from makegood.engine.errors import DatabaseError
from makegood.engine.world import World

R = TypeVar("R", bound=msgspec.Struct)
K = TypeVar("K", bound="str | int | tuple[Any, ...]")

PACKET = 1024 * 1024
"""Bytes of waiting writes from which on they are sent at once."""


class MysqlTransaction(BaseTransaction):
    """A transaction on one connection. `reads`: a query, which has a snapshot and writes nothing.

    Writes wait: they leave with the next read, or with the commit, in one packet. So a duplicate key shows there, and
    not in the verb. After an error nothing more is run, whoever catches it.
    """

    def __init__(self, connection: MysqlConnection, world: World, ids: IdSource, *, reads: bool = False) -> None:
        super().__init__(world, ids)
        self._connection = connection
        self._reads = reads
        self._waiting: list[bytes] = []
        self._size = 0
        self._failure: BaseException | None = None
        self.begun = False
        """Whether the server knows of it."""

    def select(self, table: Table[R, K], keys: Iterable[K]) -> dict[K, R]:
        """The rows that exist, by key, in key order."""
        return self._by_key(table, sql_of(table).select(sorted(set(keys))))

    def select_by(self, table: Table[R, K], column: str, values: Iterable[str | int]) -> list[R]:
        """The rows whose (indexed) column has one of these values; in the order of value, then of key."""
        return self._rows(table, sql_of(table).select_by(column, sorted(set(values))))  # type: ignore[type-var]

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
        return self._rows(table, [sql_of(table).page(where or {}, after, limit, down=descending)])

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
        return self._rows(table, [sql_of(table).due(column, until, where or {}, limit)])

    def lock(self, table: Table[R, K], keys: Iterable[K]) -> dict[K, R]:
        """As `select`, and nobody else can change these rows before this transaction ends."""
        self._refuse_queries()
        found = self._by_key(table, sql_of(table).lock(sorted(set(keys))))
        self._claim(table.name, list(found))
        return found

    def insert(self, table: Table[R, K], rows: Sequence[R]) -> None:
        """Adds rows, in key order; a key that exists is found out at the next round trip."""
        if rows:
            self._refuse_queries()
            keys = [table.key_of(row) for row in rows]
            self._claim(table.name, keys)
            in_order = sorted(range(len(rows)), key=keys.__getitem__)  # type: ignore[arg-type]
            self._keep(sql_of(table).insert([rows[at] for at in in_order]))

    def update(self, table: Table[R, K], rows: Iterable[R]) -> None:
        """Writes the changing columns of rows that were locked or inserted in this transaction."""
        changed = {table.key_of(row): row for row in rows}
        self._require(table.name, list(changed))
        self._keep(sql_of(table).update(changed.values()))

    def delete(self, table: Table[R, K], keys: Iterable[K]) -> None:
        """Removes rows that were locked in this transaction."""
        gone = sorted(set(keys))
        self._require(table.name, gone)
        self._keep(sql_of(table).delete(gone))

    def discard(self, table: Table[R, K], keys: Sequence[K]) -> None:
        """Removes rows unseen; only for rows that nobody but this process touches."""
        if keys:
            self._refuse_queries()
            self._keep(sql_of(table).delete(sorted(set(keys))))

    def commit(self) -> None:
        """Sends what waits and commits, in one round trip; nothing happens if nothing was done."""
        if self.begun or self._waiting:
            self._send([b"COMMIT"])

    def _keep(self, statements: Iterable[bytes]) -> None:
        for statement in statements:
            if self._waiting and self._size + len(statement) > PACKET:
                self._send([])
            self._waiting.append(statement)
            self._size += len(statement) + 1

    def _by_key(self, table: Table[R, K], statements: Sequence[bytes]) -> dict[K, R]:
        row, key_in = table.row, sql_of(table).key_in
        found = [(key_in(values), values) for rows in self._read(statements) for values in rows]
        found.sort()  # by the key alone, of which no two are the same
        return {key: row(*values) for key, values in found}

    def _rows(self, table: Table[R, Any], statements: Sequence[bytes]) -> list[R]:
        row = table.row
        return [row(*values) for rows in self._read(statements) for values in rows]

    def _read(self, statements: Sequence[bytes]) -> list[Rows]:
        return self._send(statements) if statements else []

    def _send(self, statements: Sequence[bytes]) -> list[Rows]:
        if self._failure is not None:
            raise DatabaseError(f"this transaction has failed already: {self._failure}") from self._failure
        packet = b";".join([*self._waiting, *statements])
        self._waiting, self._size = [], 0
        self.begun = True
        try:
            return self._connection.execute(packet)
        except BaseException as error:
            self._failure = error
            raise

    def _refuse_queries(self) -> None:
        if self._reads:
            raise DatabaseError("a query cannot write or lock: make it an operation, a listener or a sweep")
