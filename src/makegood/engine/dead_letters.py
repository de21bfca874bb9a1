"""What failed and waits: events that listeners raised for, tasks that were given up. Seen and replayed by people."""

import base64
import binascii
from collections.abc import Mapping
from functools import partial
from typing import Any, Final, Literal

import msgspec

from makegood.engine import inbox, tasks
from makegood.engine.database.transaction import Reader
from makegood.engine.runtime import ServiceRuntime
from makegood.engine.tables import SetAside, TaskRow

EVENT: Final = "event"
TASK: Final = "task"
"""The two kinds, in the order of listing."""


class DeadLetter(msgspec.Struct, frozen=True):
    """An event that was set aside, or a task that was given up. Times in ms UTC; `next_at` None: buried.

    A task has its kind as `topic` and its key as `key`. `id` is opaque.
    """

    id: str
    service: str
    group: str
    topic: str
    tag: str
    key: str
    tries: int
    first_at: int
    last_at: int
    next_at: int | None
    error: str
    body: str


class _Position(msgspec.Struct, frozen=True, array_like=True, order=True):
    """What an id says: the service, the kind, and the row's key (a task's has two parts)."""

    service: str = ""
    kind: Literal["event", "task"] = EVENT
    first: str = ""
    second: str = ""
    third: str = ""


class DeadLetters:
    """The dead letters of the services of this process."""

    def __init__(self, runtimes: Mapping[str, ServiceRuntime]) -> None:
        self._runtimes = runtimes

    async def page(self, after: str | None, limit: int) -> list[DeadLetter]:
        """At most `limit`, by service and kind, behind the id `after`. Raises ValueError for what is no id."""
        behind = _read(after) if after else _Position()
        found: list[DeadLetter] = []
        for name in sorted(self._runtimes):
            if name >= behind.service:
                start = behind if name == behind.service else _Position(name)
                look = partial(_look, self._runtimes[name], start, limit - len(found))
                found.extend(await self._runtimes[name].database.read(look))
        return found

    async def replay(self, id: str) -> bool:
        """Lets it be tried again at once; False when it is not there. Raises ValueError for what is no id."""
        at = _read(id)
        runtime = self._runtimes.get(at.service)
        if runtime is None:
            return False
        tables = runtime.service.tables
        if at.kind == TASK:
            return await runtime.execution.run_one(partial(tasks.revive_given_up, tables), (at.first, at.second))
        return await runtime.execution.run_one(partial(inbox.replay, tables), (at.first, at.second, at.third))


def _look(runtime: ServiceRuntime, behind: _Position, limit: int, reader: Reader) -> list[DeadLetter]:
    tables, name = runtime.service.tables, runtime.service.name
    found: list[DeadLetter] = []
    if behind.kind == EVENT and limit > 0:
        events = reader.page(tables.set_aside, after=(behind.first, behind.second, behind.third), limit=limit)
        found.extend(_event(name, row) for row in events)
        behind = _Position(name, TASK)
    if limit > len(found):
        after: Any = (behind.first, behind.second)
        given_up = reader.page(tables.tasks, where={"state": "GIVEN_UP"}, after=after, limit=limit - len(found))
        found.extend(_task(name, row) for row in given_up)
    return found


def _event(service: str, row: SetAside) -> DeadLetter:
    return DeadLetter(
        _write(_Position(service, EVENT, row.group_name, row.topic, row.event_id)),
        service,
        row.group_name,
        row.topic,
        row.tag,
        row.message_key,
        row.tries,
        row.first_at,
        row.last_at,
        row.due_at,
        row.error,
        row.body.decode(errors="replace"),
    )


def _task(service: str, row: TaskRow) -> DeadLetter:
    return DeadLetter(
        _write(_Position(service, TASK, row.kind, row.task_key)),
        service,
        service,
        row.kind,
        TASK,
        row.task_key,
        row.attempt,
        row.created_at,
        row.created_at,
        row.due_at,
        row.error,
        row.payload.decode(errors="replace"),
    )


def _write(position: _Position) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(position)).decode().rstrip("=")


def _read(id: str) -> _Position:
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(id + "=" * (-len(id) % 4)), type=_Position)
    except (ValueError, binascii.Error, msgspec.MsgspecError) as error:
        raise ValueError(f"{id!r} is no dead letter's id: take one from the list") from error
