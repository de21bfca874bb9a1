"""Whole worlds with all faults: one seed has one trace, and every promise holds."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from makegood.simulation.runs import Options, Ran, run

SMALL = Options(orders=6)
SEEDS = (11, 12, 13)
MANY = range(101, 111)
PROGRAM = """
import sys
from makegood.simulation.runs import Options, run
for seed in sys.argv[2:]:
    print(run(int(seed), Options(orders=int(sys.argv[1]))).digest)
"""


def same(one: Ran, other: Ran) -> bool:
    """Whether two runs were the same in everything but our own time."""
    return (one.digest, one.steps, one.injected, one.attempts, one.seconds, one.broken) == (
        other.digest,
        other.steps,
        other.injected,
        other.attempts,
        other.seconds,
        other.broken,
    )


def digests_of_child(hash_seed: str) -> list[str]:
    """The digests that a process with other hashes of strings comes to."""
    child = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM, str(SMALL.orders), *map(str, SEEDS)],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert child.returncode == 0, child.stderr
    return child.stdout.split()


def test_one_seed_has_one_trace() -> None:
    """A world runs the same again in this process, after others, and in processes that hash strings otherwise."""
    with ThreadPoolExecutor(2) as both:
        children = both.map(digests_of_child, ("1", "4242"))
        first = [run(seed, SMALL) for seed in SEEDS]
        again = [run(seed, SMALL) for seed in reversed(SEEDS)][::-1]
        digests = [ran.digest for ran in first]
        assert [*children] == [digests, digests]
    assert all(same(one, other) for one, other in zip(first, again, strict=True))
    assert all(ran.injected for ran in first)
    assert len(set(digests)) == len(SEEDS)


@pytest.mark.parametrize("seed", MANY)
def test_a_world_keeps_every_promise(seed: int) -> None:
    """Whatever fails in it, a world comes to rest with nothing broken and something to look at."""
    ran = run(seed, Options())
    assert ran.broken == ()
    assert ran.orders == 50
    assert ran.attempts >= ran.orders
    assert ran.injected
    assert ran.examined["P12"] > 0
