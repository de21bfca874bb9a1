"""A data folder of the sandbox that knew Alipay alone is brought up when it is opened."""

from pathlib import Path

import apsw
import pytest

from makegood.sandbox import notifications, trades
from makegood.sandbox.clock import Clock
from makegood.sandbox.database import in_file
from makegood.sandbox.store import Store, Transaction
from makegood.sandbox.trades import NewTrade

BEFORE = (
    "CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID",
    """CREATE TABLE trades (
        id INTEGER PRIMARY KEY AUTOINCREMENT, code TEXT NOT NULL UNIQUE, out_trade_no TEXT NOT NULL UNIQUE,
        amount INTEGER NOT NULL, subject TEXT NOT NULL, body TEXT NOT NULL, notify_url TEXT NOT NULL,
        state TEXT NOT NULL, created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, opened_at INTEGER,
        paid_at INTEGER, closed_at INTEGER,
        refunded INTEGER NOT NULL DEFAULT 0 CHECK (refunded BETWEEN 0 AND amount)) STRICT""",
    """CREATE TABLE refunds (trade_id INTEGER NOT NULL, request_no TEXT NOT NULL, amount INTEGER NOT NULL,
        total INTEGER NOT NULL, refunded_at INTEGER NOT NULL, PRIMARY KEY (trade_id, request_no))
        STRICT, WITHOUT ROWID""",
    """CREATE TABLE notifications (id INTEGER PRIMARY KEY AUTOINCREMENT, trade_id INTEGER NOT NULL, request_no TEXT,
        created_at INTEGER NOT NULL, due_at INTEGER, rung INTEGER NOT NULL DEFAULT 0,
        attempts INTEGER NOT NULL DEFAULT 0, delivered_at INTEGER) STRICT""",
    "CREATE INDEX notifications_due ON notifications (due_at) WHERE due_at IS NOT NULL",
    """CREATE TABLE attempts (notification_id INTEGER NOT NULL, number INTEGER NOT NULL, sent_at INTEGER NOT NULL,
        status INTEGER, answer TEXT NOT NULL, next_at INTEGER, PRIMARY KEY (notification_id, number))
        STRICT, WITHOUT ROWID""",
    "INSERT INTO trades VALUES (7, 'c7', 'old', 500, 'tea', '', 'http://127.0.0.1/n', 'PAID', 1, 2, 1, 1, NULL, 200)",
    "INSERT INTO refunds VALUES (7, 'r1', 200, 200, 5)",
    "INSERT INTO notifications VALUES (3, 7, NULL, 1, NULL, 1, 1, 1)",
    "INSERT INTO attempts VALUES (3, 1, 1, 200, 'success', NULL)",
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """An old ledger with a trade that was paid, told of and refunded in part."""
    file = tmp_path / "sandbox.sqlite"
    connection = apsw.Connection(str(file))
    for statement in BEFORE:
        connection.execute(statement)
    connection.close()
    return file


def opened(path: Path) -> None:
    """Opens the ledger as the sandbox does, and closes it."""
    Store(in_file(path), Clock.at_world_time()).close()


def test_old_rows_stay(path: Path) -> None:
    """Every old trade, refund, notification and attempt is Alipay's afterwards, and opening again changes nothing."""
    opened(path)
    opened(path)
    tx = Transaction(apsw.Connection(str(path)), 10, str)
    [(trade, [refund])] = trades.page(tx, 0, 10)
    assert (trade.id, trade.out_trade_no, trade.platform, trade.product) == (7, "old", "alipay", "precreate")
    assert (refund.amount, refund.status(10)) == (200, "SUCCESS")
    [(due, [attempt])] = notifications.page(tx, 0, 10)
    assert (due.trade, due.url, attempt.answer, attempt.twist) == (trade, "http://127.0.0.1/n", "success", "")


def test_numbers_are_unique_on_a_platform(path: Path) -> None:
    """After that the same number may be another platform's, new rows are numbered on, and its own stays unique."""
    opened(path)
    connection = apsw.Connection(str(path))
    tx = Transaction(connection, 10, lambda: "token")
    new = NewTrade("c8", "old", 1, "tea", "", "", 20, trades.WECHATPAY, "native")
    made = trades.create(tx, new, opened=True)
    assert made is not None
    assert made.id == 8
    assert trades.by_out_trade_no(tx, "old", trades.WECHATPAY) == made
    with pytest.raises(apsw.ConstraintError):
        trades.create(tx, NewTrade("c9", "old", 1, "tea", "", "", 20))
