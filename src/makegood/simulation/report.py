"""What many worlds were like, taken together: what failed in them, and which promises held."""

import hashlib
from collections import Counter

import msgspec

from makegood.simulation.checks import Broken
from makegood.simulation.choosing import kind_of
from makegood.simulation.faults import Fault
from makegood.simulation.runs import Ran
from makegood.simulation.workers import Lost

LISTED = 100
"""Most worlds that are listed one by one; all of them are counted."""
BROKEN_LISTED = 20
"""Most broken promises that are listed of one world."""


class Injections(msgspec.Struct, frozen=True):
    """How often one kind of fault happened, and in how many worlds."""

    name: str
    happens: str
    injected: int
    worlds: int


class Promise(msgspec.Struct, frozen=True):
    """How many things were looked at for a promise, and in how many worlds it was broken."""

    promise: str
    examined: int
    broken_in: int


class Failed(msgspec.Struct, frozen=True):
    """A world in which promises were broken: how many, and the first of them."""

    seed: int
    count: int
    broken: tuple[Broken, ...]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Worlds taken together. `digest` is equal when all their traces are; hours are of their own time."""

    ok: bool
    worlds: int
    topologies: dict[str, int]
    orders: int
    confirmed: int
    answers: int
    virtual_hours: float
    steps: int
    cpu_seconds: float
    orders_per_cpu_second: float
    faults: list[Injections]
    promises: list[Promise]
    failed: int
    failures: list[Failed]
    lost: int
    losses: list[Lost]
    digest: str


class Tally:
    """Counts worlds as they end; they must come in the order of their seeds for the digest to be comparable."""

    def __init__(self) -> None:
        self.worlds = self.orders = self.confirmed = self.answers = self.steps = 0
        self.failed = self.lost = 0
        self.seconds = self.cpu = 0.0
        self.injected: Counter[str] = Counter()
        self.digest = hashlib.blake2b(digest_size=16)
        self._injected_in: Counter[str] = Counter()
        self._topologies: Counter[str] = Counter()
        self._examined: Counter[str] = Counter()
        self._broken_in: Counter[str] = Counter()
        self._failures: list[Failed] = []
        self._losses: list[Lost] = []

    def lose(self, lost: Lost) -> None:
        """Counts a world of which nothing is known."""
        self.lost += 1
        self.digest.update(b"lost")
        if len(self._losses) < LISTED:
            self._losses.append(lost)

    def add(self, ran: Ran) -> None:
        """Counts a world."""
        self.worlds += 1
        self.orders += ran.orders
        self.confirmed += ran.confirmed
        self.answers += ran.attempts
        self.steps += ran.steps
        self.seconds += ran.seconds
        self.cpu += ran.cpu
        self.digest.update(ran.digest.encode())
        self._topologies[ran.topology] += 1
        kinds = Counter(kind_of(fault.name) for fault in ran.injected)
        self.injected.update(kinds)
        self._injected_in.update(kinds.keys())
        self._examined.update(ran.examined)
        self._add_broken(ran)

    def _add_broken(self, ran: Ran) -> None:
        if not ran.broken:
            return
        self.failed += 1
        self._broken_in.update({broken.promise for broken in ran.broken})
        if len(self._failures) < LISTED:
            self._failures.append(Failed(ran.seed, len(ran.broken), ran.broken[:BROKEN_LISTED]))

    def report(self) -> Report:
        """All of it."""
        promises = sorted(self._examined.keys() | self._broken_in.keys(), key=_natural)
        return Report(
            ok=not (self.failed or self.lost),
            worlds=self.worlds,
            topologies=dict(sorted(self._topologies.items())),
            orders=self.orders,
            confirmed=self.confirmed,
            answers=self.answers,
            virtual_hours=round(self.seconds / 3600, 3),
            steps=self.steps,
            cpu_seconds=round(self.cpu, 3),
            orders_per_cpu_second=round(self.orders / self.cpu, 1) if self.cpu else 0.0,
            faults=[_injections(fault, self.injected, self._injected_in) for fault in Fault],
            promises=[Promise(name, self._examined[name], self._broken_in[name]) for name in promises],
            failed=self.failed,
            failures=self._failures,
            lost=self.lost,
            losses=self._losses,
            digest=self.digest.hexdigest(),
        )


def _injections(fault: Fault, injected: Counter[str], worlds: Counter[str]) -> Injections:
    name = fault.name.lower()
    return Injections(name, fault.value, injected[name], worlds[name])


def _natural(promise: str) -> tuple[int, str]:
    """P2 comes before P10, and both before those that have a sentence for a name."""
    number = promise.removeprefix("P")
    return (int(number), "") if number.isdecimal() else (1_000, promise)
