"""The tables, and how those of an older sandbox are brought up. Amounts are fen; times are virtual milliseconds UTC."""

from typing import Final

import apsw

TRADES: Final = """
    CREATE TABLE IF NOT EXISTS trades (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        code TEXT NOT NULL UNIQUE,
        out_trade_no TEXT NOT NULL,
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
        refunded INTEGER NOT NULL DEFAULT 0 CHECK (refunded BETWEEN 0 AND amount),
        platform TEXT NOT NULL DEFAULT 'alipay',
        product TEXT NOT NULL DEFAULT 'precreate',
        details TEXT NOT NULL DEFAULT '',
        copy INTEGER NOT NULL DEFAULT 0,
        UNIQUE (out_trade_no, platform, copy)
    ) STRICT
    """

SCHEMA: Final = (
    """
    CREATE TABLE IF NOT EXISTS settings (
        name TEXT PRIMARY KEY,
        value TEXT NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
    TRADES,
    """
    CREATE TABLE IF NOT EXISTS refunds (
        trade_id INTEGER NOT NULL,
        request_no TEXT NOT NULL,
        amount INTEGER NOT NULL,
        total INTEGER NOT NULL,
        refunded_at INTEGER NOT NULL,
        outcome TEXT NOT NULL DEFAULT 'SUCCESS',
        settles_at INTEGER NOT NULL DEFAULT 0,
        details TEXT NOT NULL DEFAULT '',
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
        delivered_at INTEGER,
        url TEXT NOT NULL DEFAULT '',
        event_id INTEGER,
        put_off INTEGER NOT NULL DEFAULT 0
    ) STRICT
    """,
    """
    CREATE TABLE IF NOT EXISTS attempts (
        notification_id INTEGER NOT NULL,
        number INTEGER NOT NULL,
        sent_at INTEGER NOT NULL,
        status INTEGER,
        answer TEXT NOT NULL,
        next_at INTEGER,
        twist TEXT NOT NULL DEFAULT '',
        stamp INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (notification_id, number)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE IF NOT EXISTS events (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        trade_id INTEGER NOT NULL,
        code TEXT NOT NULL UNIQUE,
        kind TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        content TEXT NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE IF NOT EXISTS movements (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        trade_id INTEGER NOT NULL,
        request_no TEXT,
        amount INTEGER NOT NULL,
        moved_at INTEGER NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE IF NOT EXISTS answered (
        key TEXT PRIMARY KEY,
        request TEXT NOT NULL,
        status INTEGER NOT NULL,
        answer TEXT NOT NULL,
        answered_at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
)

INDEXES: Final = (
    "CREATE INDEX IF NOT EXISTS notifications_due ON notifications (due_at) WHERE due_at IS NOT NULL",
    "CREATE INDEX IF NOT EXISTS notifications_trade ON notifications (trade_id)",
    "CREATE INDEX IF NOT EXISTS refunds_number ON refunds (request_no)",
    "CREATE INDEX IF NOT EXISTS trades_paid ON trades (platform, paid_at) WHERE paid_at IS NOT NULL",
    "CREATE INDEX IF NOT EXISTS refunds_made ON refunds (refunded_at)",
    "CREATE INDEX IF NOT EXISTS events_trade ON events (trade_id)",
    "CREATE INDEX IF NOT EXISTS movements_trade ON movements (trade_id)",
    "CREATE INDEX IF NOT EXISTS answered_at ON answered (answered_at)",
)

# What tables had no column for, before there were several platforms.
_ADDED: Final = {
    "refunds": (
        "outcome TEXT NOT NULL DEFAULT 'SUCCESS'",
        "settles_at INTEGER NOT NULL DEFAULT 0",
        "details TEXT NOT NULL DEFAULT ''",
    ),
    "notifications": (
        "url TEXT NOT NULL DEFAULT ''",
        "event_id INTEGER",
        "put_off INTEGER NOT NULL DEFAULT 0",
    ),
    "attempts": ("twist TEXT NOT NULL DEFAULT ''", "stamp INTEGER NOT NULL DEFAULT 0"),
}


def bring_up(db: apsw.Connection) -> None:
    """Makes the tables that are not there, and gives those of an older sandbox the columns that they lack.

    For a transaction that is open. Raises apsw.Error.
    """
    trades = _columns(db, "trades")
    if trades and "platform" not in trades:
        _rebuild_trades(db)
    for statement in SCHEMA:
        db.execute(statement)
    for table, columns in _ADDED.items():
        known = _columns(db, table)
        for column in columns:
            if column.partition(" ")[0] not in known:
                db.execute(f"ALTER TABLE {table} ADD COLUMN {column}")
    for statement in INDEXES:
        db.execute(statement)


def _rebuild_trades(db: apsw.Connection) -> None:
    """An ALTER cannot take back that a number was unique over all platforms, of which there was one."""
    db.execute("ALTER TABLE trades RENAME TO trades_before")
    db.execute(TRADES)
    columns = ", ".join(str(row[1]) for row in db.execute("PRAGMA table_info(trades_before)"))
    db.execute(f"INSERT INTO trades ({columns}) SELECT {columns} FROM trades_before")  # noqa: S608 - from the schema
    db.execute("DROP TABLE trades_before")


def _columns(db: apsw.Connection, table: str) -> set[str]:
    return {str(row[1]) for row in db.execute(f"PRAGMA table_info({table})")}
