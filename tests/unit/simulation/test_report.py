"""What many worlds are like taken together, and the command that runs one again."""

import pytest

from makegood.simulation.checks import Broken
from makegood.simulation.choosing import Only, Without, checked
from makegood.simulation.explaining import command_of
from makegood.simulation.faults import Fault, Injected
from makegood.simulation.report import Tally
from makegood.simulation.runs import Options
from makegood.simulation.workers import Lost
from tests.unit.simulation.worlds import ran

DEATHS = tuple(Injected(Fault.DEATH, number, 1.0, "shop") for number in (1, 2))


def test_worlds_are_added_up() -> None:
    """Orders, faults and promises of all worlds are counted, and in how many worlds they were."""
    tally = Tally()
    tally.add(ran(1, injected=DEATHS, examined={"P2": 3, "P10": 1}))
    tally.add(ran(2, injected=DEATHS[:1], examined={"P2": 4}, broken=(Broken("P2", "a", "b"), Broken("P2", "c", "d"))))
    report = tally.report()
    assert (report.worlds, report.orders, report.answers, report.virtual_hours) == (2, 100, 120, 0.02)
    assert report.orders_per_cpu_second == 100.0
    assert [(one.name, one.injected, one.worlds) for one in report.faults if one.injected] == [("death", 3, 2)]
    assert [(one.promise, one.examined, one.broken_in) for one in report.promises] == [("P2", 7, 1), ("P10", 1, 0)]
    assert [(one.seed, one.count) for one in report.failures] == [(2, 2)]
    assert not report.ok


def test_a_lost_world_is_no_success() -> None:
    """A world that did not come to its end is listed, and the whole is not right."""
    tally = Tally()
    tally.lose(Lost(4, "its process ended with status -9"))
    report = tally.report()
    assert (report.ok, report.worlds, report.lost) == (False, 0, 1)
    assert report.losses == [Lost(4, "its process ended with status -9")]


def test_the_digest_is_of_all_traces() -> None:
    """Equal worlds give equal digests, and any other trace another one."""

    def digest(*digests: str) -> str:
        tally = Tally()
        for one in digests:
            tally.add(ran(digest=one))
        return tally.report().digest

    assert digest("a", "b") == digest("a", "b")
    assert digest("a", "b") != digest("a", "c")


@pytest.mark.parametrize(
    ("options", "command"),
    [
        (Options(), "makegood simulate --seed 7"),
        (Options(orders=9, scale=2.5), "makegood simulate --seed 7 --orders 9 --faults 2.5"),
        (Options(buyers=frozenset({10, 2})), "makegood simulate --seed 7 --buyer 2 --buyer 10"),
    ],
)
def test_the_command_says_what_differs_from_the_usual(options: Options, command: str) -> None:
    """What is not said on the command line is as it usually is."""
    assert command_of(7, options) == command


def test_names_choose_faults_and_kinds() -> None:
    """A fault is chosen by its own name or its kind's, and what no fault can be called is refused."""
    names = checked(["death", "reply_lost-3"])
    assert [name in Without(names) for name in ("death-9", "reply_lost-3", "reply_lost-4")] == [True, True, False]
    assert [name in Only(names) for name in ("death-9", "reply_lost-3", "reply_lost-4")] == [False, False, True]
    for wrong in ("deaths", "death-", "death-x", "", "Death-1"):
        with pytest.raises(ValueError, match="is no fault: say a kind"):
            checked([wrong])
