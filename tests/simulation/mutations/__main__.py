"""Hunts mutations, two at a time, and says what found them.

    python -m tests.simulation.mutations [NAME …] [--table] [--list] [--from SEED] [--seeds N] [--orders N] [--faults X]

Without names these are all but those that are known to survive. The exit status is 1 when one is not found, or does not
fit the source any more.
"""

import argparse
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from tests.simulation.mutations.catalogue import ALL, MUTATIONS, SURVIVORS
from tests.simulation.mutations.hunting import Hunt, hunt, remember
from tests.simulation.mutations.mutation import Mutation, Rotten
from tests.simulation.mutations.worlds import Lived

AT_ONCE = 2
"""Children that run worlds at the same time."""
WORLDS = ("first", "seeds", "orders", "scale")
"""What of a mutation's worlds can be said on the command line."""
EVERY = 10
"""Worlds after which a hunt says that it goes on."""


def main(arguments: Sequence[str]) -> int:
    """Runs the command; says its exit status."""
    parser = argparse.ArgumentParser("python -m tests.simulation.mutations", description="Hunts mutations.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="what to hunt; without any, all that must be found")
    parser.add_argument("--table", action="store_true", help="print the results as a Markdown table")
    parser.add_argument("--list", action="store_true", help="only say which there are")
    parser.add_argument("--from", type=int, dest="first", metavar="SEED", help="the first world, for all of them")
    parser.add_argument("--seeds", type=int, metavar="N", help="how many worlds at most")
    parser.add_argument("--orders", type=int, metavar="N", help="orders of a world")
    parser.add_argument("--faults", type=float, dest="scale", metavar="X", help="multiplies how often anything fails")
    asked = parser.parse_args(arguments)
    if unknown := sorted(set(asked.names) - ALL.keys()):
        parser.error(f"there is no mutation {unknown[0]}: --list says which there are")
    changed = {name: value for name in WORLDS if (value := getattr(asked, name)) is not None}
    wanted = [one._replace(**changed) for name, one in ALL.items() if name in (asked.names or MUTATIONS)]
    if asked.list:
        for one in wanted:
            print(f"{one.name}: {one.breaks}")
        return 0
    with ThreadPoolExecutor(AT_ONCE) as pool:
        results = list(pool.map(_hunt, wanted))
    remember(one for one in results if one is not None)
    if asked.table:
        print("\n".join([*table([one for one in results if one is not None]), "", *survivors()]))
    return 0 if all(one is not None and one.found for one in results) else 1


def table(hunts: Sequence[Hunt]) -> list[str]:
    """The lines of a Markdown table."""
    head = ["| mutation | what it breaks | found by | worlds |", "| --- | --- | --- | --- |"]
    return [*head, *(f"| `{one.mutation.name}` | {one.mutation.breaks} | {_by(one)} | {one.worlds} |" for one in hunts)]


def survivors() -> list[str]:
    """The lines of a Markdown table of what is known not to be found."""
    head = ["| mutation | what it breaks | why nothing finds it |", "| --- | --- | --- |"]
    return [*head, *(f"| `{one.name}` | {one.breaks} | {one.survives} |" for one in SURVIVORS.values())]


def _by(one: Hunt) -> str:
    if one.first is None:
        return "nothing"
    return f"{one.first.promise}: {_shown(one.first.detail)}"


def _hunt(mutation: Mutation) -> Hunt | None:
    def seen(lived: Lived) -> None:
        number = lived.seed - mutation.first + 1
        if number % EVERY == 0 and not lived.breaches:
            _say(f"  … {mutation.name}: {number} worlds")

    try:
        result = hunt(mutation, seen)
    except Rotten as rotten:
        _say(f"ROT   {mutation.name}: {rotten}")
        return None
    _say(_result(result))
    return result


def _result(one: Hunt) -> str:
    name = f"{one.mutation.name}: "
    spent = f"{one.worlds} worlds, {one.cpu:.0f} CPU s"
    if one.failure and not one.found:
        return f"FAIL  {name}{one.failure} ({spent})"
    if one.first is None:
        return f"ALIVE {name}nothing is broken ({spent})"
    how = "LOG   " if one.only_bugs else "found "
    where = f"seed {one.seed}, {one.topology}, {spent}"
    return f"{how}{name}{one.first.promise}: {one.first.subject}: {_shown(one.first.detail)} ({where})"


def _shown(detail: str) -> str:
    return " ".join(detail.split())[:120].replace("|", "\\|")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
