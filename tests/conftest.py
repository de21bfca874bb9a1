"""What all tests share."""

import os
import sys
from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import settings

from tests.support.shop_process import BYTECODE

HERE = Path(__file__).parent
SLOW = {
    "scenario/test_kill9": 100,
    "browser/": 95,
    "scenario/test_bench": 75,
    "unit/replay/test_kills": 50,
    "scenario/test_held_databases": 40,
    "scenario/test_operators": 25,
    "scenario/test_platform_faults": 25,
    "scenario/test_expiry": 20,
    "scenario/": 60,
    "audit/": 20,
    "unit/sandbox/": 20,
    "unit/replay/": 20,
}
"""Tests that share a process or are slow, by how their path begins, and their seconds, roughly."""

# A busy machine is no failure: how long one example may take says nothing about what must hold.
settings.register_profile("makegood", deadline=None)
settings.load_profile("makegood")

# Every process that a test starts keeps what it compiled: else each start would compile every library again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
os.environ["PYTHONPYCACHEPREFIX"] = str(BYTECODE)
sys.dont_write_bytecode = False
sys.pycache_prefix = str(BYTECODE)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Each worker begins with its share of the slow tests, so that none is left with a long one in the end.

    Each is given as many tests in a row, and takes from the end of another's when it has done its own.
    """
    workers: int = getattr(config, "workerinput", {}).get("workercount", 1)
    if workers == 1:
        return
    groups: defaultdict[str, list[pytest.Item]] = defaultdict(list)
    for item in items:
        groups[_group(item)].append(item)
    quick = groups.pop("", [])
    ordered: list[pytest.Item] = []
    for number, share in enumerate(_shares(groups, workers)):
        missing = max(0, (len(items) - len(ordered)) // (workers - number) - len(share))
        ordered += share + quick[:missing]
        del quick[:missing]
    items[:] = ordered + quick


def _group(item: pytest.Item) -> str:
    """How its path begins, if that is slow."""
    path = item.path.relative_to(HERE).as_posix()
    return next((beginning for beginning in SLOW if path.startswith(beginning)), "")


def _shares(groups: dict[str, list[pytest.Item]], workers: int) -> list[list[pytest.Item]]:
    """The slow tests of each worker, about as long, each group whole."""
    shares: list[list[pytest.Item]] = [[] for _ in range(workers)]
    seconds = [0] * workers
    for name in sorted(groups, key=lambda name: -SLOW[name]):
        least = seconds.index(min(seconds))
        shares[least] += groups[name]
        seconds[least] += SLOW[name]
    return shares
