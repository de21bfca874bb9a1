"""What the embedded broker holds in memory of a topic and of a group. No I/O."""

import asyncio
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable

from makegood.engine.broker.embedded_cursor import Cursor
from makegood.engine.broker.embedded_store import PAGE_ROWS, Page, Stored
from makegood.engine.broker.port import Delivery

WINDOW = 1024
"""Most deliveries of one group that are out at a time."""
MAX_WAITING = 16 * 1024
"""Messages of one group that wait to come again, or for their turn: from so many on it gets no new ones."""
TAIL_ROWS = 1024
"""Most of a topic's newest messages kept in memory, so that groups that keep up cause no reads."""
TAIL_BYTES = 4 * 1024 * 1024
"""Most bytes of bodies kept so."""


class Tail:
    """The newest messages of a topic."""

    def __init__(self, after: int) -> None:
        self._after = after
        self._rows: list[Stored] = []
        self._places: list[int] = []
        self._size = 0

    def extend(self, rows: list[Stored]) -> None:
        """These were stored; the oldest half is forgotten when they are too many."""
        self._rows.extend(rows)
        self._places.extend([seq for seq, _ in rows])
        self._size += sum([len(message.body) for _, message in rows])
        while len(self._rows) > TAIL_ROWS or self._size > TAIL_BYTES:
            self._drop((len(self._rows) + 1) // 2)

    def _drop(self, count: int) -> None:
        self._size -= sum([len(message.body) for _, message in self._rows[:count]])
        self._after = self._places[count - 1]
        del self._rows[:count]
        del self._places[:count]

    def page(self, after: int) -> Page | None:
        """The messages behind a place; None if some of them are no longer here."""
        if after < self._after:
            return None
        start = bisect_right(self._places, after)
        rows = self._rows[start : start + PAGE_ROWS]
        return Page(rows, rows[-1][0] if rows else after)


class Topic:
    """Who listens to a topic, and its newest messages."""

    def __init__(self, after: int) -> None:
        self.tail = Tail(after)
        self.cursors: list[Cursor] = []

    def stored(self, rows: list[Stored]) -> None:
        """These are in the store now."""
        self.tail.extend(rows)
        tags = Counter([message.tag for _, message in rows])
        for cursor in self.cursors:
            wanted = sum([tags[tag] for tag in sorted(cursor.tags)]) if cursor.tags else len(rows)
            if wanted == 0 and cursor.unread == 0:
                cursor.skip(rows[-1][0])
            cursor.unread += wanted


class Group:
    """A consumer group: its place in each topic, and its consumers that wait."""

    def __init__(self) -> None:
        self.cursors: dict[str, Cursor] = {}
        """By topic, those subscribed to; taken from in turns, so that no topic starves another."""
        self.consumers = 0
        self.ordered = False
        """Whether it gets the messages of a sequence one after the other."""
        self.turn = asyncio.Lock()
        """Held while one of its consumers takes messages."""
        self.changes = 0
        """Grows whenever there may be something to take."""
        self._waiters: list[asyncio.Future[None]] = []
        self._timer: asyncio.TimerHandle | None = None

    def topics(self) -> dict[str, frozenset[str]]:
        """What its consumers are subscribed to."""
        return {topic: cursor.tags for topic, cursor in self.cursors.items()}

    def room(self) -> int:
        """How many more deliveries may be out."""
        return WINDOW - sum([cursor.out for cursor in self.cursors.values()])

    def keep_order(self, ordered: bool) -> None:
        """From now on it gets the messages of a sequence one after the other, or not."""
        self.ordered = ordered
        for cursor in self.cursors.values():
            cursor.keep_order(ordered)

    def takes_new(self) -> bool:
        """Whether it may get messages for the first time."""
        return self.waiting < MAX_WAITING

    @property
    def waiting(self) -> int:
        """How many messages wait to be delivered again, or for their turn."""
        return sum([cursor.waiting for cursor in self.cursors.values()])

    def hand_out(self, limit: int, overdue: int) -> list[Delivery]:
        """At most `limit` new messages."""
        deliveries: list[Delivery] = []
        for cursor in self.cursors.values() if self.takes_new() else ():
            deliveries += cursor.hand_out(limit - len(deliveries), overdue)
        self._rotate()
        return deliveries

    def _rotate(self) -> None:
        if len(self.cursors) > 1:
            first = next(iter(self.cursors))
            self.cursors[first] = self.cursors.pop(first)

    def wake(self) -> None:
        """Every waiting consumer looks again."""
        self.changes += 1
        waiters, self._waiters = self._waiters, []
        _resolve(waiters)

    async def wait(self, seen: int, seconds: float, now: int) -> None:
        """Until `changes` differs from `seen`, something is due, or the time is over."""
        if self.changes != seen or seconds <= 0:
            return
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        self._waiters.append(waiter)
        timer = loop.call_later(seconds, _resolve, [waiter])
        self.arm(now)
        try:
            await waiter
        finally:
            timer.cancel()
            if waiter in self._waiters:
                self._waiters.remove(waiter)

    def arm(self, now: int) -> None:
        """Sees to it that waiting consumers wake when the next delivery is due (`now` is ms UTC)."""
        if self._timer:
            self._timer.cancel()
            self._timer = None
        at = self._next_due()
        if self._waiters and at is not None:
            delay = max(0.001, (at - now) / 1000)
            self._timer = asyncio.get_running_loop().call_later(delay, self.wake)

    def _next_due(self) -> int | None:
        full = self.room() <= 0  # then only a delivery that gets overdue makes room
        times = [cursor.next_overdue() if full else cursor.next_due() for cursor in self.cursors.values()]
        return min([at for at in times if at is not None], default=None)


def _resolve(waiters: Iterable[asyncio.Future[None]]) -> None:
    for waiter in waiters:
        if not waiter.done():
            waiter.set_result(None)
