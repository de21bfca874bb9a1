"""Tables as typed rows: one struct is the row in Python, the columns in SQL and the SQLAlchemy metadata.

A row is a mutable msgspec struct. Its annotations say the column: `int` is a 64-bit integer, `bytes` a blob,
`str` (or a `Literal` of strings) a text; `Annotated[str, Meta(max_length=n)]` a VARCHAR(n); `| None` nullable.
Key columns must have a length, because MySQL wants one; their collation is binary, so case and accents differ.
A field with a default is a column that came later: a text or a number has it in SQL as well.
"""

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any, Generic, TypeVar, cast

import msgspec
import sqlalchemy as sa
from msgspec import inspect

from makegood.engine.database import columns

R = TypeVar("R", bound=msgspec.Struct)
K = TypeVar("K", bound="str | int | tuple[Any, ...]")

MAX_KEYED_TEXT = 255
"""Longest text, in characters, that becomes a VARCHAR; longer ones are TEXT and cannot be a key."""


class Schema:
    """The tables of one service."""

    def __init__(self, service: str) -> None:
        self.service = service
        self.metadata = sa.MetaData()
        self.tables: dict[str, Table[Any, Any]] = {}


class Table(Generic[R, K]):
    """A table of rows `R` with primary key `K` (a value, or a tuple in the order of `key`).

    `changing` names the columns that an update writes, if not all but the key: what never changes need not be
    written again, nor its indexes.
    """

    def __init__(
        self,
        schema: Schema,
        name: str,
        row: type[R],
        *,
        key: Sequence[str],
        unique: Sequence[Sequence[str]] = (),
        indexes: Sequence[Sequence[str]] = (),
        changing: Sequence[str] | None = None,
    ) -> None:
        self.name = name
        self.row = row
        self.key: tuple[str, ...] = tuple(key)
        self.columns = tuple(field.name for field in msgspec.structs.fields(row))
        rest = [name for name in self.columns if name not in self.key]
        self.changing = tuple(rest if changing is None else changing)
        self._refuse_bad([self.key, *unique, *indexes])
        self.key_of = cast("Callable[[R], K]", attrgetter(*self.key))
        """The primary key of a row."""
        self._declare(schema, unique, indexes)

    def __repr__(self) -> str:
        return f"Table({self.name})"

    def _refuse_bad(self, keys: Sequence[Sequence[str]]) -> None:
        if not self.key:
            raise TypeError(f"{self.name} needs a key: name its columns")
        for name in [*(name for key in keys for name in key), *self.changing]:
            if name not in self.columns:
                raise TypeError(f"{self.name} has no column {name!r}: add it to {self.row.__name__}")
        for name in [name for key in keys for name in key]:
            kind = _column_type(_field_type(self.row, name))
            if isinstance(kind, inspect.StrType) and (kind.max_length or MAX_KEYED_TEXT + 1) > MAX_KEYED_TEXT:
                raise TypeError(f"{self.name}.{name} needs a max_length of at most {MAX_KEYED_TEXT}: it is indexed")

    def _declare(self, schema: Schema, unique: Sequence[Sequence[str]], indexes: Sequence[Sequence[str]]) -> None:
        schema.tables[self.name] = self
        columns = [_column(field, field.name in self.key) for field in msgspec.structs.fields(self.row)]
        table = sa.Table(self.name, schema.metadata, *columns, sqlite_with_rowid=not self._clustered())
        for names in unique:
            sa.Index(f"uq_{self.name}_{'_'.join(names)}", *(table.c[name] for name in names), unique=True)
        for names in indexes:
            sa.Index(f"ix_{self.name}_{'_'.join(names)}", *(table.c[name] for name in names))

    def _clustered(self) -> bool:
        """An integer key is SQLite's own row id; any other is best kept as the tree itself."""
        return len(self.key) > 1 or not isinstance(_field_type(self.row, next(iter(self.key))), inspect.IntType)


def _field_type(row: type[msgspec.Struct], name: str) -> inspect.Type:
    info = inspect.type_info(row)
    assert isinstance(info, inspect.StructType)
    return next(field.type for field in info.fields if field.name == name)


def _column(field: msgspec.structs.FieldInfo, is_key: bool) -> sa.Column[Any]:
    declared = inspect.type_info(field.type)
    kind = _column_type(declared)
    nullable = kind is not declared
    autoincrement = False if is_key else "auto"
    # A column that a migration adds to rows that are there already needs a value for them.
    default = str(field.default) if isinstance(field.default, str | int) else None
    return sa.Column(
        field.name,
        _sql_type(kind),
        primary_key=is_key,
        nullable=nullable,
        autoincrement=autoincrement,
        server_default=default,
    )


def _column_type(declared: inspect.Type) -> inspect.Type:
    """What is stored; the same object unless it may be NULL."""
    if not isinstance(declared, inspect.UnionType):
        return declared
    return next(one for one in declared.types if not isinstance(one, inspect.NoneType))


def _sql_type(kind: inspect.Type) -> columns.Type:
    match kind:
        case inspect.IntType():
            return columns.integer()
        case inspect.BytesType():
            return columns.blob()
        case inspect.StrType(max_length=length) if length is not None and length <= MAX_KEYED_TEXT:
            return columns.text(length)
        case inspect.StrType():
            return columns.long_text()
        case inspect.LiteralType(values=values):
            return columns.text(max(len(str(value)) for value in values) + 8)
        case _:
            raise TypeError(f"a row's field must be an int, a str or bytes, not {kind}")
