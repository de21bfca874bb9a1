"""Which provider is asked: as Dubbo balances load, least active and consistent hash, by weight."""

import math
from collections.abc import Sequence
from hashlib import blake2b
from typing import NamedTuple

from makegood.engine.rpc.triple.link import Link

GOLDEN = (math.sqrt(5) - 1) / 2
"""Its multiples spread most evenly over a circle."""


class Candidate(NamedTuple):
    """A provider that can be asked."""

    link: Link
    weight: int


def choose(candidates: Sequence[Candidate], key: str | None, turn: int, now: float) -> Link:
    """One of them, the same for one `key` as long as it is there; else the least busy, in turn among equals.

    Those that rest, or have no weight, are chosen only when there is no other. `turn` counts the choices.
    """
    if len(candidates) == 1:
        return candidates[0].link
    fit = [one for one in candidates if one.weight > 0 and not one.link.resting(now)]
    fit = fit or [one for one in candidates if not one.link.resting(now)] or list(candidates)
    if len(fit) == 1:
        return fit[0].link
    return _by_hash(fit, key) if key is not None else _least_active(fit, turn)


def _least_active(fit: Sequence[Candidate], turn: int) -> Link:
    """With nothing under way each has its turns by its weight."""
    begin = _in_turn(fit, turn)
    ordered = [*fit[begin:], *fit[:begin]]
    return min(ordered, key=lambda one: one.link.under_way / max(1, one.weight)).link


def _in_turn(fit: Sequence[Candidate], turn: int) -> int:
    at = turn * GOLDEN % 1 * sum(max(1, one.weight) for one in fit)
    for place, one in enumerate(fit):
        at -= max(1, one.weight)
        if at < 0:
            return place
    return 0


def _by_hash(fit: Sequence[Candidate], key: str) -> Link:
    """Weighted rendezvous hashing: who leaves takes only his own keys along.

    Thaler and Ravishankar, 1998; with weights, Schindelhauer and Schomaker, 2005.
    """
    return max(fit, key=lambda one: _score(one, key)).link


def _score(one: Candidate, key: str) -> float:
    number = int.from_bytes(blake2b(f"{one.link.address} {key}".encode(), digest_size=7).digest())
    return max(1, one.weight) / -math.log((number + 0.5) / 2**56)
