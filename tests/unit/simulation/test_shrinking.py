"""Shrinking, on worlds of which it is known what breaks them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makegood.simulation.choosing import Only
from makegood.simulation.faults import Fault
from makegood.simulation.runs import Options, Ran
from makegood.simulation.shrinking import Shrinking, Shrunk
from tests.unit.simulation.worlds import lazily, toy

COULD = [(fault, number) for fault in (Fault.DEATH, Fault.REPLY_LOST, Fault.CALL_TWICE) for number in range(1, 31)]
NAMES = [f"{fault.name.lower()}-{number}" for fault, number in COULD]


def unheard(runs: int, best: Ran) -> None:
    """Nobody wants to know how far it has come; it only ever counts up, with a world that fails."""
    assert runs > 0
    assert best.broken


def shrink(needed: set[str], buyer: int, most_runs: int = 600) -> Shrunk:
    """The smallest world of 90 faults and 16 buyers that needs these."""
    run = toy(COULD, needed, buyer)
    options = Options(orders=50)
    return Shrinking(run(options), options, "P5", lazily(run), unheard, most_runs=most_runs).shrink()


def test_a_pair_of_faults_and_one_buyer_are_found() -> None:
    """Of 90 faults and 16 buyers exactly those are left that break the promise."""
    shrunk = shrink({"death-3", "reply_lost-17"}, 4)
    assert shrunk.options.left_out == Only(frozenset({"death-3", "reply_lost-17"}))
    assert [fault.name for fault in shrunk.ran.injected] == ["death-3", "reply_lost-17"]
    assert shrunk.options.buyers == {4}
    assert shrunk.least


@settings(max_examples=40, deadline=None)
@given(st.sets(st.sampled_from(NAMES), max_size=5), st.integers(0, 15))
def test_whatever_is_needed_is_what_is_left(needed: set[str], buyer: int) -> None:
    """Any set of needed faults, the empty one too, is found exactly, within the number of runs."""
    shrunk = shrink(needed, buyer)
    assert {fault.name for fault in shrunk.ran.injected} == needed
    assert shrunk.options.buyers == {buyer}
    assert shrunk.runs <= 600


def test_shrinking_is_deterministic() -> None:
    """Two times the same world gives the same smaller one, after as many runs."""
    assert shrink({"death-3", "call_twice-9"}, 2) == shrink({"death-3", "call_twice-9"}, 2)


@pytest.mark.parametrize("most", [1, 5, 20])
def test_it_stops_at_its_limit_with_a_world_that_fails(most: int) -> None:
    """When the runs are used up, the smallest world so far is given, and said not to be the least."""
    shrunk = shrink({"death-3", "reply_lost-17", "call_twice-30"}, 4, most_runs=most)
    assert shrunk.runs == most
    assert not shrunk.least
    assert [broken.promise for broken in shrunk.ran.broken] == ["P5"]


def test_another_promise_does_not_count() -> None:
    """A world that breaks another promise is no smaller form of this failure."""
    run = toy(COULD, {"death-3"}, 4)
    options = Options(orders=50)
    shrunk = Shrinking(run(options), options, "P6", lazily(run), unheard).shrink()
    assert len(shrunk.ran.injected) == len(COULD)
    assert shrunk.options.buyers is None
