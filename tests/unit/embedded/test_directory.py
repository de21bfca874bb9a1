"""A shop's folder: one holder, secrets that last, and a run file only while a shop listens."""

import subprocess
import sys
from pathlib import Path

import pytest

from makegood.embedded.directory import Directory, DirectoryError, RunFile
from tests.support.world import ManualWorld

RUN = RunFile("http://127.0.0.1:1", "http://127.0.0.1:2", "token")
WORLD = ManualWorld(1_700_000_000_000)


def is_held_by_another(path: Path) -> bool:
    """What another process says about the folder."""
    code = (
        "import pathlib, sys; from makegood.embedded.directory import Directory;"
        "print(Directory(pathlib.Path(sys.argv[1])).is_held())"
    )
    return subprocess.check_output([sys.executable, "-c", code, str(path)], text=True).strip() == "True"


def test_a_folder_has_one_holder(tmp_path: Path) -> None:
    """A second shop in the same folder is refused; after the first lets go it may come."""
    first, second = Directory(tmp_path), Directory(tmp_path)
    first.hold()
    assert is_held_by_another(tmp_path)
    with pytest.raises(DirectoryError, match="another shop runs"):
        second.hold()
    first.release()
    assert not is_held_by_another(tmp_path)
    second.hold()
    second.release()


def test_who_looks_keeps_nobody_out(tmp_path: Path) -> None:
    """Commands that look whether a shop runs here do not stop one from starting, nor take each other for one."""
    (tmp_path / "lock").touch()
    code = (
        "import pathlib, sys, time; from makegood.embedded.directory import Directory;"
        "d = Directory(pathlib.Path(sys.argv[1])); print('looks', flush=True); end = time.time() + 60\n"
        "while time.time() < end: d.is_held()"
    )
    looker = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert looker.stdout is not None
    assert looker.stdout.readline() == "looks\n"
    try:
        for _ in range(1_000):
            assert not Directory(tmp_path).is_held()
            directory = Directory(tmp_path)
            directory.hold()
            directory.release()
    finally:
        looker.kill()
        looker.communicate()


def test_secrets_last_and_are_private(tmp_path: Path) -> None:
    """Secrets are made once, differ between folders, and nobody but their owner may read them."""
    directory = Directory(tmp_path)
    directory.hold()
    assert directory.is_new
    secrets = directory.secrets(WORLD, demo=True)
    assert not directory.is_new
    assert directory.secrets(WORLD, demo=False) == secrets
    assert secrets.signing_key != secrets.operators_token
    assert (tmp_path / "secrets.json").stat().st_mode & 0o077 == 0
    directory.release()


def test_a_new_folder_is_private(tmp_path: Path) -> None:
    """The databases in it hold users and the hashes of their passwords."""
    directory = Directory(tmp_path / "new")
    directory.hold()
    assert directory.path.stat().st_mode & 0o077 == 0
    directory.release()


def test_a_run_file_counts_only_while_the_folder_is_held(tmp_path: Path) -> None:
    """What a killed shop left behind is not taken for a running one."""
    directory = Directory(tmp_path)
    directory.hold()
    directory.announce(RUN)
    assert (tmp_path / "run.json").stat().st_mode & 0o077 == 0
    assert Directory(tmp_path).running() == RUN
    directory.release()
    assert not (tmp_path / "run.json").exists()
    directory.announce(RUN)
    assert Directory(tmp_path).running() is None


def test_a_spoilt_secrets_file_is_refused(tmp_path: Path) -> None:
    """A file that cannot be read is an error that names it; it is never replaced in silence."""
    (tmp_path / "secrets.json").write_text("{")
    with pytest.raises(DirectoryError, match=r"secrets\.json"):
        Directory(tmp_path).secrets(WORLD, demo=False)


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    """A file where the folder should be is an error that says what to do."""
    (tmp_path / "file").write_text("")
    with pytest.raises(DirectoryError, match="give another --data"):
        Directory(tmp_path / "file").hold()
