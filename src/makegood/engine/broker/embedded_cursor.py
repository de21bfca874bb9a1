"""Where one group is in one topic of the embedded broker: what is out, what waits, what is done. No I/O.

A message is *unread* until it is loaded, then *ready* until it is handed out, then *out* until it is acknowledged,
deferred or overdue; deferred and overdue ones are *waiting*. Those out or waiting are told apart by whether a commit
has written, or is to write, an exception for them: without one ("unmarked") they hold the mark back. In an ordered
group a message whose sequence is not free is *waiting*, too, without having been out: its turn comes when it is the
first of its sequence.
"""

import heapq
from collections import deque
from collections.abc import Iterable, Mapping
from itertools import takewhile

from makegood.engine.broker.embedded_lanes import Lanes
from makegood.engine.broker.embedded_store import CursorChange, CursorRow, Page, Pending, Stored, wanted
from makegood.engine.broker.port import Delivery, Message


class Cursor:
    """One group's place in one topic."""

    def __init__(self, row: CursorRow) -> None:
        self.key = row.cursor
        self.group = row.group
        self.topic = row.topic
        self.mark = row.mark
        self.position = row.mark
        """The highest place that was looked at: everything above is unread."""
        self.unread = row.unread
        """How many messages above the position are wanted."""
        self.ready: deque[Stored] = deque()
        self._settled = row.mark
        self._out: dict[int, tuple[int, int]] = {}
        self._waiting: dict[int, Pending] = dict(row.pending)
        self._soonest = [(not_before, seq) for seq, (not_before, _) in row.pending.items()]
        heapq.heapify(self._soonest)
        self._unmarked: dict[int, None] = {}
        self._exceptions = set(row.pending)
        self._ordered = False
        self._lanes = Lanes()
        for seq in sorted(row.sequences):
            self._lanes.enter(seq, row.sequences[seq])
        self._changes: dict[int, Pending | None] = {}
        self.tags = row.tags
        self.wanted = wanted(row.tags)
        """The tags as the store's statements take them."""

    def want(self, tags: frozenset[str]) -> None:
        """From now on these tags are wanted (the empty set is all); what is unread is to be counted again."""
        self.tags = tags
        self.wanted = wanted(tags)
        self.ready = deque(row for row in self.ready if not tags or row[1].tag in tags)

    def keep_order(self, ordered: bool) -> None:
        """From now on those of a sequence come in order, or as they like."""
        self._ordered = ordered
        for seq in self._waiting:
            self._look_at(seq)

    @property
    def out(self) -> int:
        """How many deliveries are with consumers."""
        return len(self._out)

    @property
    def waiting(self) -> int:
        """How many messages wait to be delivered again."""
        return len(self._waiting)

    @property
    def backlog(self) -> int:
        """How many wanted messages are not acknowledged."""
        return self.unread + len(self.ready) + len(self._out) + len(self._waiting)

    def load(self, page: Page) -> None:
        """The messages behind the position are ready from now on."""
        rows = [row for row in page.rows if row[1].tag in self.tags] if self.tags else page.rows
        self.ready.extend(rows)
        self.unread = max(0, self.unread - len(rows))
        self.position = max(self.position, page.reached)

    def skip(self, place: int) -> None:
        """Nothing up to this place is wanted."""
        self.position = max(self.position, place)

    def hand_out(self, limit: int, overdue: int) -> list[Delivery]:
        """At most `limit` new messages; unless settled before `overdue` (ms UTC) they come again."""
        deliveries: list[Delivery] = []
        begun: dict[str, None] = {}
        while self.ready and len(deliveries) < limit:
            seq, message = self.ready.popleft()
            self._unmarked[seq] = None
            if message.sequence and not self._goes_at_once(seq, message.sequence, begun):
                self._waiting[seq] = (0, 0)
                continue
            self._out[seq] = (overdue, 1)
            deliveries.append(Delivery(message, 1, f"{self.key}-{seq}"))
        return deliveries

    def _goes_at_once(self, seq: int, sequence: str, begun: dict[str, None]) -> bool:
        """Whether it is behind nothing, or behind what goes together with it."""
        if self._lanes.is_free(sequence):
            begun[sequence] = None
        self._lanes.enter(seq, sequence)
        return sequence in begun or not self._ordered

    def take_due(self, now: int, limit: int) -> list[int]:
        """At most `limit` places to be delivered again; follow with `hand_out_again` or `give_back`."""
        places: dict[int, None] = {}
        while self._soonest and self._soonest[0][0] <= now and len(places) < limit:
            _, seq = heapq.heappop(self._soonest)
            waiting = self._waiting.get(seq)
            if waiting and waiting[0] <= now and seq not in places and self._may_go(seq, places):
                places[seq] = None
        return list(places)

    def _may_go(self, seq: int, going: dict[int, None]) -> bool:
        """One that may not is looked at again when the one before it goes or is settled."""
        if not self._ordered:
            return True
        if not self._lanes.may_go(seq, going):
            return False
        self._look_at(self._lanes.behind(seq))
        return True

    def _look_at(self, seq: int | None) -> bool:
        """Has a place looked at when it is due, if it waits; says so."""
        waiting = None if seq is None else self._waiting.get(seq)
        if seq is None or waiting is None:
            return False
        heapq.heappush(self._soonest, (waiting[0], seq))
        return True

    def give_back(self, places: Iterable[int]) -> None:
        """These could not be read after all."""
        for seq in places:
            if waiting := self._waiting.get(seq):
                heapq.heappush(self._soonest, (waiting[0], seq))

    def hand_out_again(self, places: Iterable[int], messages: Mapping[int, Message], overdue: int) -> list[Delivery]:
        """The messages in places that `take_due` gave; those acknowledged or deleted meanwhile are left out."""
        deliveries: list[Delivery] = []
        for seq in places:
            waiting = self._waiting.pop(seq, None)
            if waiting is None:
                continue
            if seq not in messages:
                self._drop(seq)
                continue
            attempt = waiting[1] + 1
            self._out[seq] = (overdue, attempt)
            deliveries.append(Delivery(messages[seq], attempt, f"{self.key}-{seq}"))
        return deliveries

    def acknowledge(self, seq: int) -> bool:
        """Done with, be it late; a repeat changes nothing. Says whether another's turn has come by that."""
        if self._out.pop(seq, None) is None and self._waiting.pop(seq, None) is None:
            return False
        return self._drop(seq)

    def _drop(self, seq: int) -> bool:
        self._settle(seq)
        if seq in self._exceptions:
            self._exceptions.discard(seq)
            self._changes[seq] = None
        return self._look_at(self._lanes.leave(seq))

    def _settle(self, seq: int) -> None:
        self._unmarked.pop(seq, None)
        self._settled = max(self._settled, seq)

    def defer(self, seq: int, attempt: int, not_before: int) -> None:
        """To come again, not before a time (ms UTC); nothing if it was settled or went to somebody else meanwhile."""
        if self._out.get(seq, (0, 0))[1] != attempt:
            return
        del self._out[seq]
        self._wait(seq, not_before, attempt)
        self._settle(seq)
        self._exceptions.add(seq)
        self._changes[seq] = (not_before, attempt)

    def _wait(self, seq: int, not_before: int, attempts: int) -> None:
        self._waiting[seq] = (not_before, attempts)
        heapq.heappush(self._soonest, (not_before, seq))

    def reclaim(self, now: int) -> None:
        """Deliveries that are overdue wait to be delivered again."""
        while self._out:
            seq, (overdue, attempt) = next(iter(self._out.items()))
            if overdue > now:
                return
            del self._out[seq]
            self._wait(seq, now, attempt)

    def next_due(self) -> int | None:
        """When a delivery gets overdue or a waiting one is due, ms UTC; None if nothing is out or waiting."""
        times = [self._soonest[0][0]] if self._soonest else []
        overdue = self.next_overdue()
        return min([*times, overdue] if overdue is not None else times, default=None)

    def next_overdue(self) -> int | None:
        """When the first delivery gets overdue, ms UTC."""
        return next(iter(self._out.values()), (None, 0))[0]

    def take_changes(self) -> CursorChange | None:
        """What is to be written; follow with `written` or `not_written`."""
        mark = self._mark()
        for seq in list(takewhile(lambda seq: seq <= mark, self._unmarked)):  # they are in order: handed out in order
            del self._unmarked[seq]
            self._exceptions.add(seq)
            self._changes[seq] = (0, 0)  # should the process die, it is as if it had never been delivered
        if mark == self.mark and not self._changes:
            return None
        change = CursorChange(self.key, self.topic, mark, self._changes)
        self._changes = {}
        return change

    def _mark(self) -> int:
        """All that was handed out; but up to what is settled only, while some of it needs no exception yet."""
        if self._unmarked:
            return max(self.mark, self._settled)
        return self.ready[0][0] - 1 if self.ready else self.position

    def written(self, change: CursorChange) -> None:
        """The commit with this change took effect."""
        self.mark = max(self.mark, change.mark)

    def not_written(self, change: CursorChange) -> None:
        """The commit with this change failed: it goes into the next one."""
        self._changes = {**change.pending, **self._changes}

    def forget(self, upto: int) -> None:
        """Messages up to this place were deleted for their age."""
        while self.ready and self.ready[0][0] <= upto:
            self.ready.popleft()
        for places in (self._out, self._waiting, self._unmarked, self._changes):
            for seq in [seq for seq in places if seq <= upto]:
                del places[seq]
        self._exceptions = {seq for seq in self._exceptions if seq > upto}
        for seq in self._lanes.forget(upto):
            self._look_at(seq)
        self.mark, self._settled = max(self.mark, upto), max(self._settled, upto)
        self.position = max(self.position, upto)
