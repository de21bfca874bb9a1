"""The engine's own tables, which every service's database has beside the service's."""

from typing import Annotated, Literal

import msgspec

from makegood.engine.database.table import Schema, Table

Short = Annotated[str, msgspec.Meta(max_length=64)]
Name = Annotated[str, msgspec.Meta(max_length=128)]
EventId = Annotated[str, msgspec.Meta(max_length=64)]


class Outbox(msgspec.Struct):
    """A message that left with a commit. `due_at` (ms UTC): when another process may take it over."""

    message_id: int
    topic: Name
    tag: Short
    message_key: Name
    format: Short
    body: bytes
    deliver_at: int
    due_at: int
    sequence: Short = ""


class Inbox(msgspec.Struct):
    """An event that has taken effect for a group. `at` is ms UTC."""

    group_name: Name
    topic: Name
    event_id: EventId
    at: int


class SetAside(msgspec.Struct):
    """An event whose listener failed. `due_at` NULL: buried, until a person replays it.

    Those of one group, topic and `sequence` that have a `place` take effect in its order.
    """

    group_name: Name
    topic: Name
    event_id: EventId
    tag: Short
    message_key: Name
    body: bytes
    tries: int
    first_at: int
    last_at: int
    due_at: int | None
    error: str
    sequence: Short = ""
    place: int | None = None


class TaskRow(msgspec.Struct):
    """Durable work. `due_at`: when it may be leased; NULL when it was given up. `leased_by`: a life's first id.

    AGAIN: it was asked for once more while it ran, so another run follows.
    """

    kind: Short
    task_key: Name
    state: Literal["WAITING", "AGAIN", "GIVEN_UP"]
    payload: bytes
    attempt: int
    created_at: int
    due_at: int | None
    leased_by: int | None
    error: str


class ProcessRow(msgspec.Struct):
    """Who may mint ids with this number, until when (ms UTC)."""

    number: int
    owner: Name
    leased_until: int


class EngineTables:
    """Declares the engine's tables in a service's schema."""

    def __init__(self, schema: Schema) -> None:
        self.outbox = Table[Outbox, int](schema, "outbox", Outbox, key=("message_id",), indexes=(("due_at",),))
        self.inbox = Table[Inbox, tuple[str, str, str]](
            schema, "inbox", Inbox, key=("group_name", "topic", "event_id"), indexes=(("at",),)
        )
        self.set_aside = Table[SetAside, tuple[str, str, str]](
            schema,
            "set_aside",
            SetAside,
            key=("group_name", "topic", "event_id"),
            indexes=(("due_at",), ("sequence", "place")),
        )
        self.tasks = Table[TaskRow, tuple[str, str]](
            schema, "tasks", TaskRow, key=("kind", "task_key"), indexes=(("due_at",), ("leased_by",), ("state",))
        )
        self.processes = Table[ProcessRow, int](schema, "processes", ProcessRow, key=("number",))
