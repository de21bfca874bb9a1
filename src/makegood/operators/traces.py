"""What waits or has failed around an order, in the services."""

import re
from collections.abc import Mapping, Sequence
from functools import partial

from makegood.engine.database.transaction import Reader
from makegood.engine.dead_letters import DeadLetter, event_letter
from makegood.engine.inbox import groups_of
from makegood.engine.part import Part
from makegood.engine.service import TaskSpec
from makegood.engine.tables import TaskRow
from makegood.web.port import Traces, WorkSeen

LOOKED_AT = 1_000
"""Most set-aside events of a service that are looked through: an event names its order in its body alone."""
SHOWN = 50
"""Most of them that are shown."""


async def traces(parts: Mapping[str, Part], keys: Sequence[str]) -> Traces:
    """Work under one of these keys, and set-aside events that name one."""
    letters: list[DeadLetter] = []
    work: list[WorkSeen] = []
    complete = True
    for part in parts.values():
        seen = await part.database.read(partial(_of_service, part, keys))
        letters += seen.letters
        work += seen.work
        complete = complete and seen.complete
    return Traces(tuple(letters[:SHOWN]), tuple(work), listeners_of(parts), complete)


def listeners_of(parts: Mapping[str, Part]) -> dict[str, tuple[str, ...]]:
    """The groups that hear each event, `topic: tag`, in the order of the services."""
    found: dict[str, list[str]] = {}
    for part in parts.values():
        for group, specs in groups_of(part.service).items():
            for spec in specs:
                found.setdefault(f"{spec.topic}: {spec.tag}", []).append(group)
    return {event: tuple(groups) for event, groups in found.items()}


def _of_service(part: Part, keys: Sequence[str], reader: Reader) -> Traces:
    tables, name = part.service.tables, part.service.name
    kinds = [spec.contract.name for spec in part.service.specs(TaskSpec)]
    work = reader.select(tables.tasks, [(kind, key) for kind in kinds for key in keys])
    aside = reader.page(tables.set_aside, limit=LOOKED_AT + 1)
    names = re.compile(rb"(?<![0-9])(?:" + "|".join(map(re.escape, keys)).encode() + rb")(?![0-9])")
    letters = [event_letter(name, row) for row in aside[:LOOKED_AT] if names.search(row.body)]
    return Traces(tuple(letters), tuple(_work(name, row) for row in work.values()), {}, len(aside) <= LOOKED_AT)


def _work(service: str, row: TaskRow) -> WorkSeen:
    return WorkSeen(
        service=service,
        kind=row.kind,
        key=row.task_key,
        attempt=row.attempt,
        running=row.leased_by is not None,
        created_at=row.created_at,
        next_at=row.due_at,
        error=row.error,
        payload=row.payload.decode(errors="replace"),
    )
