"""Worlds in processes of their own, some of which end badly."""

import os
from pathlib import Path

import pytest

from makegood.simulation.runs import Options, Ran
from makegood.simulation.workers import Job, Lost, Workers
from tests.unit.simulation.worlds import ran

DIES, RAISES = 3, 5


def work(seed: int, options: Options) -> Ran:
    """A world that ends at once; one seed takes its process along, another raises."""
    if seed == DIES:
        os._exit(9)
    if seed == RAISES:
        raise RuntimeError("nothing will ever happen")
    return ran(seed, orders=options.orders)


def jobs(*seeds: int) -> list[Job]:
    """Worlds of these seeds."""
    return [Job(seed, Options(orders=7)) for seed in seeds]


@pytest.mark.parametrize("count", [1, 2])
def test_every_world_is_reported_in_order(count: int) -> None:
    """However many processes there are, the worlds come in the order of their seeds, those that were lost as well."""
    with Workers(count, work) as workers:
        outcomes = list(workers.map(jobs(1, 2, DIES, 4, RAISES, 6)))
    assert [outcome.seed for outcome in outcomes] == [1, 2, 3, 4, 5, 6]
    assert outcomes[2] == Lost(DIES, "its process ended with status 9")
    assert outcomes[4] == Lost(RAISES, "the simulation failed: RuntimeError('nothing will ever happen')")
    assert [outcome.orders for outcome in outcomes if isinstance(outcome, Ran)] == [7, 7, 7, 7]


def test_what_was_given_up_does_not_disturb_what_follows() -> None:
    """Who wants no more worlds may close, and gets the right ones the next time."""
    with Workers(2, work) as workers:
        first = workers.map(jobs(10, 11, 12, 13))
        assert next(first).seed == 10
        first.close()
        assert [outcome.seed for outcome in workers.map(jobs(20, 21))] == [20, 21]
        assert list(workers.map([])) == []


def test_no_process_is_left() -> None:
    """When the workers are left, their processes are gone."""
    with Workers(2, pids) as workers:
        seen = {int(outcome.digest) for outcome in workers.map(jobs(1, 2, 3, 4)) if isinstance(outcome, Ran)}
    assert seen
    assert not [pid for pid in seen if Path(f"/proc/{pid}").exists()]


def pids(seed: int, options: Options) -> Ran:
    """A world whose digest is the id of its process."""
    return ran(seed, orders=options.orders, digest=str(os.getpid()))
