"""Runs worlds of one mutated shop until a promise is broken: the child process of `hunting`.

    PYTHONPATH=COPY python -m tests.simulation.mutations.worlds COPY FIRST SEEDS ORDERS SCALE

Each world is a line of JSON (`Lived`) on the standard output.
"""

import sys
import traceback
from pathlib import Path

import msgspec

import makegood
from makegood.simulation.runs import Options, run

KEPT = 600
"""Most characters of a detail that are kept."""


class Breach(msgspec.Struct, frozen=True):
    """A promise that does not hold: for what, and how."""

    promise: str
    subject: str
    detail: str


class Lived(msgspec.Struct, frozen=True):
    """What came of one world; `failure` says why it did not come to its end."""

    seed: int
    topology: str
    cpu: float
    breaches: tuple[Breach, ...]
    failure: str = ""


def live(seed: int, options: Options) -> Lived:
    """Runs one world."""
    try:
        ran = run(seed, options)
    except Exception as error:
        return Lived(seed, "", 0.0, (), "".join(traceback.format_exception(error))[-KEPT:])
    breaches = tuple(Breach(one.promise, one.subject, one.detail[:KEPT]) for one in ran.broken)
    return Lived(seed, ran.topology, ran.cpu, breaches)


def main(copy: str, first: str, seeds: str, orders: str, scale: str) -> None:
    """Runs one world after the other, until one breaks a promise."""
    where = Path(str(makegood.__file__))
    if not where.is_relative_to(copy):
        raise SystemExit(f"makegood comes from {where}, not from {copy}: start this with PYTHONPATH={copy}")
    options = Options(orders=int(orders), scale=float(scale))
    for seed in range(int(first), int(first) + int(seeds)):
        lived = live(seed, options)
        sys.stdout.write(msgspec.json.encode(lived).decode() + "\n")
        sys.stdout.flush()
        if lived.breaches or lived.failure:
            return


if __name__ == "__main__":
    main(*sys.argv[1:])
