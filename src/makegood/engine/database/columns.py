"""The few column types there are, alike in the tables and in their migrations."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

Type = sa.types.TypeEngine[Any]

UTF8_BYTES = 4
"""Most bytes of a character."""


def integer() -> Type:
    """64 bits; in SQLite INTEGER, so that an integer key is the row id itself."""
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def text(length: int) -> Type:
    """At most `length` characters, compared byte by byte, so case, accents and blanks at the end differ.

    On MySQL it is the text's UTF-8 as VARBINARY, since no collation does that on every server: utf8mb4_bin takes 'a'
    and 'a ' for one key, MariaDB alone has utf8mb4_nopad_bin, and MySQL 8 alone utf8mb4_0900_bin.
    """
    return sa.String(length).with_variant(sa.VARBINARY(UTF8_BYTES * length), "mysql")


def long_text() -> Type:
    """Text that is never looked up; at most 16 MiB on MySQL, whose plain TEXT ends at 64 KiB."""
    return sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql")


def blob() -> Type:
    """Bytes; at most 16 MiB on MySQL, whose plain BLOB ends at 64 KiB, and a message's body may be 1 MiB."""
    return sa.LargeBinary().with_variant(mysql.MEDIUMBLOB(), "mysql")


def rendered(type_: Type) -> str:
    """How a migration writes the type."""
    match type_:
        case sa.Text():
            return "columns.long_text()"
        case sa.String(length=length):
            return f"columns.text({length})"
        case sa.BigInteger() | sa.Integer():
            return "columns.integer()"
        case sa.LargeBinary():
            return "columns.blob()"
        case _:
            raise TypeError(f"a migration cannot write {type_!r}: add it to the column types")
