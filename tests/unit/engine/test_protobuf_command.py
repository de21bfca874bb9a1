"""`makegood contracts`."""

import json
import shutil
from pathlib import Path

import pytest

from makegood.cli import contracting
from makegood.cli.failure import CommandFailed
from makegood.engine.rpc.protobuf.proto import FILES


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the checked-in files."""
    return Path(shutil.copytree(FILES, tmp_path / "makegood"))


def edit(path: Path, old: str, new: str) -> None:
    """Changes a line, which must be there."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_checked_in_files() -> None:
    """The checked-in files are what the code says: after a change of contracts, run `makegood contracts`."""
    contracting.check(as_json=False)


def test_writing_twice(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Written again, the files stay as they are, to the byte; lost ones come back."""
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    (folder / "points.proto").unlink()
    contracting.renew(folder, accept_breaks=False, as_json=True)
    assert json.loads(capsys.readouterr().out) == {"changed": ["points.proto"], "breaks": []}
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_check_finds_a_difference(folder: Path) -> None:
    """A comment that is not the code's is a difference, which names the file; writing mends it."""
    edit(folder / "stock.proto", "// Goods in SKU order", "// Goods in any order")
    with pytest.raises(CommandFailed, match=r"stock\.proto differ"):
        contracting.check(folder, as_json=False)
    contracting.renew(folder, accept_breaks=False, as_json=False)
    contracting.check(folder, as_json=False)


def test_a_new_field(folder: Path) -> None:
    """A field that the files do not know is added with the next number."""
    edit(folder / "stock.proto", "  optional int64 limit = 5;\n", "")
    contracting.renew(folder, accept_breaks=False, as_json=False)
    assert "optional int64 limit = 5;" in (folder / "stock.proto").read_text()


def test_a_removed_field(folder: Path) -> None:
    """A field that the code has no more is refused by check and by writing; accepted, it is reserved from then on."""
    edit(folder / "stock.proto", "  int64 stock = 4;\n", "  int64 stock = 4;\n  string colour = 9;\n")
    for command in (
        lambda: contracting.check(folder, as_json=False),
        lambda: contracting.renew(folder, accept_breaks=False, as_json=False),
    ):
        with pytest.raises(CommandFailed, match=r"Good\.colour was removed: undo that, or accept it"):
            command()
    contracting.renew(folder, accept_breaks=True, as_json=False)
    text = (folder / "stock.proto").read_text()
    assert '  reserved 9;\n  reserved "colour";\n' in text
    assert "string colour" not in text
    contracting.check(folder, as_json=False)


def test_a_number_changed_by_hand(folder: Path) -> None:
    """Compared with the files of before, a number that somebody changed is found."""
    edit(folder / "stock.proto", "int64 price = 3;", "int64 price = 8;")
    edit(folder / "stock.proto", "  int64 stock = 4;\n", "")
    contracting.renew(folder, accept_breaks=False, as_json=False)
    contracting.check(folder, as_json=False)
    with pytest.raises(CommandFailed, match=r"Good\.price was renumbered: 3 before, 8 now"):
        contracting.check(folder, FILES, as_json=False)


def test_nothing_to_compare_with(tmp_path: Path) -> None:
    """A folder without files is no proof that nobody is broken: it is refused."""
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(CommandFailed, match=r"no \.proto files"):
            contracting.check(against=folder, as_json=False)


def test_a_service_that_is_gone(folder: Path) -> None:
    """The file of a service that the code has no more goes, once that is accepted."""
    (folder / "gifts.proto").write_text((folder / "points.proto").read_text().replace("message ", "message Gift"))
    with pytest.raises(CommandFailed, match="was removed"):
        contracting.renew(folder, accept_breaks=False, as_json=False)
    contracting.renew(folder, accept_breaks=True, as_json=False)
    assert not (folder / "gifts.proto").exists()


def test_a_broken_file(folder: Path) -> None:
    """A file that cannot be read, or uses a number twice, stops everything: no number is guessed."""
    for old, new in (("int64 price = 3;", "int64 price = 4;"), ("int64 price = 4;", "int64 price is 4")):
        edit(folder / "stock.proto", old, new)
        with pytest.raises(CommandFailed, match="restore the file"):
            contracting.renew(folder, accept_breaks=True, as_json=False)


def test_export(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The files are copied for others, as they are here."""
    contracting.export(tmp_path)
    assert str(tmp_path / "makegood") in capsys.readouterr().out
    assert {path.name: path.read_bytes() for path in (tmp_path / "makegood").iterdir()} == {
        path.name: path.read_bytes() for path in FILES.iterdir()
    }
    with pytest.raises(CommandFailed, match="another folder"):
        contracting.export(tmp_path / "makegood" / "stock.proto")
