"""Many orders of one: what differs from copy to copy, and what does not."""

from pathlib import Path

import apsw
import pytest

from makegood.bench.multiply import STEP, Copies, copied_id, multiply

ORDER, PAYMENT = 912_345_678_901_234_567, 912_345_678_901_999_999
SCHEMA = """
CREATE TABLE orders (order_id INTEGER PRIMARY KEY, user TEXT, idem TEXT UNIQUE, at INTEGER, due_at INTEGER, body BLOB);
CREATE TABLE entries (user TEXT, source TEXT, amount INTEGER, PRIMARY KEY (user, source)) WITHOUT ROWID;
CREATE TABLE trades (id INTEGER PRIMARY KEY, out_trade_no TEXT UNIQUE, trade_no TEXT);
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """One order in three tables, and an entry that is none of its."""
    path = tmp_path / "shop.db"
    connection = apsw.Connection(str(path))
    connection.execute(SCHEMA)
    body = b'{"order_id":"%d","lines":[["sku-0",1]],"it\'s":"one-1"}' % ORDER
    values = (ORDER, "buyer-0000", "0" * 32, 1_700_000_000_000, None, body)
    connection.execute("INSERT INTO orders VALUES (?, ?, ?, ?, ?, ?)", values)
    connection.execute("INSERT INTO entries VALUES (?, ?, ?)", ("buyer-0000", f"order:{ORDER}", -100))
    connection.execute("INSERT INTO entries VALUES (?, ?, ?)", ("buyer-0000", "load:1", 5_000))
    number = "2026112222001123456000000007"
    connection.execute("INSERT INTO trades VALUES (?, ?, ?)", (7, str(PAYMENT), number))
    connection.close()
    return path


def test_ids_names_and_numbers_differ(file: Path) -> None:
    """Copies have ids, buyers, SKUs, coupons and platform numbers of their own, alike in numbers, texts and blobs."""
    told: list[int] = []
    tables = ("orders", "entries WHERE source LIKE 'order:%'", "trades")
    multiply(file, tables, Copies(1, 25_000, buyers=4, skus=3), told.append, counted=("id",))
    connection = apsw.Connection(str(file))
    rows = connection.execute("SELECT * FROM orders WHERE order_id = ?", (ORDER - 5 * STEP,)).fetchall()
    [(order_id, user, idem, at, due_at, body)] = rows
    assert (order_id, user, at, due_at) == (copied_id(ORDER, 5), "buyer-0001", 1_700_000_000_000, None)
    assert body == b'{"order_id":"%d","lines":[["sku-2",1]],"it\'s":"one-1-5"}' % (ORDER - 5 * STEP)
    assert len(str(idem)) == 32
    sources = connection.execute("SELECT user, amount FROM entries WHERE source = ?", (f"order:{ORDER - 5 * STEP}",))
    assert sources.fetchall() == [("buyer-0001", -100)]
    trades = connection.execute("SELECT out_trade_no, trade_no FROM trades WHERE id = 12").fetchall()
    assert trades == [(str(PAYMENT - 5 * STEP), "2026112222001123456000000012")]
    counts = [connection.execute(f"SELECT count(*) FROM {table}").get for table in ("orders", "entries", "trades")]
    connection.close()
    assert counts == [25_001, 25_002, 25_001]
    assert sum(told) == 25_000


def test_the_journal_of_the_file_stays_durable(file: Path) -> None:
    """The copies are in the file itself, not in a log that the next one to open it would have to read."""
    multiply(file, ("orders",), Copies(1, 10, buyers=4, skus=3), lambda _: None)
    assert not file.with_name("shop.db-wal").exists()
