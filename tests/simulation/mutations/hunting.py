"""Hunts one mutation: a private copy of the shop, the mistake, and worlds in a child process until one is found out."""

import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import msgspec

from tests.simulation.mutations.mutation import Mutation, copy_source
from tests.simulation.mutations.worlds import Breach, Lived

ROOT = Path(__file__).parents[3]
SEEDS = Path(__file__).with_name("seeds.json")
"""In which world each mutation was found last: a short cut, which may be deleted."""
WORLD = 4.0
"""Seconds that a world of 50 orders may take on average, with both cores busy: a hunt that takes longer is ended."""
START = 60.0
"""Seconds that a hunt may take besides."""
SAID = 2_000
"""Most characters shown of what a child said before it failed."""
BUG = "nothing fails that no fault explains"
"""The promise that is broken when something logs an error that no fault explains."""

SHOWN_LAST = ("everything comes to rest", BUG)
"""Promises that are shown when no other one is broken."""


class Hunt(NamedTuple):
    """What came of it: the worlds that were looked at, and what was broken in the last of them.

    `failure` says why the hunt ended early: the child died, or was ended because it took too long.
    """

    mutation: Mutation
    worlds: int
    seed: int
    topology: str
    cpu: float
    breaches: tuple[Breach, ...]
    failure: str = ""

    @property
    def found(self) -> bool:
        """Whether a promise was broken."""
        return bool(self.breaches)

    @property
    def first(self) -> Breach | None:
        """What is broken, a promise of the audit's first, a logged error last."""
        return min(self.breaches, key=_rank, default=None)

    @property
    def only_bugs(self) -> bool:
        """Whether nothing but logged errors shows it."""
        return self.found and all(one.promise == BUG for one in self.breaches)


def _rank(breach: Breach) -> int:
    """How plainly this says what is wrong."""
    return SHOWN_LAST.index(breach.promise) if breach.promise in SHOWN_LAST else -1


def hunt(mutation: Mutation, seen: Callable[[Lived], None] = lambda _: None) -> Hunt:
    """Looks for the mutation in its worlds; `seen` is told of each. Raises Rotten when it does not fit the source.

    It is found in a world that breaks a promise with the mutation, and none without it. The world in which it was
    found before is looked at first; should the shop have changed since, all of its worlds are.
    """
    if mutation.name in (known := known_seeds()):
        result = _judged(_look(mutation._replace(first=known[mutation.name], seeds=1), seen))
        if result.found:
            return result
    return _judged(_look(mutation, seen))


def known_seeds() -> dict[str, int]:
    """By mutation the seed of a world in which it was found."""
    return msgspec.json.decode(SEEDS.read_bytes(), type=dict[str, int]) if SEEDS.exists() else {}


def remember(hunts: Iterable[Hunt]) -> None:
    """Writes down in which worlds mutations were found, beside those known before."""
    seeds = known_seeds() | {one.mutation.name: one.seed for one in hunts if one.found}
    SEEDS.write_bytes(msgspec.json.format(msgspec.json.encode(dict(sorted(seeds.items()))), indent=2) + b"\n")


def _judged(result: Hunt) -> Hunt:
    """What a hunt found, unless the same world is broken without the mutation, too."""
    mutation = result.mutation
    if not result.found:
        return result
    control = without(result.seed, mutation.orders, mutation.scale)
    failure = f"seed {result.seed} is broken without the mutation, too: {control.first}" if control.found else ""
    return result._replace(breaches=() if control.found else result.breaches, failure=failure or control.failure)


@lru_cache
def without(seed: int, orders: int, scale: float) -> Hunt:
    """What comes of this world when nothing is changed."""
    return _look(Mutation("none", "Nothing.", (), seed, 1, orders, scale), lambda _: None)


def _look(mutation: Mutation, seen: Callable[[Lived], None]) -> Hunt:
    with tempfile.TemporaryDirectory(prefix="makegood-mutation-") as folder:
        package = copy_source(Path(folder))
        for patch in mutation.patches:
            patch.apply(package)
        return _hunt(mutation, folder, seen)


def _hunt(mutation: Mutation, copy: str, seen: Callable[[Lived], None]) -> Hunt:
    worlds = [mutation.first, mutation.seeds, mutation.orders, mutation.scale]
    arguments = ["-m", "tests.simulation.mutations.worlds", copy, *map(str, worlds)]
    environment = {**os.environ, "PYTHONPATH": copy, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0"}
    child = subprocess.Popen(
        [sys.executable, "-W", "ignore", *arguments],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    limit = START + WORLD * mutation.seeds * max(1.0, mutation.orders / 50)
    timer = threading.Timer(limit, child.kill)
    timer.start()
    try:
        return _follow(mutation, child, seen, timer)
    finally:
        timer.cancel()
        child.kill()
        child.wait()


def _follow(
    mutation: Mutation, child: "subprocess.Popen[str]", seen: Callable[[Lived], None], timer: threading.Timer
) -> Hunt:
    lived = Lived(mutation.first, "", 0.0, ())
    worlds, cpu, said = 0, 0.0, ""
    for one in _lines(child):
        if isinstance(one, Lived):
            lived, worlds, cpu = one, worlds + 1, cpu + one.cpu
            seen(one)
        else:
            said = (said + one)[-SAID:]
    failure = f"the child ended with {child.returncode}: {said}" if child.wait() else lived.failure
    if failure and not timer.is_alive():
        failure = "it took too long and was ended"
    return Hunt(mutation, worlds, lived.seed, lived.topology, cpu, lived.breaches, failure)


def _lines(child: "subprocess.Popen[str]") -> Iterator[Lived | str]:
    """What the child says: worlds, and anything else, as it is."""
    assert child.stdout is not None
    for line in child.stdout:
        try:
            yield msgspec.json.decode(line, type=Lived)
        except msgspec.MsgspecError:
            yield line
