"""The floor does exactly the work that its plan says."""

from pathlib import Path

import apsw
import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from makegood.bench.counted import Counts, WritesCounter
from makegood.bench.floor import FileFloor, run
from makegood.bench.plan import FilePlan, Plan, Writes, plan, rows_seen

ORDERS = (
    "CREATE TABLE orders (order_id INTEGER PRIMARY KEY, idem TEXT NOT NULL, due_at INTEGER, body BLOB)",
    "CREATE UNIQUE INDEX uq_orders_idem ON orders (idem)",
    "CREATE INDEX ix_orders_due_at ON orders (due_at)",
)
LINES = ("CREATE TABLE lines (order_id INTEGER, line INTEGER, sku TEXT, PRIMARY KEY (order_id, line)) WITHOUT ROWID",)
NAMED = (
    "CREATE TABLE named (col TEXT)",
    *(
        f"CREATE TRIGGER on_{name} AFTER UPDATE OF {name} ON orders BEGIN INSERT INTO named VALUES ('{name}'); END"
        for name in ("idem", "due_at", "body")
    ),
)
"""Triggers that take note of each column that an update names, whatever it sets."""
GOODS = ("CREATE TABLE goods (sku TEXT PRIMARY KEY, stock INTEGER) WITHOUT ROWID",)
rates = st.sampled_from([0.0, 0.013, 0.5, 1.0, 2.0, 9.0])


def orders(inserted: float, updated: float, deleted: float) -> Writes:
    """Writes to the table of orders."""
    return Writes("orders", inserted, updated, deleted, (900_000, "f" * 32, None, b"{}"), 3)


@settings(max_examples=40, deadline=None)
@given(rates, rates, rates, rates, st.sampled_from([0.004, 0.1, 1.0, 2.5]), st.integers(1, 60))
@example(0.5, 1.0, 0.0, 0.0, 1.0, 2)
def test_rows_and_commits_are_those_of_the_plan(
    tmp_path_factory: pytest.TempPathFactory,
    inserted: float,
    updated: float,
    deleted: float,
    touched: float,
    commits: float,
    count: int,
) -> None:
    """Whatever the rates: SQLite counts as many rows as were asked for, in as many commits, and no key is twice."""
    folder = tmp_path_factory.mktemp("floor")
    writes = (
        orders(inserted, updated, deleted),
        Writes("lines", inserted, 0.0, 0.0, (900_000, 0, "sku-1"), 0),
        Writes("goods", 0.0, touched, 0.0, ("sku-1", 100), 7),
    )
    files = (FilePlan("orders", ORDERS + LINES + GOODS, 4096, commits, writes),)
    figures = run(Plan(str(folder), count, files))
    rows = sum(round(count * rate) for rate in (inserted, updated, deleted, inserted, touched))
    assert figures.rows == {"orders": rows}
    assert figures.commits == {"orders": max(1, round(count * commits))}
    connection = apsw.Connection(str(folder / "orders.db"))
    there = connection.execute("SELECT count(*) FROM lines").get
    connection.close()
    assert there == round(count * inserted)


def test_every_file_is_written(tmp_path: Path) -> None:
    """Each file of a plan has its own rows and commits; the broker's is flushed only for new messages."""
    writes = (Writes("goods", 1.0, 0.0, 1.0, ("sku-1", 100), 0),)
    files = tuple(FilePlan(name, GOODS, 8192, each, writes) for name, each in (("stock", 0.5), ("broker", 2.0)))
    figures = run(Plan(str(tmp_path), 20, files))
    assert figures.rows == {"stock": 40, "broker": 40}
    assert figures.commits == {"stock": 10, "broker": 40}
    assert figures.cpu > 0 < figures.seconds


def test_a_plan_is_what_was_seen(tmp_path: Path) -> None:
    """The plan's tables are the shop's, its rows those written between the counts, per order, without the clock's."""
    connection = apsw.Connection(str(tmp_path / "orders.db"))
    for statement in ORDERS:
        connection.execute(statement)
    connection.close()
    before = Counts({"orders": 5}, {"orders": {"orders": {"insert": 10}}}, {}, {}, {"orders": {"orders": {2: 7}}}, {})
    rows = {"orders": {"orders": {"insert": 30, "update": 40}}, "points": {"processes": {"update": 0}}}
    samples = {"orders": {"orders": (900_000, "f" * 32, None, b"{}")}}
    newest = {"orders": {"orders": (900_000, "f" * 32, 5, b"{}")}}
    changed = {"orders": {"orders": {2: 7, 3: 40}}}
    seen = rows_seen(before, Counts({"orders": 9}, rows, samples, {"orders": {"orders": 20}}, changed, newest), 20)
    made = plan(tmp_path, tmp_path, seen, {"orders": 0.2, "points": 0.0}, 1_000)
    [file] = made.files
    assert seen.for_each() == {"orders": 3.0}
    assert (file.file, file.commits, file.schema) == ("orders", 0.2, ORDERS)
    sample, after = (900_000, "f" * 32, None, b"{}"), (900_000, "f" * 32, 5, b"{}")
    assert file.writes == (Writes("orders", 1.0, 2.0, 0.0, sample, 20, (3,), after),)


def test_an_update_names_only_the_columns_that_the_shop_changed(tmp_path: Path) -> None:
    """A column to which the shop writes its old value again is not in the floor's update, nor is its index."""
    (tmp_path / "floor").mkdir()
    shop, counter = apsw.Connection(str(tmp_path / "orders.db")), WritesCounter(rows=True)
    for statement in ORDERS:
        shop.execute(statement)
    counter.hook(shop)
    before = counter.counts()
    shop.execute("INSERT INTO orders VALUES (1, ?, NULL, x'7b7d')", ("f" * 32,))
    shop.execute("UPDATE orders SET idem = idem, due_at = 77, body = body")
    shop.close()
    seen = rows_seen(before, counter.counts(), 1)
    [file] = plan(tmp_path, tmp_path, seen, {"orders": 1.0}, 10).files
    figures = run(Plan(str(tmp_path / "floor"), 10, (msgspec.structs.replace(file, schema=ORDERS + NAMED),)))
    assert figures.rows == {"orders": 10 + 10 + 10}  # inserted, updated, and what the trigger noted
    floor = apsw.Connection(str(tmp_path / "floor" / "orders.db"))
    named = floor.execute("SELECT col, count(*) FROM named GROUP BY col").fetchall()
    due = floor.execute("SELECT count(DISTINCT due_at), min(due_at) >= 77 FROM orders").fetchall()
    floor.close()
    assert (named, due) == ([("due_at", 10)], [(10, 1)])


def test_an_update_that_changes_nothing_is_still_a_row(tmp_path: Path) -> None:
    """Where the shop only wrote old values again, the floor updates as many rows."""
    writes = (Writes("goods", 0.0, 1.0, 0.0, ("sku-1", 100), 3),)
    assert run(Plan(str(tmp_path), 9, (FilePlan("stock", GOODS, 4096, 1.0, writes),))).rows == {"stock": 9}


def test_the_log_is_as_long_as_the_shops(tmp_path: Path) -> None:
    """Pages stay in the log until it has as many as the shop allows, which is more than SQLite does by itself."""
    sample = (900_000, "f" * 32, None, b"x" * 3_000)
    writes = (Writes("orders", 1.0, 0.0, 0.0, sample, 0),)
    floor = FileFloor(tmp_path, FilePlan("orders", ORDERS, 4096, 0.005, writes), 2_000)
    floor.run()
    assert (tmp_path / "orders.db-wal").stat().st_size > 2_000 * 4096
    floor.close()


def test_the_brokers_file_is_nobody_elses(tmp_path: Path) -> None:
    """The broker's file is locked for good, so that it needs no shared memory, as the shop's."""
    floor = FileFloor(tmp_path, FilePlan("broker", GOODS, 8192, 1.0, ()), 1)
    other = apsw.Connection(str(tmp_path / "broker.db"))
    with pytest.raises(apsw.BusyError):
        other.execute("SELECT count(*) FROM goods")
    other.close()
    floor.close()
