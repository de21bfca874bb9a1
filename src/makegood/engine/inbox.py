"""An event takes effect once; the failing ones are set aside, retried, buried, replayed.

A consumer takes messages of one group, runs the listeners on batches of events, and acknowledges when all of them
have taken effect or are set aside. A listener whose effect has no key of its own gets an inbox row for each event,
in the same commit. An event whose listener raises is written to `set_aside` and does not hold up its neighbours:
it is tried again alone, at most `TRIES` times with back-off, then buried until a person replays it. Behind it wait the
later ones of its sequence, if the listener is ordered (`sequences.py`).
"""

import hashlib
import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeVar

import msgspec

from makegood.engine import messages, sequences, tracing
from makegood.engine.backoff import backoff
from makegood.engine.broker.limits import MAX_ID, MAX_KEY, MAX_SEQUENCE, MAX_TAG, validate_subscription
from makegood.engine.broker.port import Message
from makegood.engine.database.table import Table
from makegood.engine.errors import text_of
from makegood.engine.execution import BatchWork, Execution
from makegood.engine.service import BATCH, ListenerSpec, Service
from makegood.engine.tables import EngineTables, Inbox, SetAside
from makegood.engine.world import World

TRIES = 16
"""How often a listener may raise for an event before it is buried."""
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 600.0
"""Seconds between tries of an event."""
FOLLOWERS = 256
"""Most events of one sequence tried one after the other at one look."""
MEMORY = 7 * 86_400_000
"""Milliseconds for which the inbox remembers an event: longer than a broker keeps messages."""
NO_ID = "no id: "
"""How the ids begin under which messages are set aside that have none."""
NOBODY = "nobody in this group listens to this event: replay it when somebody does"

log = logging.getLogger(__name__)
T = TypeVar("T")
A = TypeVar("A")


class Arrival(NamedTuple):
    """One event for one listener; `payload` is what it gets, `body` what a replay decodes again."""

    topic: str
    tag: str
    key: str
    event_id: str
    body: bytes
    payload: Any
    trace: str = ""
    """The traceparent of what it came from; empty when that is not traced."""
    sequence: str = ""
    """Whom it must not overtake; empty when the listener is not ordered."""


class Undecodable(Exception):
    """The body is not what the listener's payload type says; compare the publisher's version with this one's."""


class Listening:
    """One listener of a running service, with its group."""

    def __init__(self, service: object, group: str, spec: ListenerSpec, tables: EngineTables) -> None:
        self.group = group
        self.spec = spec
        self._tables = tables
        self._hear: Callable[[Any, Sequence[Any]], None] = partial(spec.function, service)

    def hear(self, tx: Any, arrivals: Sequence[Arrival]) -> list[None]:
        """Runs the listener on what it has not heard yet, and remembers."""
        fresh = arrivals if self.spec.idempotent else self._unheard(tx, arrivals)
        if fresh:
            self._hear(tx, [arrival.payload for arrival in fresh])
        return [None for _ in arrivals]

    def hear_in_order(self, tx: Any, batches: Sequence[Sequence[Arrival]]) -> list[None]:
        """The same for whole batches; what is behind a failed one of its sequence is set aside with that."""
        for arrivals in batches:
            wanted = dict.fromkeys([arrival.sequence for arrival in arrivals if arrival.sequence])
            table, topic = self._tables.set_aside, self.spec.topic
            held = {one for one in wanted if sequences.first(table, tx, self.group, topic, one)}
            self.hear(tx, [arrival for arrival in arrivals if arrival.sequence not in held])
            for arrival in arrivals:
                if arrival.sequence in held:
                    self._wait_behind(tx, arrival)
        return [None for _ in batches]

    def _wait_behind(self, tx: Any, arrival: Arrival) -> None:
        key = (self.group, arrival.topic, arrival.event_id)
        done = tx.select(self._tables.inbox, [key]) or tx.lock(self._tables.set_aside, [key])
        if not done:
            row = _set_aside(self.group, tx, arrival, 0, tx.now + sequences.WAITING, sequences.BEHIND)
            tx.insert(self._tables.set_aside, [row])

    def retry(self, tx: Any, rows: Sequence[SetAside]) -> list[SetAside | None]:
        """Hears events that were set aside, and ends that; one that somebody else has heard is left alone.

        Says which event of the same sequence comes next, if one waits.
        """
        return [self._retry(tx, row) for row in rows]

    def _retry(self, tx: Any, row: SetAside) -> SetAside | None:
        table, key = self._tables.set_aside, _key_of(row)
        still = tx.lock(table, [key]).get(key)
        if still is None or still.due_at is None or still.due_at > tx.now:
            return None
        if not sequences.is_first(table, tx, still):
            return None
        self.hear(tx, [self._kept(still)])
        tx.delete(table, [key])
        return None if still.place is None else sequences.call_next(table, tx, still)

    def arrival(
        self, topic: str, tag: str, key: str, event_id: str, body: bytes, trace: str = "", sequence: str = ""
    ) -> Arrival:
        """The event with its payload decoded; raises Undecodable."""
        sequence = sequence if self.spec.ordered else ""
        try:
            return Arrival(topic, tag, key, event_id, body, messages.read(body, self.spec.payload), trace, sequence)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise Undecodable(f"{topic}: {tag} {event_id} is no {self.spec.payload}: {error}") from error

    def _kept(self, row: SetAside) -> Arrival:
        trace, body = messages.kept(row.body)
        return self.arrival(row.topic, row.tag, row.message_key, row.event_id, body, trace)

    def _unheard(self, tx: Any, arrivals: Sequence[Arrival]) -> list[Arrival]:
        keyed = {(self.group, arrival.topic, arrival.event_id): arrival for arrival in arrivals}
        known = tx.select(self._tables.inbox, keyed)
        fresh = {key: arrival for key, arrival in keyed.items() if key not in known}
        tx.insert(self._tables.inbox, [Inbox(*key, tx.now) for key in fresh])
        return list(fresh.values())


class InboxOfGroup:
    """What one consumer group of a service does with messages."""

    def __init__(
        self, group: str, listenings: Sequence[Listening], tables: EngineTables, execution: Execution, world: World
    ) -> None:
        self.group = group
        self.ordered = any(listening.spec.ordered for listening in listenings)
        """Whether it takes the messages of a sequence in order."""
        self._listenings = listenings
        self._table = tables.set_aside
        self._execution = execution
        self._world = world

    async def take(self, batch: Sequence[Message]) -> None:
        """When this returns every event has taken effect or is set aside. Raises DatabaseError: then take it again."""
        for listening in self._listenings:
            arrivals: list[Arrival] = []
            spoiled: list[tuple[Arrival, Exception]] = []
            for message in map(_fitting, batch):
                if message.topic == listening.spec.topic and listening.spec.tag in ("", message.tag):
                    _sort(listening, message, arrivals, spoiled)
            for begin in range(0, len(arrivals), BATCH):
                hear = self._hear_in_order if self.ordered else self._hear
                await hear(listening, arrivals[begin : begin + BATCH])
            for arrival, error in spoiled:
                await self._set_aside(arrival, error, buried=True)
        self._execution.counts.messages_received += len(batch)

    async def retry(self, row: SetAside) -> bool:
        """Tries an event that was set aside again, and those that wait behind it; says whether it took effect."""
        for listening in self._listenings:
            if row.topic == listening.spec.topic and listening.spec.tag in ("", row.tag):
                following = await self._retry(listening, row)
                took_effect = not isinstance(following, Exception)
                for _ in range(FOLLOWERS):
                    if not isinstance(following, SetAside):
                        break
                    following = await self._retry(listening, following)
                return took_effect
        await self._execution.run_one(partial(bury, self._table), row)
        return False

    async def _retry(self, listening: Listening, row: SetAside) -> SetAside | Exception | None:
        trace, _ = messages.kept(row.body)
        [answer] = await self._run(listening, listening.retry, [row], [(row, trace)] if trace else [])
        if isinstance(answer, Exception):
            await self._execution.run_one(self._note_failure, (row, answer))
        return answer

    async def _hear(self, listening: Listening, arrivals: list[Arrival]) -> None:
        traced = [(arrival, arrival.trace) for arrival in arrivals if arrival.trace]
        answers = await self._run(listening, listening.hear, arrivals, traced)
        self._execution.counts.events_heard += len(arrivals)
        for arrival, answer in zip(arrivals, answers, strict=True):
            if isinstance(answer, Exception):
                await self._set_aside(arrival, answer, buried=False)

    async def _hear_in_order(self, listening: Listening, arrivals: Sequence[Arrival]) -> None:
        """All at once; or if one of them fails, one by one, so that it is set aside before the next is heard."""
        [failed] = await self._hear_together(listening, arrivals)
        if failed is None:
            self._execution.counts.events_heard += len(arrivals)
        elif len(arrivals) > 1:
            for arrival in arrivals:
                await self._hear_in_order(listening, [arrival])
        else:
            self._execution.counts.events_heard += 1
            await self._set_aside(arrivals[0], failed, buried=False)

    async def _hear_together(self, listening: Listening, arrivals: Sequence[Arrival]) -> list[Exception | None]:
        traced = [(arrival, arrival.trace) for arrival in arrivals if arrival.trace]
        name = f"{self.group} hears {listening.spec.topic}: {listening.spec.tag}"
        if not traced:
            return await self._execution.run(listening.hear_in_order, [arrivals])
        with tracing.serve(name, "consumer", traced):
            return await self._execution.run(listening.hear_in_order, [arrivals])

    async def _run(
        self, listening: Listening, work: BatchWork[T, A], requests: Sequence[T], traced: list[tuple[T, str]]
    ) -> list[A | Exception]:
        if not traced:
            return await self._execution.run(work, requests)
        name = f"{self.group} hears {listening.spec.topic}: {listening.spec.tag}"
        with tracing.serve(name, "consumer", traced):
            return await self._execution.run(work, requests)

    async def _set_aside(self, arrival: Arrival, error: Exception, *, buried: bool) -> None:
        marks = {**tracing.names_of(arrival), "trace_id": tracing.trace_id_of(arrival.trace)}
        self._execution.counts.events_failed += 1
        what = (self.group, arrival.topic, arrival.tag, arrival.event_id, error)
        log.error("%s sets aside %s: %s %s: %s", *what, extra=marks)
        await self._execution.run_one(partial(self._write_aside, buried=buried), (arrival, error))

    def _write_aside(self, tx: Any, failures: Sequence[tuple[Arrival, Exception]], *, buried: bool) -> list[None]:
        keyed = {(self.group, arrival.topic, arrival.event_id): (arrival, error) for arrival, error in failures}
        known = tx.lock(self._table, keyed)
        due = None if buried else tx.now + int(FIRST_PAUSE * 1000)
        for key, (arrival, error) in keyed.items():
            if key not in known:
                tx.insert(self._table, [_set_aside(self.group, tx, arrival, 1, due, text_of(error))])
        return [None for _ in failures]

    def _note_failure(self, tx: Any, failures: Sequence[tuple[SetAside, Exception]]) -> list[None]:
        for failed, error in failures:
            row = tx.lock(self._table, [_key_of(failed)]).get(_key_of(failed))
            if row is None or row.tries != failed.tries:
                continue  # somebody else has tried it meanwhile
            row.tries += 1
            row.last_at, row.error = tx.now, text_of(error)
            pause = backoff(self._world, row.tries, first=FIRST_PAUSE, most=LONGEST_PAUSE)
            row.due_at = tx.now + int(pause * 1000) if row.tries < TRIES else None
            given_up = row.due_at is None and row.place is not None
            row.place = None if given_up else row.place
            tx.update(self._table, [row])
            if given_up:
                sequences.call_next(self._table, tx, row)
        return [None for _ in failures]


def replay(tables: EngineTables, tx: Any, keys: Sequence[tuple[str, str, str]]) -> list[bool]:
    """Lets events that were set aside be tried again at once, from the first try; says which are there."""
    rows = tx.lock(tables.set_aside, keys)
    for row in rows.values():
        row.tries, row.due_at = 0, tx.now
    tx.update(tables.set_aside, rows.values())
    return [key in rows for key in keys]


def bury(table: Table[SetAside, tuple[str, str, str]], tx: Any, rows: Sequence[SetAside]) -> list[None]:
    """Ends the tries of events that nobody listens to any more."""
    held = tx.lock(table, [_key_of(row) for row in rows])
    for row in held.values():
        row.due_at, row.place, row.error = None, None, NOBODY
    tx.update(table, held.values())
    return [None for _ in rows]


def groups_of(service: Service | type[Service]) -> dict[str, list[ListenerSpec]]:
    """The listeners of a service by their group. Raises ValueError when two of a group would share an event."""
    groups: dict[str, list[ListenerSpec]] = {}
    for spec in service.specs(ListenerSpec):
        others = groups.setdefault(spec.group or service.name, [])
        for other in others:
            if other.topic == spec.topic and (other.tag == spec.tag or "" in (other.tag, spec.tag)):
                raise ValueError(
                    f"two listeners of {service.name} hear {spec.topic}: {spec.tag or 'all'} in one group, and only "
                    "one of them would get it: give one of them a group of its own"
                )
        others.append(spec)
    for group, specs in groups.items():
        if len(specs) > 1 and any(spec.ordered for spec in specs):
            raise ValueError(
                f"an ordered listener of {service.name} shares the group {group!r}: give it one of its own"
            )
        validate_subscription(group, topics_of(specs))
    return groups


def topics_of(specs: Sequence[ListenerSpec]) -> dict[str, frozenset[str]]:
    """What a group with these listeners subscribes to: the tags of each topic, none for all."""
    wanted: dict[str, list[str]] = {}
    for spec in specs:
        wanted.setdefault(spec.topic, []).append(spec.tag)
    return {topic: frozenset[str]() if "" in tags else frozenset(tags) for topic, tags in wanted.items()}


def prune(tables: EngineTables, tx: Any, limit: int) -> int:
    """Forgets events that no broker can deliver any more; says how many."""
    old = [(row.group_name, row.topic, row.event_id) for row in tx.due(tables.inbox, "at", tx.now - MEMORY, limit)]
    tx.discard(tables.inbox, old)
    return len(old)


def _set_aside(group: str, tx: Any, one: Arrival, tries: int, due: int | None, error: str) -> SetAside:
    body = messages.kept_with(one.trace, one.body)
    where = (group, one.topic, one.event_id, one.tag[:MAX_TAG], one.key)
    place = tx.new_id() if one.sequence and due else None  # new ids grow
    return SetAside(*where, body, tries, tx.now, tx.now, due, error, one.sequence, place)


def _key_of(row: SetAside) -> tuple[str, str, str]:
    return (row.group_name, row.topic, row.event_id)


def _sort(
    listening: Listening,
    message: Message,
    arrivals: list[Arrival],
    spoiled: list[tuple[Arrival, Exception]],
) -> None:
    for event_id, body, trace in _events_of(listening, message, spoiled):
        try:
            what = (message.topic, message.tag, message.key, event_id, body, trace, message.sequence)
            arrivals.append(listening.arrival(*what))
        except Undecodable as error:
            spoiled.append((_raw(message, event_id, body), error))


def _events_of(
    listening: Listening, message: Message, spoiled: list[tuple[Arrival, Exception]]
) -> list[tuple[str, bytes, str]]:
    trace = messages.trace_of(message)
    if message.message_id.startswith(NO_ID):
        nameless = Undecodable(f"{message.topic}: {message.tag} a message without an id: have its sender give it one")
        spoiled.append((_raw(message, message.message_id, message.body), nameless))
        return []
    if not listening.spec.batched:
        return [(message.message_id, message.body, trace)]
    try:
        return [
            (one.id, bytes(one.data), messages.trace_of_event(one) if one.traceparent else trace)
            for one in messages.unpack(message)
        ]
    except msgspec.MsgspecError as error:
        spoiled.append((_raw(message, message.message_id, message.body), error))
        return []


def _fitting(message: Message) -> Message:
    """The message with an id, a key and a sequence that the tables take; other programs may send longer ones."""
    fits = 0 < len(message.message_id) <= MAX_ID and len(message.key) <= MAX_KEY
    if fits and len(message.sequence) <= MAX_SEQUENCE:
        return message
    return msgspec.structs.replace(
        message,
        message_id=_short_id(message),
        key=message.key[:MAX_KEY],
        sequence=message.sequence[:MAX_SEQUENCE],
    )


def _short_id(message: Message) -> str:
    """The id, or what is the same each time this message comes."""
    if 0 < len(message.message_id) <= MAX_ID:
        return message.message_id
    if message.message_id:
        return hashlib.sha256(message.message_id.encode()).hexdigest()
    return NO_ID + hashlib.sha256(msgspec.msgpack.encode(message)).hexdigest()[: MAX_ID - len(NO_ID)]


def _raw(message: Message, event_id: str, body: bytes) -> Arrival:
    return Arrival(message.topic, message.tag, message.key, event_id, body, None)
