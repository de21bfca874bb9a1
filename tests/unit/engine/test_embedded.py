"""Services in one program, by `open_host`."""

import asyncio
from pathlib import Path

import apsw
import pytest

from makegood.engine.deadline import Deadline
from makegood.engine.embedded import open_host
from makegood.engine.errors import BrokerUnavailable, OperationFailed
from tests.unit.engine.tills import COUNT, TAKE, Books, Take, Till


async def take(books: Books, folder: Path | None, number: int) -> int:
    """Takes a number, waits until the books have heard of it, and says how many the till has."""
    async with open_host([Till(), books], folder) as host, asyncio.timeout(20):
        await host.call(TAKE, Take(number), Deadline.after(10))
        while number not in books.heard:
            await asyncio.sleep(0.01)
        return (await host.call(COUNT, Take(0), Deadline.after(10))).number


async def test_in_a_folder(tmp_path: Path) -> None:
    """What is stored in a folder is there the next time, and nothing is heard twice."""
    books = Books()
    assert await take(books, tmp_path / "new" / "data", 1) == 1
    assert await take(books, tmp_path / "new" / "data", 2) == 2
    assert books.heard == [1, 2]


async def test_in_memory() -> None:
    """Without a folder each host begins with nothing."""
    assert await take(Books(), None, 1) == 1
    assert await take(Books(), None, 2) == 1


async def test_folder_in_use(tmp_path: Path) -> None:
    """A folder has one host at a time; the second is told why, and disturbs nothing."""
    async with open_host([Till()], tmp_path) as host:
        with pytest.raises(BrokerUnavailable, match="other process"):
            async with open_host([Till()], tmp_path):
                pass
        assert (await host.call(TAKE, Take(1), Deadline.after(10))).number == 1


async def test_failed_start_lets_go(tmp_path: Path) -> None:
    """A host that cannot start, because a file has other tables, lets go of the folder."""
    other = apsw.Connection(str(tmp_path / "till.db"))
    other.execute("CREATE TABLE others (x)")
    other.close()
    with pytest.raises(OperationFailed, match="no such table"):
        async with open_host([Till()], tmp_path):
            pass
    (tmp_path / "till.db").unlink()
    assert await take(Books(), tmp_path, 1) == 1
