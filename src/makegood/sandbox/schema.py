"""The tables. Amounts are fen; times are virtual milliseconds UTC."""

from typing import Final

SCHEMA: Final = (
    """
    CREATE TABLE IF NOT EXISTS settings (
        name TEXT PRIMARY KEY,
        value TEXT NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE IF NOT EXISTS trades (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        code TEXT NOT NULL UNIQUE,
        out_trade_no TEXT NOT NULL UNIQUE,
        amount INTEGER NOT NULL,
        subject TEXT NOT NULL,
        body TEXT NOT NULL,
        notify_url TEXT NOT NULL,
        state TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        expires_at INTEGER NOT NULL,
        opened_at INTEGER,
        paid_at INTEGER,
        closed_at INTEGER,
        refunded INTEGER NOT NULL DEFAULT 0 CHECK (refunded BETWEEN 0 AND amount)
    ) STRICT
    """,
    """
    CREATE TABLE IF NOT EXISTS refunds (
        trade_id INTEGER NOT NULL,
        request_no TEXT NOT NULL,
        amount INTEGER NOT NULL,
        total INTEGER NOT NULL,
        refunded_at INTEGER NOT NULL,
        PRIMARY KEY (trade_id, request_no)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE IF NOT EXISTS notifications (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        trade_id INTEGER NOT NULL,
        request_no TEXT,
        created_at INTEGER NOT NULL,
        due_at INTEGER,
        rung INTEGER NOT NULL DEFAULT 0,
        attempts INTEGER NOT NULL DEFAULT 0,
        delivered_at INTEGER
    ) STRICT
    """,
    "CREATE INDEX IF NOT EXISTS notifications_due ON notifications (due_at) WHERE due_at IS NOT NULL",
    "CREATE INDEX IF NOT EXISTS notifications_trade ON notifications (trade_id)",
    """
    CREATE TABLE IF NOT EXISTS attempts (
        notification_id INTEGER NOT NULL,
        number INTEGER NOT NULL,
        sent_at INTEGER NOT NULL,
        status INTEGER,
        answer TEXT NOT NULL,
        next_at INTEGER,
        PRIMARY KEY (notification_id, number)
    ) STRICT, WITHOUT ROWID
    """,
)
