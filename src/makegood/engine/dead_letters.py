"""What failed and waits: events that listeners raised for, tasks that were given up. Seen and replayed by people."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final, Literal

import msgspec

from makegood.engine import inbox, tasks
from makegood.engine.database.transaction import Reader
from makegood.engine.part import Part
from makegood.engine.tables import SetAside, TaskRow

EVENT: Final = "event"
TASK: Final = "task"
"""The two kinds, in the order of listing."""
Outcome = Literal["gone", "waiting", "failed"]
"""What has become of a letter: it is not there (any more), is to be tried, or was tried and has failed."""


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


class Looked(msgspec.Struct, frozen=True):
    """What has become of a letter. `gone` behind a replay: it took effect. The letter is None when it is not there."""

    outcome: Outcome
    letter: DeadLetter | None = None


class _Position(msgspec.Struct, frozen=True, array_like=True, order=True):
    """What an id says: the service, the kind, and the row's key (a task's has two parts)."""

    service: str = ""
    kind: Literal["event", "task"] = EVENT
    first: str = ""
    second: str = ""
    third: str = ""


class DeadLetters:
    """The dead letters of these services."""

    def __init__(self, parts: Mapping[str, Part]) -> None:
        self._parts = parts

    async def page(
        self, after: str | None, limit: int, service: str | None = None, group: str | None = None
    ) -> list[DeadLetter]:
        """At most `limit`, by service and kind, behind the id `after`; with `service` or `group` only its own.

        A task's group is its service. Raises ValueError for what is no id.
        """
        behind = _read(after) if after else _Position()
        found: list[DeadLetter] = []
        for name in sorted(self._parts):
            if name >= behind.service and service in (None, name):
                start = behind if name == behind.service else _Position(name)
                look = partial(_look, self._parts[name], start, limit - len(found), group)
                found.extend(await self._parts[name].database.read(look))
        return found

    async def look(self, ids: Sequence[str]) -> list[Looked]:
        """What has become of each letter. Raises ValueError for what is no id."""
        places = [_read(id) for id in ids]
        found: dict[_Position, Looked] = {}
        for name in sorted({at.service for at in places if at.service in self._parts}):
            of_service = [at for at in places if at.service == name]
            part = self._parts[name]
            found |= await part.database.read(partial(_look_at, part, of_service))
        return [found.get(at, Looked("gone")) for at in places]

    async def replay_all(self, ids: Sequence[str]) -> list[bool]:
        """Lets each be tried again at once, in one commit for each service and kind; says which are there.

        Raises ValueError when one is no id: then none is replayed. Raises OperationFailed or DatabaseError when a
        service could not do it: then ask again, what was replayed is not harmed.
        """
        places = [_read(id) for id in ids]
        there: dict[_Position, bool] = {}
        for service, kind in sorted({(at.service, at.kind) for at in places if at.service in self._parts}):
            there |= await _replay(
                self._parts[service],
                kind,
                [at for at in dict.fromkeys(places) if (at.service, at.kind) == (service, kind)],
            )
        return [there.get(at, False) for at in places]


def event_letter(service: str, row: SetAside) -> DeadLetter:
    """An event that a service has set aside."""
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


def _look(part: Part, behind: _Position, limit: int, group: str | None, reader: Reader) -> list[DeadLetter]:
    tables, name = part.service.tables, part.service.name
    found: list[DeadLetter] = []
    if behind.kind == EVENT and limit > 0:
        start = (behind.first, behind.second, behind.third)
        where = None if group is None else {"group_name": group}
        events = reader.page(tables.set_aside, where=where, after=start, limit=limit)
        found.extend(event_letter(name, row) for row in events)
        behind = _Position(name, TASK)
    if limit > len(found) and group in (None, name):
        after: Any = (behind.first, behind.second)
        given_up = reader.page(tables.tasks, where={"state": "GIVEN_UP"}, after=after, limit=limit - len(found))
        found.extend(_task(name, row) for row in given_up)
    return found


async def _replay(part: Part, kind: str, places: Sequence[_Position]) -> dict[_Position, bool]:
    tables, run = part.service.tables, part.execution.run
    if kind == TASK:
        answers = await run(partial(tasks.revive_given_up, tables), [(at.first, at.second) for at in places])
    else:
        answers = await run(partial(inbox.replay, tables), [(at.first, at.second, at.third) for at in places])
    there: dict[_Position, bool] = {}
    for at, answer in zip(places, answers, strict=True):
        if isinstance(answer, Exception):
            raise answer
        there[at] = answer
    return there


def _look_at(part: Part, places: Sequence[_Position], reader: Reader) -> dict[_Position, Looked]:
    tables, name = part.service.tables, part.service.name
    events = reader.select(tables.set_aside, [(at.first, at.second, at.third) for at in places if at.kind == EVENT])
    works = reader.select(tables.tasks, [(at.first, at.second) for at in places if at.kind == TASK])
    found = {_Position(name, EVENT, *key): _event_looked(name, row) for key, row in events.items()}
    return found | {_Position(name, TASK, *key): _task_looked(name, row) for key, row in works.items()}


def _event_looked(service: str, row: SetAside) -> Looked:
    """One that is buried without a try has no listener: nobody will try it."""
    return Looked("failed" if row.tries or row.due_at is None else "waiting", event_letter(service, row))


def _task_looked(service: str, row: TaskRow) -> Looked:
    """A run that is under way has counted its attempt already."""
    tried = row.attempt > 0 and row.leased_by is None
    return Looked("failed" if tried or row.state == "GIVEN_UP" else "waiting", _task(service, row))


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
