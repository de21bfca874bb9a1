"""Which messages of a sequence may go: those of one sequence are a lane, in which nobody overtakes. No I/O."""

from bisect import bisect_left
from collections.abc import Container, Iterable


class Lanes:
    """The places of one group in one topic that have a sequence and are out, or wait; in the order of publishing."""

    def __init__(self) -> None:
        self._lanes: dict[str, list[int]] = {}
        self._sequences: dict[int, str] = {}

    def enter(self, seq: int, sequence: str) -> None:
        """This place, behind all others of its sequence."""
        self._sequences[seq] = sequence
        self._lanes.setdefault(sequence, []).append(seq)

    def is_free(self, sequence: str) -> bool:
        """Whether nothing of this sequence is out or waits."""
        return sequence not in self._lanes

    def may_go(self, seq: int, going: Container[int]) -> bool:
        """Whether nothing is before this place, or only what goes together with it."""
        lane = self._lanes.get(self._sequences.get(seq, ""), [])
        at = bisect_left(lane, seq)
        return at == 0 or lane[at - 1] in going

    def behind(self, seq: int) -> int | None:
        """The next place of the same sequence."""
        lane = self._lanes.get(self._sequences.get(seq, ""), [])
        at = bisect_left(lane, seq) + 1
        return lane[at] if at < len(lane) else None

    def leave(self, seq: int) -> int | None:
        """This place is settled. Which one is first in its lane now, if that was this one."""
        sequence = self._sequences.pop(seq, "")
        if not sequence:
            return None
        lane = self._lanes[sequence]
        at = bisect_left(lane, seq)
        del lane[at]
        if not lane:
            del self._lanes[sequence]
        return lane[0] if lane and at == 0 else None

    def forget(self, upto: int) -> Iterable[int]:
        """Everything up to this place is gone; which places are first in their lanes now."""
        gone = [seq for seq in self._sequences if seq <= upto]
        firsts = [self.leave(seq) for seq in gone]
        return [seq for seq in firsts if seq is not None]
