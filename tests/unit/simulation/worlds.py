"""Worlds for tests of what is done with worlds: made by hand, or by a function that says what fails in them."""

from collections.abc import Callable, Generator, Iterable
from typing import Any

import msgspec

from makegood.simulation.checks import Broken
from makegood.simulation.faults import Fault, Injected
from makegood.simulation.runs import Options, Ran
from makegood.simulation.workers import Lost


def ran(seed: int = 1, **fields: Any) -> Ran:
    """A world in which nothing happened, but for the fields."""
    nothing = Ran(seed, "embedded", 50, 40, 60, 36.0, 0.5, 1_000, f"digest {seed}", (), (), {})
    return msgspec.structs.replace(nothing, **fields)


def toy(could: Iterable[tuple[Fault, int]], needed: Iterable[str], buyer: int) -> Callable[[Options], Ran]:
    """Runs worlds in which these faults happen, and P5 is broken by the needed ones together with the buyer."""
    faults, culprits = [Injected(fault, number, 0.1 * number, "there") for fault, number in could], set(needed)

    def run(options: Options) -> Ran:
        injected = tuple(fault for fault in faults if fault.name not in options.left_out)
        buyers = frozenset(range(options.orders // 3)) if options.buyers is None else options.buyers
        fails = culprits <= {fault.name for fault in injected} and buyer in buyers
        broken = (Broken("P5", "722104801919238144", "too much"),) if fails else ()
        return ran(injected=injected, broken=broken, orders=3 * len(buyers))

    return run


def lazily(run: Callable[[Options], Ran]) -> Callable[[Iterable[Options]], Generator[Ran | Lost]]:
    """Runs one world after another, when it is asked for."""

    def runs(many: Iterable[Options]) -> Generator[Ran | Lost]:
        for options in many:
            yield run(options)

    return runs
