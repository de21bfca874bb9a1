"""What every database's verbs do with rows."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from makegood.engine.database.port import Database
from makegood.engine.database.transaction import Reader, Transaction
from makegood.engine.errors import DuplicateKey
from tests.contract.database.tables import COUNTERS, ITEMS, LINES, Counter, Item, Line

LARGEST = (1 << 63) - 1


async def fill(database: Database, *items: Item) -> None:
    """Stores items."""
    await database.write(lambda tx: tx.insert(ITEMS, items))


async def stored(database: Database) -> list[Item]:
    """All items, by key."""
    return await database.read(lambda reader: reader.page(ITEMS, limit=1_000))


async def test_round_trip(database: Database) -> None:
    """Every value comes back as it went in, NULL and emptiness apart, whatever the alphabet."""
    items = [
        Item("a", LARGEST, "OLD", bytes(range(256)), "它的🙂\n\x00", LARGEST, -LARGEST - 1),
        Item("b", -1, "NEW", b"", "", None, 0),
    ]
    await fill(database, *items)
    assert await stored(database) == items


async def test_keys_tell_apart(database: Database) -> None:
    """Keys that differ in case, in an accent or in a trailing blank are different keys, in the order of their bytes."""
    keys = ["A", "a", "a ", "e", "é", "中"]
    await fill(database, *[Item(key) for key in reversed(keys)])
    assert [item.sku for item in await stored(database)] == keys
    found = await database.read(lambda reader: reader.select(ITEMS, ["E", "é", "a "]))
    assert list(found) == ["a ", "é"]


async def test_select(database: Database) -> None:
    """A select gives what exists of the keys, each once, in key order; of no keys it gives nothing."""
    await database.write(lambda tx: tx.insert(LINES, [Line(2, "a", 1), Line(1, "b", 2), Line(1, "a", 3)]))
    wanted = [(2, "a"), (9, "z"), (1, "b"), (1, "a"), (2, "a")]
    found = await database.read(lambda reader: reader.select(LINES, wanted))
    assert list(found.items()) == [
        ((1, "a"), Line(1, "a", 3)),
        ((1, "b"), Line(1, "b", 2)),
        ((2, "a"), Line(2, "a", 1)),
    ]
    assert await database.read(lambda reader: reader.select(LINES, [])) == {}


async def test_select_by(database: Database) -> None:
    """Rows found by another column come in the order of its values, then of their keys."""
    await fill(database, Item("c", 5), Item("a", 7), Item("b", 5), Item("d", 6))
    found = await database.read(lambda reader: reader.select_by(ITEMS, "stock", [7, 5, 7, 9]))
    assert [item.sku for item in found] == ["b", "c", "a"]
    assert await database.read(lambda reader: reader.select_by(ITEMS, "stock", [])) == []


async def test_page(database: Database) -> None:
    """Pages go on behind a key, up or down, and only over the rows asked for."""
    await fill(database, *[Item(f"{at}", state="OLD" if at % 2 else "NEW") for at in range(10)])

    def pages(reader: Reader) -> list[list[str]]:
        found = [
            reader.page(ITEMS, limit=3),
            reader.page(ITEMS, after="7", limit=3),
            reader.page(ITEMS, after="2", descending=True, limit=3),
            reader.page(ITEMS, where={"state": "OLD"}, after="3", limit=2),
            reader.page(ITEMS, where={"state": "OLD", "sku": "4"}, limit=2),
            reader.page(ITEMS, limit=0),
        ]
        return [[item.sku for item in page] for page in found]

    assert await database.read(pages) == [["0", "1", "2"], ["8", "9"], ["1", "0"], ["5", "7"], [], []]


async def test_page_of_two_part_keys(database: Database) -> None:
    """Behind a key of two parts comes the next in the order of both."""
    lines = [Line(order, sku, 1) for order in (1, 2, 3) for sku in ("a", "b")]
    await database.write(lambda tx: tx.insert(LINES, lines))
    up = await database.read(lambda reader: reader.page(LINES, after=(1, "b"), limit=2))
    down = await database.read(lambda reader: reader.page(LINES, after=(2, "b"), descending=True, limit=9))
    assert (up, down) == ([Line(2, "a", 1), Line(2, "b", 1)], [Line(2, "a", 1), Line(1, "b", 1), Line(1, "a", 1)])


async def test_due(database: Database) -> None:
    """Due rows come the oldest first, those of one moment by key, at most so many, and never those with NULL."""
    times = {"a": 30, "b": None, "c": 10, "d": 10, "e": 20, "f": 31}
    await fill(database, *[Item(sku, due_at=at) for sku, at in reversed(times.items())])
    await fill(database, Item("old", state="OLD", due_at=1))

    def due(reader: Reader) -> list[list[str]]:
        found = [
            reader.due(ITEMS, "due_at", 30, 10, {"state": "NEW"}),
            reader.due(ITEMS, "due_at", 30, 2, {"state": "NEW"}),
            reader.due(ITEMS, "due_at", 9, 10),
            reader.due(ITEMS, "due_at", 30, 0),
        ]
        return [[item.sku for item in rows] for rows in found]

    assert await database.read(due) == [["c", "d", "e", "a"], ["c", "d"], ["old"], []]


async def test_write(database: Database) -> None:
    """Inserted, locked, updated and deleted rows are what a later transaction, and this one, sees."""
    await fill(database, Item("a", 1), Item("b", 2), Item("c", 3))

    def work(tx: Transaction) -> list[str]:
        held = tx.lock(ITEMS, ["a", "b", "x"])
        held["a"].stock, held["a"].due_at = 10, 5
        tx.update(ITEMS, [held["a"]])
        tx.delete(ITEMS, ["b"])
        new = Item("d", 4)
        tx.insert(ITEMS, [new])
        new.stock = 40
        tx.update(ITEMS, [new])
        return [item.sku for item in tx.page(ITEMS, limit=10)]

    assert await database.write(work) == ["a", "c", "d"]
    assert await stored(database) == [Item("a", 10, due_at=5), Item("c", 3), Item("d", 40)]


async def test_row_deleted_and_inserted_again(database: Database) -> None:
    """A row can be replaced within one transaction."""
    await fill(database, Item("a", 1))

    def work(tx: Transaction) -> None:
        tx.delete(ITEMS, tx.lock(ITEMS, ["a"]))
        tx.insert(ITEMS, [Item("a", 2)])

    await database.write(work)
    assert await stored(database) == [Item("a", 2)]


async def test_writes_of_nothing(database: Database) -> None:
    """A verb without rows does nothing."""

    def work(tx: Transaction) -> None:
        tx.insert(ITEMS, [])
        tx.update(ITEMS, [])
        tx.delete(ITEMS, [])
        assert tx.lock(ITEMS, []) == {}

    await database.write(work)


async def test_lock_before_write(database: Database) -> None:
    """A row that was not locked in this transaction is not updated or deleted, and nothing else of it is stored."""
    await fill(database, Item("a", 1), Item("b", 2))

    def update_unlocked(tx: Transaction) -> None:
        tx.insert(ITEMS, [Item("c")])
        tx.lock(ITEMS, ["a"])
        tx.update(ITEMS, [Item("b", 3)])

    def update_selected(tx: Transaction) -> None:
        tx.update(ITEMS, tx.select(ITEMS, ["a"]).values())

    def delete_unlocked(tx: Transaction) -> None:
        tx.delete(ITEMS, ["a"])

    def update_absent(tx: Transaction) -> None:
        tx.lock(ITEMS, ["x"])
        tx.update(ITEMS, [Item("x")])

    def update_other_table(tx: Transaction) -> None:
        tx.insert(COUNTERS, [Counter(1, 1)])
        tx.update(LINES, [Line(1, "a", 1)])

    for work in (update_unlocked, update_selected, delete_unlocked, update_absent, update_other_table):
        with pytest.raises(AssertionError, match="was not locked"):
            await database.write(work)
    assert await stored(database) == [Item("a", 1), Item("b", 2)]


@pytest.mark.parametrize(
    "rows", [[Item("a")], [Item("x"), Item("x")], [Item("x", barcode=7)], [Item("x", barcode=8), Item("y", barcode=8)]]
)
async def test_duplicate_key(database: Database, rows: list[Item]) -> None:
    """A key or a unique value that is there already is refused, and nothing of the transaction is stored."""
    await fill(database, Item("a", barcode=7), Item("b"), Item("c"))

    def work(tx: Transaction) -> None:
        tx.insert(COUNTERS, [Counter(1, 1)])
        tx.insert(ITEMS, rows)

    with pytest.raises(DuplicateKey):
        await database.write(work)
    assert len(await stored(database)) == 3
    assert await database.read(lambda reader: reader.page(COUNTERS, limit=1)) == []


async def test_update_into_duplicate(database: Database) -> None:
    """An update may not make two rows with one unique value."""
    await fill(database, Item("a", barcode=7), Item("b", barcode=8))

    def work(tx: Transaction) -> None:
        held = tx.lock(ITEMS, ["b"])
        held["b"].barcode = 7
        tx.update(ITEMS, held.values())

    with pytest.raises(DuplicateKey):
        await database.write(work)


async def test_null_where_none_may_be(database: Database) -> None:
    """NULL in a column that has none is a bug of the caller, not of the database: no duplicate key."""
    with pytest.raises(Exception, match=r"(?i)null") as refused:
        await fill(database, Item("a", stock=None))  # type: ignore[arg-type]
    assert not isinstance(refused.value, DuplicateKey)
    assert await stored(database) == []


Verb = tuple[str, int, int]
VERBS = st.lists(
    st.tuples(st.sampled_from(["put", "drop", "fail"]), st.integers(0, 5), st.integers(0, 99)), max_size=12
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
@given(transactions=st.lists(VERBS, max_size=6))
async def test_like_a_dictionary(database: Database, transactions: list[list[Verb]]) -> None:
    """Whatever a series of transactions does, the rows are those of a dictionary; what fails leaves no trace."""
    model: dict[int, int] = {}

    def clear(tx: Transaction) -> None:
        tx.delete(COUNTERS, tx.lock(COUNTERS, range(6)))

    def work(tx: Transaction, verbs: list[Verb], rows: dict[int, int]) -> None:
        for verb, key, value in verbs:
            held = tx.lock(COUNTERS, [key])
            assert (held[key].count if key in held else None) == rows.get(key)
            if verb == "fail" and value < 20:
                raise KeyError(key)
            if verb == "drop":
                tx.delete(COUNTERS, held)
                rows.pop(key, None)
            elif held:
                tx.update(COUNTERS, [Counter(key, value)])
                rows[key] = value
            else:
                tx.insert(COUNTERS, [Counter(key, value)])
                rows[key] = value

    await database.write(clear)
    for verbs in transactions:
        rows = dict(model)
        try:
            await database.write(lambda tx, verbs=verbs, rows=rows: work(tx, verbs, rows))
            model = rows
        except KeyError:
            pass
        found = await database.read(lambda reader: reader.page(COUNTERS, limit=10))
        assert {row.id: row.count for row in found} == model
