"""The two services killed with -9 around every kind of commit: each effect is there once, and nothing is lost."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.engine import crash_child
from tests.unit.engine.crash_child import NUMBERS, rows

POINTS = [
    "INSERT INTO sums",
    "INSERT INTO outbox",
    "publish",
    "DELETE FROM outbox",
    "INSERT INTO entries",
    "INSERT INTO inbox",
    "acknowledge",
    "INSERT INTO set_aside",
    "UPDATE tasks",
    "print",
    "DELETE FROM tasks",
]
ALL = list(NUMBERS)


class Lives:
    """The process that forks them."""

    def __init__(self) -> None:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        self._process = subprocess.Popen(
            [sys.executable, crash_child.__file__], env=environment, stdin=-1, stdout=-1, text=True
        )

    def live(self, folder: Path, point: str = "-") -> tuple[list[int], int]:
        """The numbers that a life said to be taken, and its exit status."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(f"{folder} {point}\n")
        self._process.stdin.flush()
        taken: list[int] = []
        for line in self._process.stdout:
            word, _, rest = line.strip().partition(" ")
            if word == "ended":
                return taken, int(rest)
            assert word == "taken", line
            taken.append(int(rest))
        raise AssertionError("the process that forks the lives has ended")

    def close(self) -> None:
        """Ends it."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(30)


@pytest.fixture(scope="module")
def lives() -> Iterator[Lives]:
    """Starting Python once is enough."""
    lives = Lives()
    yield lives
    lives.close()


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("place", POINTS)
def test_killed(lives: Lives, tmp_path: Path, moment: str, place: str) -> None:
    """What was answered before the kill is there after it; the next life ends with each effect exactly once."""
    answered, status = lives.live(tmp_path, f"{moment} {place}")
    assert status == -9
    assert set(answered) <= set(rows(tmp_path, "till", "SELECT number FROM sums"))
    check_complete(lives, tmp_path, most_prints=2)


@pytest.mark.parametrize("step", [1, 3, 5, 7])
def test_killed_again_and_again(lives: Lives, tmp_path: Path, step: int) -> None:
    """Life after life that is killed loses nothing and does nothing twice either."""
    places = [POINTS[at * step % len(POINTS)] for at in range(len(POINTS))]
    answered: set[int] = set()
    kills = 0
    for place in places:
        taken, status = lives.live(tmp_path, f"{'before' if kills % 2 else 'after'} {place}")
        answered.update(taken)
        kills += status == -9
        assert answered <= set(rows(tmp_path, "till", "SELECT number FROM sums"))
    assert kills >= 2
    check_complete(lives, tmp_path, most_prints=len(places) + 1)


def check_complete(lives: Lives, folder: Path, most_prints: int) -> None:
    """One more life, and everything is there."""
    assert lives.live(folder) == (ALL, 0)
    assert rows(folder, "till", "SELECT number FROM sums ORDER BY number") == ALL
    assert rows(folder, "books", "SELECT number FROM entries ORDER BY number") == ALL
    assert rows(folder, "till", "SELECT number FROM prints ORDER BY number") == ALL
    assert rows(folder, "books", "SELECT count(*) FROM set_aside") == [0]
    printed = Counter(map(int, (folder / "printed").read_text().split()))
    assert sorted(printed) == ALL
    assert max(printed.values()) <= most_prints


def test_not_killed(lives: Lives, tmp_path: Path) -> None:
    """A life that nobody ends takes everything, and a second one finds nothing to do."""
    for _ in range(2):
        assert lives.live(tmp_path) == (ALL, 0)
    assert rows(tmp_path, "books", "SELECT number FROM entries ORDER BY number") == ALL
    assert (tmp_path / "printed").read_text().split() == [str(number) for number in ALL]
