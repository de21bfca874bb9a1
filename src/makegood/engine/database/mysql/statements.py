"""The SQL of the verbs, as bytes: values are written into it at once, since rows may change after the verb.

Forms that were measured and looked at with EXPLAIN (MariaDB 10.11):

- Many rows change in one UPDATE with a CASE for each column that is not the same for all: half the server's work of a
  derived table of new values, a third of single statements. INSERT … ON DUPLICATE KEY UPDATE costs as much and would
  change *another* row when a unique value is taken.
- `(a, b) IN ((1, 2))` with a single tuple scans the table, with two it does not: so one key is written with `=`.
  `(a, b) > (1, 2)` walks all of the index: so it is written out.
- FORCE INDEX (PRIMARY) where rows are locked: on a small table the optimizer would rather read, and lock, all of it,
  and two processes wait for each other's rows. DELETE has no such hint; there LIMIT makes the index the cheaper way
  as soon as the table has more rows than are to go.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any

import msgspec
from MySQLdb import string_literal

from makegood.engine.database.table import Table

KEYS = 256
"""Most keys in one statement: from 1,000 on MariaDB makes a subquery of them."""
CHANGES = 128
"""Most rows in one UPDATE: each CASE is searched from its beginning."""
SIZE = 256 * 1024
"""Bytes of values from which on a statement takes no further row."""


def literal(value: object) -> bytes:
    """A value as SQL. Raises TypeError for what no row may hold, ValueError for text that is not Unicode."""
    kind = type(value)
    if kind is int:
        return b"%d" % value
    if kind is str:
        return string_literal(value)  # type: ignore[arg-type]
    if value is None:
        return b"NULL"
    if kind is bytes:
        return b"_binary" + string_literal(value)  # type: ignore[arg-type]
    raise TypeError(f"a row holds int, str, bytes or None, not {value!r}")


class TableSql:
    """The SQL of one table."""

    def __init__(self, table: Table[Any, Any]) -> None:
        self._key = [_name(column) for column in table.key]
        self._key_at = [table.columns.index(column) for column in table.key]
        self.key_in = itemgetter(*self._key_at)
        """The key of a row that is still a tuple."""
        self._changing = [(_name(column), table.columns.index(column)) for column in table.changing]
        self._name = _name(table.name)
        self._single = len(table.key) == 1
        columns = b", ".join(_name(column) for column in table.columns)
        self._select = b"SELECT %s FROM %s" % (columns, self._name)
        self._by_key = self._select + b" FORCE INDEX (PRIMARY) WHERE "
        self._insert = b"INSERT INTO %s (%s) VALUES " % (self._name, columns)
        self._order = b", ".join(self._key)
        self._order_down = b", ".join(column + b" DESC" for column in self._key)

    def select(self, keys: Sequence[Any], tail: bytes = b"") -> list[bytes]:
        """The rows with these (different) keys, in key order."""
        return [b"%s%s%s" % (self._by_key, self._are_in(some), tail) for some in _parts(keys, KEYS)]

    def lock(self, keys: Sequence[Any]) -> list[bytes]:
        """The same rows, from now on this transaction's."""
        return self.select(keys, b" ORDER BY %s FOR UPDATE" % self._order)

    def select_by(self, column: str, values: Sequence[Any]) -> list[bytes]:
        """The rows with one of these (different) values, in the order of value, then key."""
        name = _name(column)
        text = b"%s WHERE %s IN (%%s) ORDER BY %s, %s" % (self._select, name, name, self._order)
        return [text % b", ".join(map(literal, some)) for some in _parts(values, KEYS)]

    def page(self, where: Mapping[str, Any], after: Any, limit: int, *, down: bool) -> bytes:
        """At most `limit` rows in key order behind `after`."""
        conditions = _equal(where)
        if after is not None:
            conditions.append(self._is_behind(after if isinstance(after, tuple) else (after,), b"<" if down else b">"))
        return self._limited(conditions, self._order_down if down else self._order, limit)

    def due(self, column: str, until: int, where: Mapping[str, Any], limit: int) -> bytes:
        """At most `limit` rows whose column is at most `until`, the oldest first."""
        conditions = [*_equal(where), b"%s <= %s" % (_name(column), literal(until))]
        return self._limited(conditions, b"%s, %s" % (_name(column), self._order), limit)

    def insert(self, rows: Sequence[msgspec.Struct]) -> Iterator[bytes]:
        """Adds these rows."""
        written = [b"(%s)" % b", ".join(map(literal, msgspec.structs.astuple(row))) for row in rows]
        for some in _sized(written, map(len, written), len(rows)):
            yield self._insert + b", ".join(some)

    def update(self, rows: Iterable[msgspec.Struct]) -> Iterator[bytes]:
        """Writes the changing columns of these (different) rows."""
        written = [self._written(msgspec.structs.astuple(row)) for row in rows]
        sizes = (sum(map(len, new)) for _, new in written)
        for some in _sized(written, sizes, CHANGES) if self._changing else ():
            keys = [key for key, _ in some]
            whens = [b" WHEN %s THEN " % self._when(key) for key in keys]
            columns = zip(self._changing, zip(*(new for _, new in some), strict=True), strict=True)
            sets = b", ".join(self._set(name, whens, values) for (name, _), values in columns)
            yield b"UPDATE %s FORCE INDEX (PRIMARY) SET %s WHERE %s" % (self._name, sets, self._match(keys))

    def delete(self, keys: Sequence[Any]) -> list[bytes]:
        """Removes the rows with these (different) keys."""
        text = b"DELETE FROM %s WHERE %%s LIMIT %%d" % self._name
        return [text % (self._are_in(some), len(some)) for some in _parts(keys, KEYS)]

    def _written(self, values: Sequence[Any]) -> tuple[list[bytes], list[bytes]]:
        """The key, and what changes."""
        return [literal(values[at]) for at in self._key_at], [literal(values[at]) for _, at in self._changing]

    def _are_in(self, keys: Sequence[Any]) -> bytes:
        if self._single:
            return self._match([[literal(key)] for key in keys])
        return self._match([[literal(part) for part in key] for key in keys])

    def _match(self, keys: Sequence[Sequence[bytes]]) -> bytes:
        if len(keys) == 1:
            return b" AND ".join(b"%s = %s" % pair for pair in zip(self._key, keys[0], strict=True))
        if self._single:
            return b"%s IN (%s)" % (self._key[0], b", ".join(key[0] for key in keys))
        return b"(%s) IN (%s)" % (self._order, b", ".join(b"(%s)" % b", ".join(key) for key in keys))

    def _when(self, key: Sequence[bytes]) -> bytes:
        if self._single:
            return key[0]
        return b" AND ".join(b"%s = %s" % pair for pair in zip(self._key, key, strict=True))

    def _set(self, name: bytes, whens: Sequence[bytes], values: Sequence[bytes]) -> bytes:
        if len(set(values)) == 1:
            return b"%s = %s" % (name, values[0])
        subject = b" " + self._key[0] if self._single else b""
        cases = b"".join(when + value for when, value in zip(whens, values, strict=True))
        return b"%s = CASE%s%s END" % (name, subject, cases)

    def _is_behind(self, key: Sequence[Any], sign: bytes) -> bytes:
        """(a, b) > (1, 2) as a > 1 OR (a = 1 AND b > 2)."""
        ways: list[bytes] = []
        same: list[bytes] = []
        for column, value in zip(self._key, key, strict=True):
            written = literal(value)
            ways.append(b" AND ".join([*same, b"%s %s %s" % (column, sign, written)]))
            same.append(b"%s = %s" % (column, written))
        return b"(%s)" % b" OR ".join(b"(%s)" % way for way in ways)

    def _limited(self, conditions: Sequence[bytes], order: bytes, limit: int) -> bytes:
        where = b" WHERE " + b" AND ".join(conditions) if conditions else b""
        return b"%s%s ORDER BY %s LIMIT %d" % (self._select, where, order, limit)


@lru_cache(maxsize=1024)
def sql_of(table: Table[Any, Any]) -> TableSql:
    """The table's SQL, made once."""
    return TableSql(table)


def _name(name: str) -> bytes:
    return b"`%s`" % name.encode()


def _equal(where: Mapping[str, Any]) -> list[bytes]:
    return [b"%s = %s" % (_name(name), literal(value)) for name, value in where.items()]


def _parts(keys: Sequence[Any], most: int) -> Iterator[Sequence[Any]]:
    for first in range(0, len(keys), most):
        yield keys[first : first + most]


def _sized(rows: Sequence[Any], sizes: Iterable[int], most: int) -> Iterator[Sequence[Any]]:
    """The rows in parts of at most `most`, each ended by the row with which it reaches SIZE bytes."""
    first = total = 0
    for at, size in enumerate(sizes):
        total += size
        if total >= SIZE or at + 1 - first == most:
            yield rows[first : at + 1]
            first, total = at + 1, 0
    if first < len(rows):
        yield rows[first:]
