"""Connections to the ledger, where their work runs, and the two kinds of transaction."""

import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import apsw

from .threads import Runner, Threads

BUSY_TIMEOUT_MILLISECONDS: Final = 5000


class Database(NamedTuple):
    """A connection to write on and one to read from, which may be the same, and what runs the work of each."""

    writer: apsw.Connection
    reader: apsw.Connection
    writing: Runner
    reading: Runner
    close: Callable[[], None]


def in_file(path: Path) -> Database:
    """Opens or makes the file, which only its owner can read; a thread each writes and reads.

    Raises OSError and apsw.Error when it cannot be used.
    """
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    writer, reader = _open(path), _open(path)
    writing, reading = Threads("sandbox-writer"), Threads("sandbox-reader")

    def close() -> None:
        for each in (writing, reading, reader, writer):
            each.close()

    return Database(writer, reader, writing, reading, close)


def over(connection: apsw.Connection, run: Runner) -> Database:
    """A database over a connection that outlives it, as a disk outlives a process: it is never closed here.

    Whoever else writes on it sets its `query_only` first: each transaction here leaves it as it needs it.
    """
    return Database(connection, connection, run, run, lambda: None)


@contextmanager
def transaction(db: apsw.Connection, *, writes: bool) -> Generator[None]:
    """Kept when the block ends, undone when it raises; without `writes` it can only look, at a snapshot.

    A transaction that is open already was left by a process that died in it, and is undone first.
    """
    _abandon(db)
    db.execute(f"PRAGMA query_only = {'OFF' if writes else 'ON'}")
    db.execute("BEGIN IMMEDIATE" if writes else "BEGIN")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        _abandon(db)
        raise


@contextmanager
def savepoint(db: apsw.Connection) -> Generator[None]:
    """A part of a transaction: kept in it when the block ends, undone alone when it raises."""
    db.execute("SAVEPOINT part")
    try:
        yield
    except BaseException:
        if db.in_transaction:  # SQLite itself undoes the whole of it when the disk fails
            db.execute("ROLLBACK TO part")
            db.execute("RELEASE part")
        raise
    db.execute("RELEASE part")


def _abandon(db: apsw.Connection) -> None:
    if db.in_transaction:
        db.execute("ROLLBACK")


def _open(path: Path) -> apsw.Connection:
    db = apsw.Connection(str(path))
    db.set_busy_timeout(BUSY_TIMEOUT_MILLISECONDS)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    return db
