"""The few column types there are, alike in the tables and in their migrations."""

from typing import Any

import sqlalchemy as sa

Type = sa.types.TypeEngine[Any]


def integer() -> Type:
    """64 bits; in SQLite INTEGER, so that an integer key is the row id itself."""
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def text(length: int) -> Type:
    """At most `length` characters, compared byte by byte, so case and accents differ."""
    return sa.String(length).with_variant(sa.String(length, collation="utf8mb4_bin"), "mysql")


def long_text() -> Type:
    """Text that is never looked up."""
    return sa.Text()


def blob() -> Type:
    """Bytes."""
    return sa.LargeBinary()


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
