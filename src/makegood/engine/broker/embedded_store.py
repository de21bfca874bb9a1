"""The embedded broker's file: a row for each message, and for each (group, topic) a mark with exceptions beside it.

`cursors.mark` says: this group is done with every message of the topic up to there, except those in `pending`. So a
group that keeps up costs one row, whatever it has consumed. Messages to be delivered later wait in `delayed` and
move into `messages` when they are due, so that they hold no mark back.

Everything here blocks, and is called by one caller at a time. Errors are apsw's own.
"""

from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw
import msgspec

from makegood.engine.broker import embedded_sql as sql
from makegood.engine.broker.embedded_sql import DELETE_ROWS, DELETE_STEP, PAGE_BYTES, PAGE_ROWS, PAGE_SPAN, VERSION
from makegood.engine.broker.port import Message
from makegood.engine.errors import BrokerUnavailable

Stored = tuple[int, Message]
"""A message with its place: places only grow, over all topics."""
Pending = tuple[int, int]
"""An exception below the mark: not before (ms UTC, 0 is now), and how often it was delivered."""


class CursorRow(msgspec.Struct, frozen=True):
    """Where a group is in a topic, as it was stored."""

    cursor: int
    group: str
    topic: str
    tags: frozenset[str]
    mark: int
    pending: dict[int, Pending]
    sequences: dict[int, str]
    """Of those pending that have one."""
    unread: int
    """How many messages above the mark it wants."""


class CursorChange(msgspec.Struct, frozen=True):
    """What a group got done in a topic since the last commit; None takes an exception away."""

    cursor: int
    topic: str
    mark: int
    pending: dict[int, Pending | None]


class Page(msgspec.Struct, frozen=True):
    """Some of a topic's messages; between the last of them and `reached` there is none that is wanted."""

    rows: list[Stored]
    reached: int


class Commit(msgspec.Struct, frozen=True):
    """What one commit did: `published` can be delivered from now on; `more` says there is more to delete."""

    published: list[Stored]
    more: bool


class Expired(msgspec.Struct, frozen=True):
    """Messages of a topic up to `upto` were deleted for their age; `undone` deliveries of them never got done."""

    topic: str
    upto: int
    undone: int


class Store:
    """The tables, and the few statements that touch them."""

    def __init__(self, where: Path | apsw.Connection | None) -> None:
        self._own = not isinstance(where, apsw.Connection)
        self._synchronous = ""
        self._db = where if isinstance(where, apsw.Connection) else apsw.Connection(str(where or ":memory:"))
        try:
            self._prepare(where)
        except BaseException:
            self.close()
            raise

    def _prepare(self, where: object) -> None:
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")  # a process that died in its transaction left the connection behind
        if self._own:
            # Exclusive, because places are given out from memory: a second process must not open this file.
            self._db.execute("PRAGMA locking_mode = EXCLUSIVE; PRAGMA page_size = 8192")
        # Else SQLite prepares a statement again whenever its parameters change: five times the cost for some.
        self._db.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
        version = self._check_version(where)
        if self._own:
            self._db.execute("PRAGMA journal_mode = WAL")
        if version != VERSION:
            self._create(sql.TO_VERSION_2 if version else sql.SCHEMA)
        self.last = self._stored_last()
        """The highest place given out."""
        self.next_due = self._first_due()
        """When the first delayed message is due, ms UTC; None without one."""
        self._undeleted: list[str] = []
        self._deleted: dict[str, int] = {}

    def _check_version(self, where: object) -> int:
        version: int = self._db.execute("PRAGMA user_version").get
        is_new = version == 0 and self._db.execute("SELECT count(*) FROM sqlite_master").get == 0
        if version not in (1, VERSION) and not is_new:
            raise BrokerUnavailable(
                f"{where} has version {version}, this broker reads {VERSION}: "
                "run the program that wrote it, or move the file away"
            )
        return version

    def _create(self, statements: str) -> None:
        with self._transaction(durable=True):
            self._db.execute(statements)
            self._db.execute(f"PRAGMA user_version = {VERSION}")

    @contextmanager
    def _transaction(self, *, durable: bool) -> Generator[None]:
        wanted = "FULL" if durable else "NORMAL"
        if self._synchronous != wanted:
            self._db.execute(f"PRAGMA synchronous = {wanted}")
            self._synchronous = wanted
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def _stored_last(self) -> int:
        return self._db.execute(
            "SELECT max(coalesce((SELECT max(seq) FROM messages), 0), coalesce((SELECT max(mark) FROM cursors), 0))"
        ).get

    def _first_due(self) -> int | None:
        return self._db.execute("SELECT min(deliver_at) FROM delayed").get

    def cursors(self, group: str | None = None) -> list[CursorRow]:
        """Every cursor there is, or those of one group."""
        rows = self._db.execute(sql.CURSORS, {"group": group}).fetchall()
        return [self._cursor(*row) for row in rows]

    def _cursor(self, *row: Any) -> CursorRow:
        cursor, group, topic, tags, mark = row
        pending: list[tuple[int, int, int, str]] = self._db.execute(sql.PENDING, (cursor,)).fetchall()  # type: ignore[assignment]
        return CursorRow(
            cursor=cursor,
            group=group,
            topic=topic,
            tags=msgspec.json.decode(tags, type=frozenset[str]),
            mark=mark,
            pending={seq: (not_before, attempts) for seq, not_before, attempts, _ in pending},
            sequences={seq: sequence for seq, _, _, sequence in pending if sequence},
            unread=self.count(topic, mark, tags),
        )

    def join(self, group: str, topics: Mapping[str, frozenset[str]]) -> list[CursorRow]:
        """Sets what a group wants; where it is new it begins behind the last message there is."""
        rows = [(group, topic, wanted(tags), self.last) for topic, tags in topics.items()]
        with self._transaction(durable=True):
            self._db.executemany(
                "INSERT INTO cursors (consumer_group, topic, tags, mark) VALUES (?, ?, ?, ?) "
                "ON CONFLICT (topic, consumer_group) DO UPDATE SET tags = excluded.tags",
                rows,
            )
        return self.cursors(group)

    def count(self, topic: str, after: int, tags: str) -> int:
        """How many messages of a topic behind a place are wanted; `tags` as `wanted` writes them."""
        return self._db.execute(sql.COUNT, {"topic": topic, "after": after, "tags": tags}).get

    def oldest(self, cursor: int, topic: str, mark: int, tags: str) -> int | None:
        """When the oldest message that this cursor is not done with was stored, ms UTC."""
        names = {"cursor": cursor, "topic": topic, "after": mark, "tags": tags}
        return self._db.execute(sql.OLDEST, names).get

    def page(self, topic: str, after: int, tags: str) -> Page:
        """The next messages of a topic behind a place."""
        upto = min(self.last, after + PAGE_SPAN)
        names = {"topic": topic, "after": after, "upto": upto, "tags": tags}
        rows: list[Stored] = []
        size = 0
        for seq, *columns in self._db.execute(sql.PAGE, names):
            rows.append((seq, _message(*columns)))
            size += len(rows[-1][1].body)
            if size >= PAGE_BYTES:
                break
        full = len(rows) == PAGE_ROWS or size >= PAGE_BYTES
        return Page(rows, rows[-1][0] if full else upto)

    def read(self, places: Sequence[int]) -> dict[int, Message]:
        """The messages in these places; those that were deleted are left out."""
        rows = self._db.execute(sql.READ, (msgspec.json.encode(places).decode(),))
        return {seq: _message(*columns) for seq, *columns in rows}

    def commit(self, now: int, messages: Sequence[Message], changes: Sequence[CursorChange]) -> Commit:
        """Stores messages and what groups got done, moves what is due, deletes what every group is done with."""
        if not (messages or changes or self._undeleted or self._is_due(now)):
            return Commit([], more=False)
        later = [message for message in messages if message.deliver_at > now]
        with self._transaction(durable=bool(messages)):
            ready = self._take_due(now)
            moved = len(ready)
            ready.extend(message for message in messages if message.deliver_at <= now)
            published = list(enumerate(ready, self.last + 1))
            self._db.executemany(sql.INSERT, [(seq, now, *_columns(message)) for seq, message in published])
            self._db.executemany(sql.DELAY, [_columns(message) for message in later])
            self._write(changes)
            unfinished = self._delete_done([*self._undeleted, *[change.topic for change in changes]])
        self._undeleted = unfinished
        self.last += len(published)
        if moved or later:
            self.next_due = self._first_due()
        return Commit(published, more=bool(unfinished))

    def _is_due(self, now: int) -> bool:
        return self.next_due is not None and self.next_due <= now

    def _take_due(self, now: int) -> list[Message]:
        if not self._is_due(now):
            return []
        rows = self._db.execute(sql.DUE, (now,)).fetchall()
        self._db.executemany("DELETE FROM delayed WHERE id = ?", [row[:1] for row in rows])
        return [_message(*row[1:]) for row in rows]

    def _write(self, changes: Sequence[CursorChange]) -> None:
        marks: list[tuple[int, int]] = []
        done: list[tuple[int, int]] = []
        pending: list[tuple[int, int, int, int]] = []
        for change in changes:
            marks.append((change.mark, change.cursor))
            for seq, exception in change.pending.items():
                if exception is None:
                    done.append((change.cursor, seq))
                else:
                    pending.append((change.cursor, seq, *exception))
        self._db.executemany("UPDATE cursors SET mark = ? WHERE cursor = ?", marks)
        self._db.executemany("DELETE FROM pending WHERE cursor = ? AND seq = ?", done)
        self._db.executemany("INSERT OR REPLACE INTO pending VALUES (?, ?, ?, ?)", pending)

    def _delete_done(self, topics: Iterable[str]) -> list[str]:
        unfinished: list[str] = []
        for topic in dict.fromkeys(topics):
            done: int = self._db.execute(sql.DONE, (topic,)).get
            if done < self._deleted.get(topic, 0) + DELETE_STEP:
                continue
            self._db.execute(sql.DELETE, (topic, done))
            if self._db.changes() == DELETE_ROWS:
                unfinished.append(topic)
            else:
                self._deleted[topic] = done
        return unfinished

    def expire(self, before: int) -> list[Expired]:
        """Deletes some messages, of any topic, that were stored before a time (ms UTC); empty when none is left."""
        with self._transaction(durable=False):
            found = [self._expire(topic, before) for topic in self._topics()]
        return [expired for expired in found if expired]

    def _topics(self) -> list[str]:
        topics: list[str] = []
        following = "SELECT min(topic) FROM messages WHERE topic > ?"
        while (topic := self._db.execute(following, (topics[-1] if topics else "",)).get) is not None:
            topics.append(topic)
        return topics

    def _expire(self, topic: str, before: int) -> Expired | None:
        upto = 0
        for rows in (1, DELETE_ROWS):  # looks at one first: nearly always it is young
            old = [seq for seq, stored_at in self._db.execute(sql.OLD, (topic, rows)) if stored_at < before]
            if not old:
                return None
            upto = old[-1]
        names = {"topic": topic, "upto": upto}
        expired = Expired(topic, upto, self._db.execute(sql.UNDONE, names).get)
        self._db.execute(
            "DELETE FROM pending WHERE seq <= :upto AND cursor IN (SELECT cursor FROM cursors WHERE topic = :topic)",
            names,
        )
        self._db.execute("DELETE FROM messages WHERE topic = :topic AND seq <= :upto", names)
        return expired

    def close(self) -> None:
        """Lets go of the file; a connection that came from outside stays open."""
        if self._own:
            self._db.close()


def wanted(tags: frozenset[str]) -> str:
    """Tags as the statements take them; '[]' is all."""
    return msgspec.json.encode(sorted(tags)).decode()


def _columns(message: Message) -> tuple[Any, ...]:
    return (
        message.deliver_at,
        message.topic,
        message.tag,
        message.key,
        message.message_id,
        msgspec.json.encode(message.properties) if message.properties else None,
        message.body,
        message.sequence,
    )


def _message(*columns: Any) -> Message:
    deliver_at, topic, tag, key, message_id, properties, body, sequence = columns
    return Message(
        topic=topic,
        message_id=message_id,
        body=body,
        tag=tag,
        key=key,
        properties=msgspec.json.decode(properties, type=dict[str, str]) if properties else {},
        deliver_at=deliver_at,
        sequence=sequence,
    )
