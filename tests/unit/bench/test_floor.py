"""The floor does exactly the work that its plan says."""

from pathlib import Path

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makegood.bench.counted import Counts
from makegood.bench.floor import run
from makegood.bench.plan import FilePlan, Plan, Writes, plan, rows_seen

ORDERS = (
    "CREATE TABLE orders (order_id INTEGER PRIMARY KEY, idem TEXT NOT NULL, due_at INTEGER, body BLOB)",
    "CREATE UNIQUE INDEX uq_orders_idem ON orders (idem)",
    "CREATE INDEX ix_orders_due_at ON orders (due_at)",
)
LINES = ("CREATE TABLE lines (order_id INTEGER, line INTEGER, sku TEXT, PRIMARY KEY (order_id, line)) WITHOUT ROWID",)
GOODS = ("CREATE TABLE goods (sku TEXT PRIMARY KEY, stock INTEGER) WITHOUT ROWID",)
rates = st.sampled_from([0.0, 0.013, 0.5, 1.0, 2.0, 9.0])


def orders(inserted: float, updated: float, deleted: float) -> Writes:
    """Writes to the table of orders."""
    return Writes("orders", inserted, updated, deleted, (900_000, "f" * 32, None, b"{}"), 3)


@settings(max_examples=40, deadline=None)
@given(rates, rates, rates, rates, st.sampled_from([0.004, 0.1, 1.0, 2.5]), st.integers(1, 60))
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
    before = Counts({"orders": 5}, {"orders": {"orders": {"insert": 10}}}, {}, {})
    rows = {"orders": {"orders": {"insert": 30, "update": 40}}, "points": {"processes": {"update": 0}}}
    samples = {"orders": {"orders": (900_000, "f" * 32, None, b"{}")}}
    seen = rows_seen(before, Counts({"orders": 9}, rows, samples, {"orders": {"orders": 20}}), 20)
    made = plan(tmp_path, tmp_path, seen, {"orders": 0.2, "points": 0.0}, 1_000)
    [file] = made.files
    assert seen.for_each() == {"orders": 3.0}
    assert (file.file, file.commits, file.schema) == ("orders", 0.2, ORDERS)
    assert file.writes == (Writes("orders", 1.0, 2.0, 0.0, (900_000, "f" * 32, None, b"{}"), 20),)
