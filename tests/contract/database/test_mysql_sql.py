"""The SQL that is sent to MySQL: its values come back, it walks along indexes, and it is cut into packets."""

import re
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from makegood.engine.database.mysql import MysqlDatabase
from makegood.engine.database.mysql.statements import CHANGES, KEYS, TableSql, literal, sql_of
from makegood.engine.database.port import Database
from makegood.engine.database.table import Schema, Table
from makegood.engine.database.transaction import Transaction
from makegood.engine.executor import Executors, InlineExecutor
from tests.contract.database.mysql_server import MysqlPlace
from tests.contract.database.tables import COUNTERS, ITEMS, LINES, Counter, Item, Line
from tests.support.world import ManualWorld

pytestmark = pytest.mark.cluster
WORD = 1 << 63
MANY = 700


@pytest.fixture
def mysql(place: MysqlPlace) -> MysqlDatabase:
    """A database on this thread."""
    return place.open(ManualWorld(), Executors.all(InlineExecutor()))


def explained(place: MysqlPlace, statement: bytes) -> list[dict[str, Any]]:
    """How the server would go about it."""
    names = ("id", "select_type", "table", "type", "possible_keys", "key", "key_len", "ref", "rows", "Extra")
    return [dict(zip(names, row, strict=True)) for row in place.query(f"EXPLAIN {statement.decode()}")]


def item(number: int) -> Item:
    """One of many."""
    return Item(f"s{number:04d}", number % 50, "OLD" if number % 2 else "NEW", due_at=None if number % 3 else number)


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=64)
words = st.integers(-WORD, WORD - 1)
rows = st.builds(
    Item,
    sku=texts,
    stock=words,
    picture=st.binary(max_size=300),
    title=st.text(st.characters(exclude_categories=["Cs"])),
    due_at=st.none() | words,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(new=st.lists(rows, min_size=1, max_size=8, unique_by=lambda row: row.sku), data=st.data())
def test_every_value_comes_back(mysql: MysqlDatabase, new: list[Item], data: st.DataObject) -> None:
    """Whatever text, bytes and numbers a row holds, they are read, found by key, changed and ordered as they are."""
    changed = [data.draw(rows) for _ in new]

    def work(tx: Transaction) -> dict[str, Item]:
        tx.delete(ITEMS, tx.lock(ITEMS, [row.sku for row in tx.page(ITEMS, limit=100)]))
        tx.insert(ITEMS, new)
        assert tx.select(ITEMS, [row.sku for row in new]) == {row.sku: row for row in new}
        for row, other in zip(new, changed, strict=True):
            row.stock, row.picture, row.title, row.due_at = other.stock, other.picture, other.title, other.due_at
        tx.update(ITEMS, new)
        return tx.select(ITEMS, [row.sku for row in new])

    assert mysql.transact(work) == {row.sku: row for row in new}
    assert mysql.look(lambda reader: reader.page(ITEMS, limit=100)) == sorted(new, key=lambda row: row.sku)


def test_every_pair_of_bytes(mysql: MysqlDatabase) -> None:
    """No two bytes beside each other in a blob mean something to the server."""
    pairs = b"".join(bytes((first, second)) for first in range(256) for second in range(256))
    mysql.transact(lambda tx: tx.insert(ITEMS, [Item("a", picture=pairs), Item("b", picture=b"'" + pairs)]))
    found = mysql.look(lambda reader: reader.select(ITEMS, ["a", "b"]))
    assert [row.picture for row in found.values()] == [pairs, b"'" + pairs]


def test_what_no_row_may_hold() -> None:
    """A value of another type, or text that is not Unicode, is refused by the verb."""
    with pytest.raises(TypeError, match=r"not 1\.5"):
        literal(1.5)
    with pytest.raises(ValueError, match="surrogates"):
        literal("\ud800")


@pytest.mark.parametrize("count", [20, 3_000])
@pytest.mark.parametrize("keys", [1, 2, 16])
def test_keys_lead_to_rows(place: MysqlPlace, mysql: MysqlDatabase, count: int, keys: int) -> None:
    """Rows are locked and changed by the primary key's index however small the table is: no other row is touched."""
    mysql.transact(lambda tx: tx.insert(ITEMS, [item(number) for number in range(count)]))
    mysql.transact(lambda tx: tx.insert(LINES, [Line(at // 3, f"s{at % 3}", 1) for at in range(count)]))
    place.query("ANALYZE TABLE items, order_lines")
    changed = [Line(at // 3, f"s{at % 3}", at) for at in range(keys)]
    for sql, wanted, altered in (
        (sql_of(ITEMS), [f"s{at:04d}" for at in range(keys)], [item(at) for at in range(keys)]),
        (sql_of(LINES), [LINES.key_of(line) for line in changed], changed),
    ):
        for statement in (*sql.lock(wanted), *sql.select(wanted), *sql.update(altered), *sql.delete(wanted)):
            [plan] = explained(place, statement)
            assert (plan["key"], plan["type"] in ("range", "const")) == ("PRIMARY", True), statement
            assert int(plan["rows"]) <= keys


@pytest.mark.parametrize(
    ("statement", "index"),
    [
        (sql_of(ITEMS).due("due_at", 30, {"state": "NEW"}, 5), "ix_items_state_due_at"),
        (sql_of(ITEMS).select_by("stock", [1, 2]), "ix_items_stock"),
        (sql_of(ITEMS).page({"stock": 3}, "s0001", 5, down=False), "ix_items_stock"),
        (sql_of(ITEMS).page({"stock": 3}, "s2000", 5, down=True), "ix_items_stock"),
        (sql_of(ITEMS).page({}, "s0001", 5, down=True), "PRIMARY"),
        (sql_of(LINES).page({}, (900, "s1"), 5, down=False), "PRIMARY"),
        (sql_of(LINES).page({}, (900, "s1"), 5, down=True), "PRIMARY"),
        (sql_of(LINES).page({"order_id": 30}, None, 5, down=True), "PRIMARY"),
    ],
)
def test_queries_never_sort(
    place: MysqlPlace, mysql: MysqlDatabase, statement: bytes | list[bytes], index: str
) -> None:
    """A query walks along an index in its own order: its cost does not grow with the table."""
    mysql.transact(lambda tx: tx.insert(ITEMS, [item(number) for number in range(3_000)]))
    mysql.transact(lambda tx: tx.insert(LINES, [Line(at // 3, f"s{at % 3}", 1) for at in range(3_000)]))
    place.query("ANALYZE TABLE items, order_lines")
    [plan] = explained(place, statement if isinstance(statement, bytes) else statement[0])
    assert (plan["key"], plan["type"] in ("range", "ref", "const")) == (index, True)
    assert "filesort" not in plan["Extra"]


def parts(statements: Sequence[bytes], pattern: bytes) -> list[int]:
    """How often the pattern is in each."""
    return [len(re.findall(pattern, statement)) for statement in statements]


def test_statements_have_limits() -> None:
    """A batch is one statement up to so many keys, changes and bytes, and several beyond."""
    sql = TableSql(COUNTERS)
    counters = [Counter(number, number) for number in range(MANY)]
    for statements in (sql.lock(range(MANY)), sql.delete(range(MANY))):
        assert parts(statements, rb"\d+(?=[,)])") == [KEYS, KEYS, MANY - 2 * KEYS]
    assert parts(list(sql.update(counters)), b"WHEN") == [CHANGES] * 5 + [MANY - 5 * CHANGES]
    assert len(list(sql.insert(counters))) == 1
    large = [Item(f"{at}", picture=b"x" * 200_000) for at in range(5)]
    assert parts(list(TableSql(ITEMS).insert(large)), b"_binary") == [2, 2, 1]
    assert parts(list(TableSql(ITEMS).update(large)), b"WHEN") == [0, 0, 0]


async def test_many_and_large_rows(database: Database) -> None:
    """A transaction over thousands of rows, and over megabytes, is as right as a small one."""
    items = [item(number) for number in range(3 * KEYS)]
    large = [Item(f"t{number}", picture=bytes([number]) * 1_048_576) for number in range(6)]

    def work(tx: Transaction) -> None:
        tx.insert(ITEMS, [*items, *large])
        locked = tx.lock(ITEMS, [row.sku for row in reversed([*items, *large])])
        assert list(locked.values()) == [*items, *large]
        for row in locked.values():
            row.stock += 1
        tx.update(ITEMS, locked.values())
        tx.delete(ITEMS, [row.sku for row in items[: 2 * KEYS]])

    await database.write(work)
    left = [(row.sku, row.stock + 1, row.picture) for row in (*items[2 * KEYS :], *large)]
    found = await database.read(lambda reader: reader.page(ITEMS, limit=10_000))
    assert [(row.sku, row.stock, row.picture) for row in found] == left


def test_more_than_the_server_takes(mysql: MysqlDatabase) -> None:
    """A row larger than a packet is refused as the caller's bug, and nothing else of its transaction is stored."""

    def work(tx: Transaction) -> None:
        tx.insert(COUNTERS, [Counter(1, 1)])
        tx.insert(ITEMS, [Item("a", picture=bytes(64 * 1024 * 1024))])

    with pytest.raises(ValueError, match="max_allowed_packet"):
        mysql.transact(work)
    assert mysql.transact(lambda tx: tx.lock(COUNTERS, [1])) == {}


def test_last_value_of_a_row_counts(mysql: MysqlDatabase) -> None:
    """A row given twice to one update is written as it was given last."""
    mysql.transact(lambda tx: tx.insert(COUNTERS, [Counter(1, 0), Counter(2, 0)]))

    def work(tx: Transaction) -> None:
        tx.lock(COUNTERS, [1, 2])
        tx.update(COUNTERS, [Counter(1, 1), Counter(2, 5), Counter(1, 9)])

    mysql.transact(work)
    assert [row.count for row in mysql.look(lambda reader: reader.page(COUNTERS, limit=9))] == [9, 5]


def test_table_of_keys_alone() -> None:
    """A row that is all key takes an update that has nothing to say."""
    table = Table[Line, Any](Schema("keys"), "all_keys", Line, key=("order_id", "sku", "quantity"))
    assert list(TableSql(table).update([Line(1, "a", 1)])) == []
