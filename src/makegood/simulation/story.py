"""The readable timeline of a world: what happened to one order, payment or key, and to the machines that had to do
with it.

A note of the trace belongs to the story when it mentions one of the ids that the story is about. Such a note brings
in the other ids it mentions, unless it is about several orders at once, which have nothing else in common.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from makegood.simulation.faults import Injected
from makegood.simulation.trace import Noted

MOST_LINES = 200
"""Lines of a story at most."""
WIDTH = 160
"""Characters of a detail at most."""
FEW_FAULTS = 20
"""So many faults belong to the story wherever they happened; of more, those at its machines."""
BEFORE = 1.0
"""Seconds before its first note in which a story's machines matter."""
MOST_IDS = 200
"""Ids that a story follows at most."""

_ORDER = re.compile(r"\border_id\W{1,3}(\d+)")
_ID = re.compile(r"\b(?:\d{17,20}|key-\d+-\d+|part-\d+|[A-Za-z]\w*\.[A-Za-z]\w* \d+)\b")
"""A row's or message's id, the key of an order or of a refund, the number of a call."""
_LEASE = re.compile(r"leased_by=\d+")
"""A process's life: all that it works on has that in common."""
_NAME = re.compile(r"\b(?:buyer|sku|coupon)-[\w-]+\b")
_MACHINE = re.compile(r"[\w-]+(?=#\d)|[\w-]+$")
_EMPTY = re.compile(r"(?<=[(,])\s*\w+=(?:None|''|0|False|\(\))(?=[,)])")
_LONG = re.compile(r"(?:lines|changes|refunds)=\(")
TROUBLE = frozenset({"dies", "starts", "does not commit", "fails"})


class Story(NamedTuple):
    """The lines of a timeline; `left_out` more would have belonged to it."""

    lines: tuple[Noted, ...]
    left_out: int


class _Mentioned(NamedTuple):
    """What a note mentions; `many`: several orders."""

    ids: frozenset[str]
    names: frozenset[str]
    many: bool


def tell(kept: Sequence[Noted], injected: Sequence[Injected], about: Iterable[str], most: int = MOST_LINES) -> Story:
    """The story of what these texts mention; where they mention nothing that is known, of everything that failed."""
    ids = _ids_of(about)
    related = _related(kept, ids) if ids else []
    chosen = set(related) or {at for at, note in enumerate(kept) if note.what == "fails"}
    if not chosen:
        return _shortest(_merge([note for note in kept if note.what in TROUBLE], _happened(injected)), most)
    first, last = kept[min(chosen)].at - BEFORE, kept[max(chosen)].at
    machines = {_machine(kept[at].who) for at in chosen}
    chosen |= {
        at
        for at, note in enumerate(kept)
        if first <= note.at <= last and note.what in TROUBLE and _machine(note.who) in machines
    }
    faults = [fault for fault in injected if len(injected) <= FEW_FAULTS or _matters(fault, machines, first, last)]
    return _shortest(_merge([kept[at] for at in sorted(chosen)], _happened(faults)), most)


def ending(kept: Sequence[Noted], most: int) -> Story:
    """The last notes of a trace."""
    return Story(tuple(kept[-most:]), max(0, len(kept) - most))


def text(noted: Noted) -> str:
    """One line: seconds, who, what, and the detail without what says nothing."""
    return f"{noted.at:9.3f}  {noted.who:<19}  {noted.what:<20}  {shortened(noted.detail)}".rstrip()


def shortened(detail: str) -> str:
    """A detail without lines, histories and empty fields, and not too long."""
    while found := _LONG.search(detail):
        end = _closing(detail, found.end() - 1)
        detail = f"{detail[: found.start()]}{found.group()[:-2]}: …{detail[end + 1 :]}"
    for _ in range(2):
        detail = _EMPTY.sub("", detail).replace("(,", "(").replace(",,", ",")
    detail = re.sub(r",+(?=\))", "", re.sub(r"\(\s*,?\s*", "(", detail))
    return detail if len(detail) <= WIDTH else detail[: WIDTH - 1] + "…"


def _closing(detail: str, opening: int) -> int:
    depth = 0
    for at in range(opening, len(detail)):
        depth += (detail[at] == "(") - (detail[at] == ")")
        if depth == 0:
            return at
    return len(detail)


def _ids_of(about: Iterable[str]) -> set[str]:
    """The ids in these texts; where there are none, the names of buyers, coupons and goods."""
    texts = list(about)
    found = {match.group() for one in texts for match in _ID.finditer(one)}
    return found or {match.group() for one in texts for match in _NAME.finditer(one)}


def _related(kept: Sequence[Noted], ids: set[str]) -> list[int]:
    """The notes that mention one of the ids, or one of those that they bring in."""
    mentioned = list(_mentioned(kept))
    known, size = set(ids), 0
    while len(known) != size and len(known) <= MOST_IDS:
        size = len(known)
        for one in mentioned:
            if not one.many and (one.ids | one.names) & known:
                known |= one.ids
    return [at for at, one in enumerate(mentioned) if (one.ids | one.names) & known]


def _mentioned(kept: Sequence[Noted]) -> Iterator[_Mentioned]:
    asked: dict[tuple[str, str], frozenset[str]] = {}
    for note in kept:
        ids = _ids_in(note)
        call = (note.who, note.detail.partition(" ")[0])
        if "#" not in note.who:  # people ask one thing at a time: what they hear is the answer to what they asked
            if note.what.startswith("asks"):
                asked[call] = ids
            elif note.what.startswith("hears"):
                ids |= asked.get(call, frozenset())
        many = len(set(_ORDER.findall(note.detail))) > 1
        yield _Mentioned(ids, frozenset((*_NAME.findall(note.detail), note.who)), many)


def _ids_in(note: Noted) -> frozenset[str]:
    return frozenset(match.group() for match in _ID.finditer(_LEASE.sub("", note.detail)))


def _machine(who: str) -> str:
    """`journal on shop-2#1` is at `shop-2`."""
    found = _MACHINE.search(who)
    return found.group() if found else who


def _matters(fault: Injected, machines: set[str], first: float, last: float) -> bool:
    return first <= fault.at <= last and any(machine in re.split(r"[^\w-]+", fault.where) for machine in machines)


def _happened(injected: Iterable[Injected]) -> list[Noted]:
    return [Noted(fault.at, "fault", fault.name, f"{fault.fault.value}: {fault.where}") for fault in injected]


def _merge(notes: list[Noted], faults: list[Noted]) -> list[Noted]:
    return sorted([*faults, *notes], key=lambda note: note.at)


def _shortest(notes: list[Noted], most: int) -> Story:
    """The first and the last of too many: how it began, and how it ended."""
    if len(notes) <= most:
        return Story(tuple(notes), 0)
    half = most // 2
    gap = len(notes) - most
    between = Noted(notes[half].at, "…", f"{gap} lines left out", "")
    return Story((*notes[:half], between, *notes[half + gap :]), gap)
