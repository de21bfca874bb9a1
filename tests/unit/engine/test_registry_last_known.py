"""The last known providers on disk."""

import asyncio
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from makegood.engine.registry.last_known import MAX_SIZE, LastKnown, load
from makegood.engine.registry.port import Provider

STOCK, ORDERS = "makegood.Stock", "makegood.Orders"
ONE, TWO = Provider("127.0.0.1", 5001), Provider("127.0.0.1", 5002, weight=50)


async def test_what_was_known_is_known_again(tmp_path: Path) -> None:
    """The last that was remembered of each interface is there for the next process, though the file was never there."""
    path = tmp_path / "new" / "providers.json"
    known = await LastKnown.open(path)
    assert known.providers(STOCK) == ()
    for providers in ((ONE,), (ONE, TWO), (TWO,), (ONE, TWO)):
        known.remember(STOCK, providers)
        await asyncio.sleep(0)
    known.remember(ORDERS, (TWO,))
    assert known.providers(STOCK) == (ONE, TWO)
    await known.close()
    again = await LastKnown.open(path)
    assert (again.providers(STOCK), again.providers(ORDERS)) == ((ONE, TWO), (TWO,))


async def test_only_the_owner_reads_it(tmp_path: Path) -> None:
    """The file is its owner's alone, and nothing else is left in the folder, also after a writer that died half way."""
    path = tmp_path / "providers.json"
    (tmp_path / "providers.json.new").write_text("half of it")
    known = await LastKnown.open(path)
    known.remember(STOCK, (ONE,))
    await known.close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        b'{"makegood.Stock": [{"host": "a"}]}',
        b'{"makegood.Stock": [{"host": "a/b", "port": 1}]}',
        b'{"makegood.Stock": [{"host": "a", "port": 0}]}',
        b'{"no name": []}',
        b'{"makegood.Stock": []}' + b" " * MAX_SIZE,
    ],
)
async def test_an_unfit_file_says_nothing(tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """A file that is damaged, or not ours, is told of and taken for none, and the next one replaces it."""
    path = tmp_path / "providers.json"
    path.write_bytes(content)
    known = await LastKnown.open(path)
    assert known.providers(STOCK) == ()
    assert str(path) in caplog.text
    known.remember(STOCK, (ONE,))
    await known.close()
    assert load(path) == {STOCK: (ONE,)}


async def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Where no file can be written, the process goes on with what it knows, and the log says what to do."""
    (tmp_path / "file").write_text("")
    known = await LastKnown.open(None)
    known.remember(STOCK, (ONE,))
    await known.close()
    blocked = LastKnown(tmp_path / "file" / "providers.json", {})
    blocked.remember(STOCK, (ONE,))
    await blocked.close()
    assert blocked.providers(STOCK) == known.providers(STOCK) == (ONE,)
    assert "make the folder writable" in caplog.text


@given(content=st.binary())
def test_no_content_breaks_the_start(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """Whatever the file has in it, it is read or taken for none."""
    path = tmp_path_factory.mktemp("known") / "providers.json"
    path.write_bytes(content)
    assert isinstance(load(path), dict)
