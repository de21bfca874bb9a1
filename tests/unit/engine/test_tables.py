"""A struct is the row, the columns and the schema."""

from typing import Annotated, Any, Literal

import msgspec
import pytest
from sqlalchemy.dialects import mysql, sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from makegood.engine.database.table import Schema, Table

Name = Annotated[str, msgspec.Meta(max_length=64)]


class Good(msgspec.Struct):
    """Every kind of column."""

    sku: Name
    at: int
    state: Literal["NEW", "OLD"]
    picture: bytes
    title: str
    due_at: int | None
    nickname: Name | None


SCHEMA = Schema("goods")
GOODS = Table[Good, tuple[str, int]](
    SCHEMA, "goods", Good, key=("sku", "at"), unique=(("nickname",),), indexes=(("state", "due_at"),)
)


class Counter(msgspec.Struct):
    """A row with a number for its key."""

    id: int
    count: int


COUNTERS = Table[Counter, int](SCHEMA, "counters", Counter, key=("id",))


def ddl(name: str, dialect: Any) -> list[str]:
    """The statements that create a table, each on one line."""
    table = SCHEMA.metadata.tables[name]
    statements = [CreateTable(table), *(CreateIndex(index) for index in table.indexes)]
    return [" ".join(str(statement.compile(dialect=dialect)).split()) for statement in statements]


def test_sqlite() -> None:
    """SQLite gets integers, a clustered key unless it is a single number, and the indexes."""
    create, *indexes = ddl("goods", sqlite.dialect())
    assert "due_at INTEGER, nickname VARCHAR(64), PRIMARY KEY (sku, at) ) WITHOUT ROWID" in create
    assert "picture BLOB NOT NULL, title TEXT NOT NULL" in create
    assert sorted(indexes) == [
        "CREATE INDEX ix_goods_state_due_at ON goods (state, due_at)",
        "CREATE UNIQUE INDEX uq_goods_nickname ON goods (nickname)",
    ]
    assert "WITHOUT ROWID" not in ddl("counters", sqlite.dialect())[0]


def test_mysql() -> None:
    """MySQL gets 64-bit integers that do not count by themselves, texts as bytes, and room for a message's body."""
    [create, *_] = ddl("goods", mysql.dialect())
    assert "sku VARBINARY(256) NOT NULL" in create
    assert "state VARBINARY(44) NOT NULL" in create
    assert "picture MEDIUMBLOB NOT NULL, title MEDIUMTEXT NOT NULL" in create
    assert "at BIGINT NOT NULL" in create
    assert "AUTO_INCREMENT" not in ddl("counters", mysql.dialect())[0]


def test_key_of() -> None:
    """The key of a row is a value, or a tuple in the order of the key."""
    assert GOODS.key_of(Good("a", 7, "NEW", b"", "", None, None)) == ("a", 7)
    assert COUNTERS.key_of(Counter(3, 0)) == 3
    assert repr(GOODS) == "Table(goods)"


class Flag(msgspec.Struct):
    """A bool, which no two databases store alike."""

    id: int
    on: bool


class Price(msgspec.Struct):
    """A float, which is no money."""

    id: int
    price: float


class Endless(msgspec.Struct):
    """A text of any length."""

    name: str
    id: int


@pytest.mark.parametrize(
    ("row", "key", "unique", "message"),
    [
        (Flag, ("id",), (), "must be an int, a str or bytes"),
        (Price, ("id",), (), "must be an int, a str or bytes"),
        (Endless, ("name",), (), "name needs a max_length"),
        (Endless, ("id",), (("name",),), "name needs a max_length"),
        (Counter, ("id", "nothing"), (), "has no column 'nothing'"),
        (Counter, ("id",), (("nothing",),), "has no column 'nothing'"),
        (Counter, (), (), "needs a key"),
    ],
)
def test_refused(row: Any, key: tuple[str, ...], unique: tuple[tuple[str, ...], ...], message: str) -> None:
    """A column that databases store differently, or cannot index, is refused where it is declared."""
    with pytest.raises(TypeError, match=message):
        Table[Any, Any](Schema("bad"), "bad", row, key=key, unique=unique)
