"""What is SQLite's own: files, locks, full disks, and the plans of its statements."""

from pathlib import Path

import apsw
import pytest

from makegood.engine.database.creation import create_tables
from makegood.engine.database.sqlite import SqliteDatabase
from makegood.engine.database.transaction import Transaction
from makegood.engine.errors import DatabaseUnavailable
from makegood.engine.executor import Executors, InlineExecutor
from tests.contract.database.tables import COUNTERS, ITEMS, SCHEMA, Counter, Item
from tests.support.memory import MemoryDatabase
from tests.support.world import ManualWorld
from tests.unit.engine.tills import Till


def opened(path: Path) -> SqliteDatabase:
    """A database in this file, run in line."""
    return SqliteDatabase.open(path, ManualWorld(), Executors.all(InlineExecutor()))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with empty tables."""
    connection = apsw.Connection(str(tmp_path / "test.db"))
    create_tables(connection, SCHEMA)
    connection.close()
    return tmp_path / "test.db"


def add(tx: Transaction) -> None:
    """Adds a counter."""
    tx.insert(COUNTERS, [Counter(tx.new_id(), 1)])


def count(database: SqliteDatabase) -> int:
    """How many counters there are."""
    return database.look(lambda reader: len(reader.page(COUNTERS, limit=100)))


def test_committed_rows_survive(path: Path) -> None:
    """What was committed is there after closing and opening."""
    database = opened(path)
    database.transact(add)
    database.close()
    assert count(opened(path)) == 1


def test_durability(path: Path) -> None:
    """The writer flushes every commit to disk and does not hold up readers; those who read cannot write."""
    database = opened(path)
    writer, reader, surveyor = apsw.connections()[-3:]
    assert [writer.pragma("journal_mode"), writer.pragma("synchronous")] == ["wal", 2]
    assert [one.pragma("query_only") for one in (writer, reader, surveyor)] == [0, 1, 1]
    with pytest.raises(DatabaseUnavailable, match="readonly"):
        database.look(add)
    database.close()


def test_locked_by_another_process(path: Path) -> None:
    """A database that another process keeps locked is away, not broken; when the lock is gone it works."""
    database = opened(path)
    other = apsw.Connection(str(path))
    other.execute("BEGIN IMMEDIATE")
    for connection in apsw.connections():
        connection.set_busy_timeout(1)
    with pytest.raises(DatabaseUnavailable, match="who else has the file open"):
        database.transact(add)
    assert count(database) == 0
    other.execute("ROLLBACK")
    database.transact(add)
    assert count(database) == 1
    database.close()


def test_full_disk() -> None:
    """A full disk is a database that is away: nothing of the transaction is stored, and later ones work."""
    database = MemoryDatabase(SCHEMA, ManualWorld())
    pages = database.connection.pragma("page_count")
    database.connection.pragma("max_page_count", pages + 2)
    with pytest.raises(DatabaseUnavailable, match="full"):
        database.write(lambda tx: tx.insert(ITEMS, [Item("a", picture=bytes(100_000))]))
    database.write(lambda tx: tx.insert(ITEMS, [Item("b")]))
    assert list(database.read(lambda reader: reader.select(ITEMS, ["a", "b"]))) == ["b"]


def test_interrupted_read() -> None:
    """A read that SQLite gives up is a database that is away, whichever row it was at."""
    database = MemoryDatabase(SCHEMA, ManualWorld())
    database.write(lambda tx: tx.insert(COUNTERS, [Counter(number, 0) for number in range(100)]))
    for steps in (5, 200):
        database.connection.set_progress_handler(lambda: True, steps)
        with pytest.raises(DatabaseUnavailable, match="interrupt"):
            database.read(lambda reader: reader.page(COUNTERS, limit=100))
    database.connection.set_progress_handler(None)
    assert len(database.read(lambda reader: reader.page(COUNTERS, limit=100))) == 100


def test_transaction_of_a_dead_process() -> None:
    """What a process left open on a connection that outlives it is rolled back by the next one."""
    database = MemoryDatabase(SCHEMA, ManualWorld())
    database.connection.execute("BEGIN IMMEDIATE")
    database.connection.execute("INSERT INTO counters VALUES (1, 1)")
    assert database.read(lambda reader: reader.page(COUNTERS, limit=1)) == []
    database.connection.execute("BEGIN IMMEDIATE")
    database.connection.execute("INSERT INTO counters VALUES (1, 1)")
    database.write(add)
    assert len(database.read(lambda reader: reader.page(COUNTERS, limit=9))) == 1


def test_close_leaves_what_is_not_its_own() -> None:
    """A connection that was passed in outlives the database."""
    database = MemoryDatabase(SCHEMA, ManualWorld())
    database.write(add)
    database.database.close()
    assert database.connection.execute("SELECT count(*) FROM counters").get == 1


def test_files_that_cannot_be_opened(tmp_path: Path) -> None:
    """A folder that is not there, or a file that is no database, is refused with what to look at."""
    (tmp_path / "other.db").write_bytes(b"no database" * 1_000)
    for path in (tmp_path / "absent" / "test.db", tmp_path / "other.db"):
        with pytest.raises(DatabaseUnavailable, match="check the disk"):
            opened(path)


@pytest.mark.parametrize(
    ("text", "index"),
    [
        ("SELECT * FROM outbox WHERE due_at <= ? ORDER BY due_at, message_id LIMIT ?", "ix_outbox_due_at"),
        ("SELECT * FROM tasks WHERE due_at <= ? ORDER BY due_at, kind, task_key LIMIT ?", "ix_tasks_due_at"),
        ("SELECT * FROM set_aside WHERE due_at <= ? ORDER BY due_at, group_name, topic, event_id LIMIT ?", "ix_set"),
    ],
)
def test_sweeps_never_sort(text: str, index: str) -> None:
    """Finding what is due walks along an index: its cost does not grow with the table, nor does it sort."""
    database = MemoryDatabase(Till.schema, ManualWorld())
    plan = [str(row[3]) for row in database.connection.execute(f"EXPLAIN QUERY PLAN {text}", (1, 1))]
    assert any(index in step for step in plan)
    assert not any("TEMP B-TREE" in step for step in plan)
