"""The store: one commit for many, and nobody's failure is another's."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import apsw
import pytest

from makegood.sandbox import settings
from makegood.sandbox.clock import Anchor, Clock
from makegood.sandbox.database import in_file
from makegood.sandbox.store import MAX_WAITING, Store, StoreBusyError, StoreFailedError, Transaction


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """An open store whose commits run."""
    opened = Store(in_file(tmp_path / "store.sqlite"), Clock.at_world_time())
    task = asyncio.create_task(opened.run())
    yield opened
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    opened.close()


async def test_waiting_writes_share_a_commit(store: Store, tmp_path: Path) -> None:
    """A hundred writes that wait together cost far fewer commits, and another connection sees them all."""
    before = changes(tmp_path)
    await asyncio.gather(*(store.write(lambda tx, n=n: settings.save(tx, f"n{n}", n)) for n in range(100)))
    other = apsw.Connection(str(tmp_path / "store.sqlite"))
    assert other.execute("SELECT count(*) FROM settings").fetchone() == (100,)
    assert changes(tmp_path) - before < 10


def changes(folder: Path) -> int:
    """How many frames the write-ahead log has; each commit here adds at least one."""
    return (folder / "store.sqlite-wal").stat().st_size // 4096


async def test_failing_work_fails_alone(store: Store) -> None:
    """Its own changes are undone and its exception is its caller's; its neighbours' stay."""

    def fails(tx: Transaction) -> None:
        settings.save(tx, "bad", 1)
        raise ZeroDivisionError

    outcomes = await asyncio.gather(
        store.write(lambda tx: settings.save(tx, "before", 1)),
        store.write(fails),
        store.write(lambda tx: settings.save(tx, "after", 1)),
        return_exceptions=True,
    )
    assert isinstance(outcomes[1], ZeroDivisionError)
    for name, value in (("before", 1), ("bad", None), ("after", 1)):
        assert await store.read(lambda tx, name=name: settings.load(tx, name, int)) == value


async def test_commit_undone_by_sqlite_fails_for_all(store: Store) -> None:
    """When a full disk makes SQLite undo the whole commit, no neighbour is told that its work was kept."""

    def fails(tx: Transaction) -> None:
        tx.db.execute("ROLLBACK")
        raise apsw.FullError

    outcomes = await asyncio.gather(
        store.write(lambda tx: settings.save(tx, "before", 1)),
        store.write(fails),
        store.write(lambda tx: settings.save(tx, "after", 1)),
        return_exceptions=True,
    )
    assert [type(outcome) for outcome in outcomes] == [StoreFailedError] * 3
    assert all(isinstance(outcome.__cause__, apsw.FullError) for outcome in outcomes if outcome)
    for name in ("before", "after"):
        assert await store.read(lambda tx, name=name: settings.load(tx, name, int)) is None
    await store.write(lambda tx: settings.save(tx, "next", 1))


async def test_reading_cannot_write(store: Store) -> None:
    """Work that is only to look is kept from changing anything."""
    with pytest.raises(StoreFailedError):
        await store.read(lambda tx: settings.save(tx, "x", 1))


async def test_too_many_waiting_writes_are_refused(tmp_path: Path) -> None:
    """The queue has an end, and who comes after it is told before anything is written."""
    idle = Store(in_file(tmp_path / "store.sqlite"), Clock.at_world_time())
    waiting = [asyncio.create_task(idle.write(lambda _: None)) for _ in range(MAX_WAITING)]
    await asyncio.sleep(0)
    with pytest.raises(StoreBusyError, match="try again"):
        await idle.write(lambda _: None)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    idle.close()


def test_clock_runs_at_its_speed_and_never_back() -> None:
    """Virtual time starts at the anchor, keeps what has passed when the speed changes, and jumps ahead."""
    clock = Clock(Anchor(virtual=1_000, real=10**15, speed=2.0))
    assert clock.now() == 1_000
    clock.set_speed(1_000.0)
    before = clock.now()
    clock.advance(3600)
    assert clock.now() - before >= 3_600_000
    assert clock.real_seconds(5_000_000) == 5.0
