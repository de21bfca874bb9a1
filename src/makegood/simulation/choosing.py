"""Which of a world's faults do not happen, by their names: `death-3` is one fault, `death` all of that kind."""

from collections.abc import Iterable
from typing import NamedTuple

from makegood.simulation.faults import Fault

KINDS = {fault.name.lower(): fault for fault in Fault}


def kind_of(name: str) -> str:
    """The kind of a fault with this name; of a kind's name, that name."""
    return name.partition("-")[0]


class Without(NamedTuple):
    """All faults happen but these."""

    names: frozenset[str]

    def __contains__(self, name: object) -> bool:
        """Whether this fault is left out."""
        return name in self.names or kind_of(str(name)) in self.names


class Only(NamedTuple):
    """No faults happen but these."""

    names: frozenset[str]

    def __contains__(self, name: object) -> bool:
        """Whether this fault is left out."""
        return name not in self.names and kind_of(str(name)) not in self.names


def checked(names: Iterable[str]) -> frozenset[str]:
    """The names; raises ValueError for one that no fault can have."""
    found = frozenset(names)
    for name in sorted(found):
        kind, dash, number = name.partition("-")
        if kind not in KINDS or (dash and not number.isdecimal()):
            raise ValueError(f"{name} is no fault: say a kind, as death, or one of them, as death-3; kinds: {_kinds()}")
    return found


def _kinds() -> str:
    return ", ".join(KINDS)
