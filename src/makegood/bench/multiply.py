"""Makes many orders of one: the rows that the shop itself wrote for it, with other ids, buyers and goods in them.

Whatever the shop writes for an order is multiplied as it is, so its tables may change and this stays true. Of a row's
values these differ from copy to copy: ids, in numbers and inside texts; names of buyers, SKUs and coupons; the
platform's numbers; and what is unique and random, which stays random. SQLite makes the rows itself.
"""

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import apsw

STEP = 4_194_301
"""By how much the ids of one copy are below those of the last: a prime, so that the ids of an order stay apart."""
LEAST_ID = 1 << 50
"""Numbers from here on are ids: all amounts are less, and so are times in milliseconds."""
CHUNK = 20_000
"""Copies made in one commit."""
CACHE_KIB = 200_000
NUMBERS = "WITH RECURSIVE copy(i) AS (SELECT :first UNION ALL SELECT i + 1 FROM copy WHERE i < :last)"
TOKEN = re.compile(r"\d{28}|\d{17,19}|buyer-\d{4}|sku-0\b|one-\d")
"""What differs inside a text: a platform's number, an id, a buyer, the SKU, the coupon."""

OnRows = Callable[[int], None]
Value = str | int | bytes | float | None


class Copies(NamedTuple):
    """Copies `first` to `last`; copy N is of buyer N modulo `buyers`, and of SKU N modulo `skus`."""

    first: int
    last: int
    buyers: int
    skus: int


def multiply(
    path: Path, tables: Sequence[str], copies: Copies, on_rows: OnRows, *, counted: Collection[str] = ()
) -> None:
    """Adds copies of every row that these tables hold now; the program they belong to is stopped.

    A table may be followed by WHERE and a condition. `counted` columns hold small numbers that count up with the
    copies. `on_rows` hears of copies as they are made.
    """
    connection = apsw.Connection(str(path))
    try:
        for pragma in ("synchronous=OFF", f"cache_size=-{CACHE_KIB}"):
            connection.execute(f"PRAGMA {pragma}")
        inserts = [text for table in tables for text in _inserts(connection, table, copies, counted)]
        for first in range(copies.first, copies.last + 1, CHUNK):
            last = min(copies.last, first + CHUNK - 1)
            with connection:
                for text in inserts:
                    connection.execute(text, {"first": first, "last": last})
            on_rows(last - first + 1)
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        connection.close()


def copied_id(number: int, copy: int) -> int:
    """The id in a copy that stands for this one."""
    return number - copy * STEP


def _inserts(connection: apsw.Connection, source: str, copies: Copies, counted: Collection[str]) -> Iterator[str]:
    table = source.partition(" WHERE ")[0]
    columns = [str(row[1]) for row in connection.execute(f"PRAGMA table_info({table})")]
    unique = _unique(connection, table)
    names = ", ".join(f'"{column}"' for column in columns)
    for row in connection.execute(f"SELECT {names} FROM {source}").fetchall():  # noqa: S608 - from the schema
        values = ", ".join(
            f"{value!r} + i" if column in counted else _expression(value, copies, random=column in unique)
            for column, value in zip(columns, row, strict=True)
        )
        yield f"{NUMBERS} INSERT INTO {table} ({names}) SELECT {values} FROM copy"  # noqa: S608 - from the schema


def _expression(value: Any, copies: Copies, *, random: bool) -> str:
    """The SQL of this value in copy `i`."""
    match value:
        case bytes():
            return f"CAST({_text(value.decode(), copies, random=False)} AS BLOB)"
        case str():
            return _text(value, copies, random=random)
        case int() if value >= LEAST_ID:
            return f"{value} - i * {STEP}"
        case None:
            return "NULL"
        case _:
            return repr(value)


def _text(value: str, copies: Copies, *, random: bool) -> str:
    parts: list[str] = []
    end = 0
    for token in TOKEN.finditer(value):
        parts += [_quoted(value[end : token.start()]), _token(token[0], copies)]
        end = token.end()
    if not parts and random:
        return f"lower(substr(hex(randomblob({len(value)})), 1, {len(value)}))"
    return " || ".join([*parts, _quoted(value[end:])])


def _token(token: str, copies: Copies) -> str:
    if token.startswith("buyer-"):
        return f"printf('buyer-%04d', i % {copies.buyers})"
    if token.startswith("sku-"):
        return f"printf('sku-%d', i % {copies.skus})"
    if token.startswith("one-"):
        return f"{_quoted(token)} || '-' || i"
    if len(token) == 28:  # the platform's: its last nine digits count
        return f"{_quoted(token[:19])} || printf('%09d', {int(token[19:])} + i)"
    return f"({token} - i * {STEP})"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _unique(connection: apsw.Connection, table: str) -> set[str]:
    """The columns that are unique by themselves."""
    indexes = [str(row[1]) for row in connection.execute(f"PRAGMA index_list({table})") if row[2]]
    columns = [connection.execute("SELECT name FROM pragma_index_info(?)", (index,)).fetchall() for index in indexes]
    return {str(names[0][0]) for names in columns if len(names) == 1}
