"""How the embedded broker writes: one commit at a time, shared by all who wait for it.

What needs the store takes turns, and a turn ends only when memory agrees with the store: so what is read in one turn
is neither older nor newer than what the groups were told.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

import apsw
import msgspec

from makegood.engine.broker.embedded_cursor import Cursor
from makegood.engine.broker.embedded_store import Commit, CursorChange, CursorRow, Expired, Page, Store, Stored
from makegood.engine.broker.embedded_topic import Group, Tail, Topic
from makegood.engine.broker.port import Message
from makegood.engine.errors import BrokerUnavailable
from makegood.engine.executor import Executor
from makegood.engine.world import World

RETENTION = 72 * 3600
"""Seconds after which a message is deleted although some group has not acknowledged it."""
GRACE = 3600
"""Seconds after opening in which nothing is deleted for its age, so that groups can come back for it."""
RETENTION_CHECK = 600
"""Seconds between two looks for messages past their retention."""
FLUSH = 0.02
"""Seconds after which acknowledgements are written at the latest."""
LONGEST_RETRY = 5.0
"""Seconds between two tries to write acknowledgements, at most, while the store fails; the first is `FLUSH`."""
COMMIT_ROWS = 4096
"""Messages from which on a commit takes no further publish."""
MAX_WAITING_BYTES = 64 * 1024 * 1024
"""Bytes of bodies that may wait for a commit; a publish that comes on top is refused."""
LONGEST_TIMER = 60.0
"""Seconds after which a timer looks at the clock again, which may have been set."""

T = TypeVar("T")
_log = logging.getLogger(__name__)


class _Waiting(msgspec.Struct, frozen=True):
    messages: Sequence[Message]
    size: int
    done: asyncio.Future[None]


class Commits:
    """The store, and what memory knows of it."""

    def __init__(self, store: Store, world: World, executor: Executor) -> None:
        self.store = store
        self.cursors: dict[int, Cursor] = {}
        """Every cursor there is, also those of groups that have not subscribed yet."""
        self.groups: dict[str, Group] = {}
        """The groups that have subscribed in this life."""
        self._world = world
        self._executor = executor
        self._topics: dict[str, Topic] = {}
        self._turn = asyncio.Lock()
        self._waiting: deque[_Waiting] = deque()
        self._waiting_bytes = 0
        self._dirty: dict[int, Cursor] = {}
        self._task: asyncio.Task[None] | None = None
        self._flush_due = False
        self._recount_due = False
        self._flush_timer: asyncio.TimerHandle | None = None
        self._delay_timer: asyncio.TimerHandle | None = None
        self._retry = FLUSH
        self._retention_at = world.now() + GRACE * 1000
        for row in store.cursors():
            self.add(row)

    def add(self, row: CursorRow) -> None:
        """A cursor that is in the store."""
        cursor = self.cursors[row.cursor] = Cursor(row)
        self._topics.setdefault(row.topic, Topic(self.store.last)).cursors.append(cursor)

    async def run(self, work: Callable[[], T]) -> T:
        """Uses the store, in a turn. Raises BrokerUnavailable."""
        try:
            return await self._executor.run(work)
        except apsw.Error as error:
            raise BrokerUnavailable(
                f"the broker's store failed ({type(error).__name__}: {error}): see that its disk has room and "
                "works, and try again"
            ) from error

    async def alone(self, work: Coroutine[Any, Any, T]) -> T:
        """Takes a turn for `work`, which runs to its end even when the caller is cancelled."""
        return await asyncio.shield(asyncio.get_running_loop().create_task(self._in_turn(work)))

    async def _in_turn(self, work: Coroutine[Any, Any, T]) -> T:
        try:
            async with self._turn:
                return await work
        finally:
            work.close()  # if it never got its turn

    async def write(self, messages: Sequence[Message], size: int) -> None:
        """Returns when a commit with these messages, and all that was settled before, took effect."""
        if self._waiting and self._waiting_bytes + size > MAX_WAITING_BYTES:
            raise BrokerUnavailable("too much waits to be stored: send these messages again a little later")
        waiting = _Waiting(messages, size, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._waiting_bytes += size
        self._start()
        await waiting.done

    def settled(self, cursor: Cursor) -> None:
        """This cursor has something to write, soon."""
        self._dirty[cursor.key] = cursor
        if self._flush_timer is None:
            self._flush_timer = asyncio.get_running_loop().call_later(self._retry, self._flush)

    def _flush(self) -> None:
        self._flush_timer = None
        self._flush_due = True
        self._start()

    def is_due(self) -> bool:
        """Whether a delayed message is to be moved."""
        return self.store.next_due is not None and self.store.next_due <= self._world.now()

    def _start(self) -> None:
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._commit_all())

    async def _commit_all(self) -> None:
        while self._waiting or self._flush_due or self.is_due():
            if not await self._commit() and not self._waiting:
                return  # the timer tries again

    async def _commit(self) -> bool:
        self._flush_due = False
        waiting = self._take_waiting()
        changes = self._take_changes()
        try:
            async with self._turn:
                await self._write(waiting, changes)
        except Exception as error:
            self._failed(waiting, changes, error)
            return False
        for publish in waiting:
            if not publish.done.done():
                publish.done.set_result(None)
        self._retry = FLUSH
        self._watch_delayed()
        await self._expire()
        return True

    def _take_waiting(self) -> list[_Waiting]:
        taken: list[_Waiting] = []
        rows = 0
        while self._waiting and rows < COMMIT_ROWS:
            taken.append(self._waiting.popleft())
            rows += len(taken[-1].messages)
            self._waiting_bytes -= taken[-1].size
        return taken

    def _take_changes(self) -> list[CursorChange]:
        if self._flush_timer:
            self._flush_timer.cancel()
            self._flush_timer = None
        dirty, self._dirty = self._dirty, {}
        changes = [cursor.take_changes() for cursor in dirty.values()]
        return [change for change in changes if change]

    async def _write(self, waiting: list[_Waiting], changes: list[CursorChange]) -> None:
        if self._recount_due:
            await self._recount_all()
        messages = [message for publish in waiting for message in publish.messages]
        now = self._world.now()
        commit = await self.run(lambda: self.store.commit(now, messages, changes))
        for change in changes:
            self.cursors[change.cursor].written(change)
        self._tell(commit)

    def _tell(self, commit: Commit) -> None:
        self._flush_due |= commit.more
        topics: dict[str, list[Stored]] = {}
        for row in commit.published:
            topics.setdefault(row[1].topic, []).append(row)
        for name, rows in topics.items():
            if topic := self._topics.get(name):
                topic.stored(rows)
                self._wake(topic)

    def _wake(self, topic: Topic) -> None:
        for cursor in topic.cursors:
            if cursor.unread and cursor.group in self.groups:
                self.groups[cursor.group].wake()
            self._dirty[cursor.key] = cursor  # its mark may have passed what it does not want

    def _failed(self, waiting: list[_Waiting], changes: list[CursorChange], error: Exception) -> None:
        if not isinstance(error, BrokerUnavailable):
            _log.error("a commit of the broker failed", exc_info=error)
        self._recount_due = True  # a commit without an answer may have stored its messages
        self._retry = min(2 * self._retry, LONGEST_RETRY)
        for change in changes:
            cursor = self.cursors[change.cursor]
            cursor.not_written(change)
            self.settled(cursor)
        for publish in waiting:
            if not publish.done.done():
                publish.done.set_exception(BrokerUnavailable(str(error)))

    async def _recount_all(self) -> None:
        for topic in self._topics.values():
            topic.tail = Tail(self.store.last)
        for cursor in list(self.cursors.values()):
            await self.recount(cursor)
        self._recount_due = False

    async def recount(self, cursor: Cursor) -> None:
        """Counts in the store, in a turn, what is unread; its consumers may go on meanwhile."""
        before, position, wanted = cursor.unread, cursor.position, cursor.wanted
        count = await self.run(lambda: self.store.count(cursor.topic, position, wanted))
        cursor.unread = max(0, count - (before - cursor.unread))

    def tail(self, cursor: Cursor) -> Page | None:
        """What is next for this cursor, if it is in memory."""
        page = self._topics[cursor.topic].tail.page(cursor.position)
        return page if page and page.rows else None

    async def load(self, cursor: Cursor) -> None:
        """Reads in the store, in a turn, what is next for this cursor."""
        position, wanted = cursor.position, cursor.wanted
        page = await self.run(lambda: self.store.page(cursor.topic, position, wanted))
        cursor.load(page)
        if page.reached >= self.store.last:
            cursor.unread = 0

    async def read(self, places: Sequence[int]) -> dict[int, Message]:
        """Reads in the store, in a turn, what is to be delivered again."""
        return await self.run(lambda: self.store.read(places))

    def _watch_delayed(self) -> None:
        if self._delay_timer:
            self._delay_timer.cancel()
            self._delay_timer = None
        if self.store.next_due is not None:
            delay = (self.store.next_due - self._world.now()) / 1000
            delay = max(0.001, min(delay, LONGEST_TIMER))
            self._delay_timer = asyncio.get_running_loop().call_later(delay, self._delay_over)

    def _delay_over(self) -> None:
        if self.is_due():
            self._start()
        else:
            self._watch_delayed()

    async def _expire(self) -> None:
        now = self._world.now()
        if now < self._retention_at:
            return
        try:
            async with self._turn:
                expired = await self.run(lambda: self.store.expire(now - RETENTION * 1000))
                for gone in expired:
                    await self._forget(gone)
        except BrokerUnavailable as error:
            _log.warning("messages past their retention were not deleted: %s", error)
            return
        self._flush_due |= bool(expired)
        if not expired:
            self._retention_at = now + RETENTION_CHECK * 1000

    async def _forget(self, gone: Expired) -> None:
        if gone.undone:
            _log.error("%d deliveries of topic %s were past their retention and are lost", gone.undone, gone.topic)
        if gone.topic in self._topics:
            for cursor in self._topics[gone.topic].cursors:
                cursor.forget(gone.upto)
                await self.recount(cursor)

    async def close(self) -> None:
        """Writes what is left, or says in the log that it comes again, and lets go of the store."""
        try:
            await self.write((), 0)
        except BrokerUnavailable as error:
            _log.warning("acknowledgements were lost, their messages come again: %s", error)
        for timer in (self._flush_timer, self._delay_timer):
            if timer:
                timer.cancel()
        for group in self.groups.values():
            group.wake()
        async with self._turn:
            await self.run(self.store.close)
