"""`makegood simulate`: runs worlds on all cores, and explains the first that fail."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec

from makegood.simulation import story
from makegood.simulation.explaining import Explained, explain, runs_of
from makegood.simulation.progress import Bars
from makegood.simulation.report import Report, Tally
from makegood.simulation.runs import Options, Ran
from makegood.simulation.workers import Job, Workers

TAIL = 60
"""Lines of a trace that are shown when a world is stopped on its way."""


class Task(NamedTuple):
    """What to simulate: worlds of these seeds; so many failing ones to explain; what to tell of a single one.

    `stops`: the worlds end on their way, so what they did last is of interest.
    """

    seeds: range
    options: Options
    workers: int
    explained: int
    about: str | None = None
    stops: bool = False


class Simulated(msgspec.Struct, frozen=True):
    """What came of it. `digest` is of the one world that was asked for; `stopped`: no world came to its end."""

    report: Report
    explained: list[Explained]
    digest: str | None = None
    story: list[str] = []
    stopped: bool = False


def simulate(task: Task, bars: Bars) -> Simulated:
    """Runs the worlds; raises OSError when no process can be started."""
    tally, failing = Tally(), list[Ran]()
    digest = None
    bars.begin("worlds", len(task.seeds))
    with Workers(min(task.workers, max(len(task.seeds), 2 * task.explained, 1))) as workers:
        for ran in _counted(task, workers, tally, bars):
            digest = ran.digest
            if ran.broken and len(failing) < task.explained:
                failing.append(ran)
        explained = [explain(ran, task.options, workers, bars) for ran in failing]
        told = list(_told(task, workers))
    single = digest if len(task.seeds) == 1 else None
    return Simulated(tally.report(), explained, single, told, task.stops)


def _counted(task: Task, workers: Workers, tally: Tally, bars: Bars) -> Iterator[Ran]:
    for outcome in workers.map(_jobs(task.seeds, task.options)):
        if isinstance(outcome, Ran):
            tally.add(outcome)
            yield outcome
        else:
            tally.lose(outcome)
        bars.worlds(tally)


def _jobs(seeds: Iterable[int], options: Options) -> Iterator[Job]:
    return (Job(seed, options) for seed in seeds)


def _told(task: Task, workers: Workers) -> Iterator[str]:
    """What the single world was like, as far as somebody wants to know."""
    if len(task.seeds) > 1 or not (task.about or task.stops):
        return
    keeping = msgspec.structs.replace(task.options, keep=True)
    for ran in runs_of(task.seeds[0], workers)([keeping]):
        if isinstance(ran, Ran):
            told = story.tell(ran.kept, ran.injected, [task.about]) if task.about else story.ending(ran.kept, TAIL)
            yield from (story.text(line) for line in told.lines)
