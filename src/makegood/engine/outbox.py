"""Messages leave with the commit that caused them.

The events of one commit with the same topic and tag are one row, written in that commit, and one message. The
process that committed the row relays it from memory; nothing is read back. A published row is deleted inside a
later commit. A crash between publishing and deleting sends the message again: listeners bear repeats. Rows that a
dead process left are taken over when their lease runs out, or at once by a process that knows it is alone.

Messages with a sequence are published in the order in which this process committed them. That order does not reach
over processes: what a process had not published when it died, or had no room for in memory, may come after what
others, or its own next life, committed later. Each is published, some twice, none is passed over.
"""

import asyncio
import logging
from collections import deque
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import msgspec

from makegood.engine import messages, tracing
from makegood.engine.backoff import backoff
from makegood.engine.broker.limits import validate
from makegood.engine.broker.port import Broker, Groups, Message
from makegood.engine.database.base import BaseTransaction, Published, Sent
from makegood.engine.errors import BrokerUnavailable
from makegood.engine.tables import EngineTables, Outbox
from makegood.engine.world import World

LEASE = 60_000
"""Milliseconds for which the process that wrote a row has it to itself."""
MAX_WAITING = 4_096
"""Most rows waiting in memory; what is more is left in the table for the sweep."""
MAX_WAITING_BYTES = 64 * 1024 * 1024
"""Most bytes of bodies waiting in memory; what is more is left likewise."""
PUBLISH = 64
"""Most messages given to the broker at once."""
PACE = 0.1
"""Seconds from one publishing to the next, unless a whole batch waits. What comes meanwhile shares a flush, and its
listeners' transactions: under load callers are answered first, and a lone message still leaves at once."""
DELETE = 512
"""Most published rows deleted in one commit."""
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
"""Seconds between tries while the broker is away."""

log = logging.getLogger(__name__)


class Wanted:
    """Which events somebody listens to; others are not published. Messages of no event always are."""

    def __init__(self, subscriptions: set[tuple[str, str]]) -> None:
        self._tags = frozenset(subscriptions)

    @classmethod
    def of(cls, groups: Groups) -> "Wanted":
        """What these consumer groups want."""
        wanted = [(topic, tags) for topics in groups.values() for topic, tags in topics.items()]
        return cls({(topic, tag) for topic, tags in wanted for tag in sorted(tags) or [""]})

    def __call__(self, topic: str, tag: str) -> bool:
        """Whether a listener of this topic wants this tag, or every tag."""
        return (topic, tag) in self._tags or (topic, "") in self._tags


class Stored(NamedTuple):
    """What one transaction did to the outbox: the rows it added, the published ones it deleted."""

    rows: list[Outbox]
    deleted: list[int]
    traces: dict[int, list[str]]
    """The traces that the rows carry, by their ids."""


@dataclass
class Counts:
    """What a relay has done since it started: messages published, in how many sendings, and sendings that failed.

    `messages_refused` are such as no broker takes; they stay in the table.
    """

    messages_sent: int = 0
    sendings: int = 0
    sendings_failed: int = 0
    messages_refused: int = 0


class OutboxRelay:
    """The outbox of one service in one process."""

    def __init__(self, tables: EngineTables, broker: Broker, world: World, wanted: Wanted) -> None:
        self._counts = Counts()
        self._table = tables.outbox
        self._broker, self._world, self._wanted = broker, world, wanted
        self._waiting: deque[Outbox] = deque()
        self._waiting_bytes = 0
        self._here: set[int] = set()
        self._spans: dict[int, list[tracing.Span]] = {}
        self._published: deque[int] = deque()
        self._arrived = asyncio.Event()
        self._drained = asyncio.Event()
        self._drained.set()

    @property
    def backlog(self) -> int:
        """Messages not known to be published."""
        return len(self._waiting)

    def figures(self) -> dict[str, int]:
        """What it has done, and for how long (ms) the oldest message waits."""
        oldest = max(0, self._world.now() - self._waiting[0].due_at + LEASE) if self._waiting else 0
        return {**asdict(self._counts), "outbox_oldest": oldest}

    @property
    def has_room(self) -> bool:
        """Whether rows of others can be taken in."""
        return len(self._waiting) < MAX_WAITING // 2 and self._waiting_bytes < MAX_WAITING_BYTES // 2

    @property
    def untidy(self) -> bool:
        """Whether published rows wait to be deleted."""
        return bool(self._published)

    def store(self, tx: Any) -> Stored:
        """Writes the transaction's events and messages as rows, and deletes rows that were published.

        Raises ValueError for a message that no broker takes. Runs on the writer's thread: of what the event loop's
        thread changes too it touches `_published` alone, by single calls.
        """
        traces: dict[int, list[str]] = {}
        rows = self._rows(tx, traces) if tx.outgoing.events or tx.outgoing.messages else []
        tx.insert(self._table, rows)
        published = [self._published.popleft() for _ in range(min(DELETE, len(self._published)))]
        try:
            tx.discard(self._table, published)
        except BaseException:
            self._published.extend(published)
            raise
        return Stored(rows, published, traces)

    def committed(self, stored: Stored) -> None:
        """Relays the rows of a commit."""
        self._here.difference_update(stored.deleted)
        self.relay(stored.rows)
        for row in stored.rows if stored.traces else ():
            if row.message_id in self._here:
                self._spans[row.message_id] = _spans(row, stored.traces.get(row.message_id, []))

    def abandoned(self, stored: Stored) -> None:
        """The rows that were to be deleted wait for another commit."""
        self._published.extend(stored.deleted)

    def relay(self, rows: list[Outbox]) -> None:
        """Publishes these in the background; what does not fit in memory is left for the sweep."""
        for row in rows:
            full = len(self._waiting) >= MAX_WAITING or self._waiting_bytes >= MAX_WAITING_BYTES
            if not full and row.message_id not in self._here:
                self._here.add(row.message_id)
                self._waiting.append(row)
                self._waiting_bytes += len(row.body)
        if self._waiting:
            self._arrived.set()
            self._drained.clear()

    def take_over(self, tx: Any, limit: int) -> list[Outbox]:
        """Leases rows whose process did not publish them in time."""
        due = [row.message_id for row in tx.due(self._table, "due_at", tx.now, limit)]
        mine = list(tx.lock(self._table, due).values())
        for row in mine:
            row.due_at = tx.now + LEASE
        tx.update(self._table, mine)
        return mine

    def left_behind(self, reader: Any, after: int, before: int, limit: int) -> list[Outbox]:
        """Rows of earlier lives of this process, in the order of their ids; only for a process that is alone."""
        return [row for row in reader.page(self._table, after=after, limit=limit) if row.message_id < before]

    async def run(self) -> None:
        """Publishes what arrives, for ever; while the broker is away it waits and tries again."""
        failures = 0
        while True:
            await self._arrived.wait()
            next_at = asyncio.get_running_loop().time() + PACE
            batch = [self._waiting[at] for at in range(min(PUBLISH, len(self._waiting)))]
            try:
                await self._publish(batch)
                self._counts.sendings += 1
                failures = 0
                await self._pace(next_at)
            except BrokerUnavailable as error:
                failures += 1
                self._counts.sendings_failed += 1
                log.warning("the broker did not take %d messages (%s); trying again", len(batch), error)
                await asyncio.sleep(backoff(self._world, failures, first=FIRST_PAUSE, most=LONGEST_PAUSE))

    async def drained(self) -> None:
        """Returns when nothing waits in memory to be published."""
        await self._drained.wait()

    async def _pace(self, next_at: float) -> None:
        # A little load would make a flush of every message; a heavy one fills the batches by itself.
        pause = next_at - asyncio.get_running_loop().time()
        if len(self._waiting) < PUBLISH and pause > 0:
            await asyncio.sleep(pause)

    async def _publish(self, batch: list[Outbox]) -> None:
        """Takes what was published, or refused for good, off the queue; raises BrokerUnavailable."""
        try:
            await self._broker.publish([_message(row) for row in batch])
        except ValueError as error:
            if len(batch) > 1:  # one of them holds up the others
                for row in batch:
                    await self._publish([row])
                return
            log.error("the broker refuses message %d, it stays in the outbox: %s", batch[0].message_id, error)
            self._counts.messages_refused += 1
            self._taken_off(batch, "the broker refuses it")
            return
        self._taken_off(batch)
        self._counts.messages_sent += len(batch)
        self._published.extend(row.message_id for row in batch)

    def _taken_off(self, batch: list[Outbox], failure: str = "") -> None:
        for row in batch:
            self._waiting.popleft()
            self._waiting_bytes -= len(row.body)
            for span in self._spans.pop(row.message_id, ()):
                if failure:
                    span.fail(failure)
                span.end()
        if not self._waiting:
            self._arrived.clear()
            self._drained.set()

    def _rows(self, tx: BaseTransaction, traces: dict[int, list[str]]) -> list[Outbox]:
        rows = [*self._event_rows(tx, traces), *(_message_row(tx, sent, traces) for sent in tx.outgoing.messages)]
        validate([_message(row) for row in rows])
        return rows

    def _event_rows(self, tx: BaseTransaction, traces: dict[int, list[str]]) -> list[Outbox]:
        groups: dict[tuple[str, str], list[Published]] = {}
        for said in tx.outgoing.events:
            if self._wanted(said.event.topic, said.event.tag):
                groups.setdefault((said.event.topic, said.event.tag), []).append(said)
        return [row for group in groups.values() for row in _event_rows(tx, group, traces)]


def _message_row(tx: BaseTransaction, sent: Sent, traces: dict[int, list[str]]) -> Outbox:
    body, kind = messages.convert(sent.payload)
    at = tx.now + int(sent.delay * 1000) if sent.delay else 0
    row = _row(tx, sent.topic, sent.tag, sent.key, body, messages.traced_format(kind, sent.trace), at)
    row.sequence = sent.sequence
    _remember(traces, row, [sent.trace])
    return row


def _event_rows(tx: BaseTransaction, group: list[Published], traces: dict[int, list[str]]) -> list[Outbox]:
    envelopes = [msgspec.json.encode({"id": str(tx.new_id()), "at": tx.now, "data": said.payload}) for said in group]
    carried = [said.trace for said in group]
    if any(carried):
        envelopes = list(map(messages.traced, envelopes, carried))
    event = group[0].event
    rows: list[Outbox] = []
    begin = 0
    for count, body in messages.pack(envelopes):
        key = messages.join_keys([said.key for said in group[begin : begin + count]])
        rows.append(_row(tx, event.topic, event.tag, key, body, messages.EVENTS, 0))
        _remember(traces, rows[-1], carried[begin : begin + count])
        begin += count
    return rows


def _remember(traces: dict[int, list[str]], row: Outbox, carried: list[str]) -> None:
    if any(carried):
        traces[row.message_id] = list(filter(None, carried))


def _spans(row: Outbox, traces: list[str]) -> list[tracing.Span]:
    """One in each trace, from the commit until the broker has the message."""
    name, attributes = f"publish {row.topic}: {row.tag}", {"message.id": str(row.message_id)}
    return [tracing.tracer().begin(name, "producer", trace, attributes=attributes) for trace in traces]


def _row(tx: BaseTransaction, topic: str, tag: str, key: str, body: bytes, kind: str, deliver_at: int) -> Outbox:
    return Outbox(tx.new_id(), topic, tag, key, kind, body, deliver_at, tx.now + LEASE)


def _message(row: Outbox) -> Message:
    properties = messages.properties_of(row.format)
    return Message(
        row.topic, str(row.message_id), row.body, row.tag, row.message_key, properties, row.deliver_at, row.sequence
    )
