"""What the web and the operators ask of the running shop."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeVar

from makegood.audit import TITLES
from makegood.engine.batching import Batcher
from makegood.engine.broker.port import GroupStats
from makegood.engine.contracts import Operation
from makegood.engine.database.transaction import Reader
from makegood.engine.dead_letters import DeadLetters, Looked
from makegood.engine.deadline import Deadline
from makegood.engine.errors import EngineError
from makegood.engine.host import Host
from makegood.engine.part import Part
from makegood.engine.tables import EngineTables
from makegood.operators.traces import traces
from makegood.shop.audit_types import Checked
from makegood.web import port

Q = TypeVar("Q")
A = TypeVar("A")

LOOK_EVERY = 2.0
"""Seconds between counts of what waits, was set aside or given up."""
LATE = 10_000
"""Milliseconds after which a task that may run should have begun."""
EXAMPLES = 10
"""Most findings of a promise that are shown."""
COUNTED = 1_000
"""Most of them that are counted."""


class _Counts(NamedTuple):
    """What waits in a service's tables."""

    set_aside: int = 0
    dead: int = 0
    tasks_due: int = 0
    tasks_late: int = 0
    unsent: int = 0


class Operations:
    """Implements the web's `Shop` over a host and the services that operators see; `stats` tells how far groups are.

    `missing` says what else keeps this process from its work.
    """

    def __init__(
        self,
        host: Host,
        parts: Mapping[str, Part],
        stats: Callable[[], Awaitable[Sequence[GroupStats]]],
        audit: Callable[[], Awaitable[list[Checked]]],
        missing: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._host = host
        self._parts = parts
        self._stats = stats
        self._audit = audit
        self._missing = missing
        self._auditing = asyncio.Lock()
        self._letters = DeadLetters(parts)
        self._groups: dict[str, GroupStats] = {}
        self._counts: dict[str, _Counts] = {}
        self.opened = False
        """Whether everything that belongs to the start is done."""
        self._trouble: str | None = None

    def now(self) -> int:
        """Milliseconds since 1970-01-01 UTC."""
        return self._host.world.now()

    async def call(self, operation: Operation[Q, A], request: Q, deadline: Deadline) -> A:
        """Asks a service."""
        return await self._host.call(operation, request, deadline)

    def ready(self) -> str | None:
        """None when orders can be taken, else why not."""
        return (self._trouble or self._missing()) if self.opened else "the shop is starting"

    async def dead_letters(
        self, after: str | None, limit: int, service: str | None = None, group: str | None = None
    ) -> port.DeadLetters:
        """At most `limit` dead letters behind `after`, all or a service's or group's. Raises ValueError."""
        letters = await self._letters.page(after, limit + 1, service, group)
        shown = letters[:limit]
        return port.DeadLetters(tuple(shown), shown[-1].id if len(letters) > limit else None)

    async def replay_dead_letters(self, ids: Sequence[str]) -> list[bool]:
        """Has each tried again at once. Raises ValueError when one is no id; then none is replayed."""
        return await self._letters.replay_all(ids)

    async def look_at_dead_letters(self, ids: Sequence[str]) -> list[Looked]:
        """What has become of each. Raises ValueError when one is no id."""
        return await self._letters.look(ids)

    async def traces(self, keys: Sequence[str]) -> port.Traces:
        """Work under one of these keys, and set-aside events that name one."""
        return await traces(self._parts, keys)

    async def audit(self) -> port.AuditReport:
        """Checks the promises on the live shop; one audit at a time."""
        async with self._auditing:
            checked = await self._audit()
        return port.AuditReport(self.now(), tuple(_promise(one) for one in checked))

    def services(self) -> list[port.ServiceFigures]:
        """Figures of every service."""
        return [self._figures(part) for part in self._parts.values()]

    async def watch(self) -> None:
        """Counts what failed and what waits now and then, for ever."""
        while True:
            try:
                await self._count()
                self._trouble = None
            except EngineError as error:
                self._trouble = f"a store cannot be read: {error}"
            await asyncio.sleep(LOOK_EVERY)

    async def _count(self) -> None:
        self._groups = {stats.group: stats for stats in await self._stats()}
        for name, part in self._parts.items():
            self._counts[name] = await part.database.read(partial(_count, part.service.tables))

    def _figures(self, part: Part) -> port.ServiceFigures:
        figures = [queue.figures for queue in part.queues()]
        counts = self._counts.get(part.service.name, _Counts())
        groups = [_group(group, self._groups.get(group)) for group in part.groups]
        return port.ServiceFigures(
            part.service.name,
            sum(one.batches for one in figures),
            sum(one.requests for one in figures),
            sum(one.failed for one in figures),
            sum(queue.waiting for queue in part.queues()),
            max(part.unsent, counts.unsent),
            sum(group.lag for group in groups),
            counts.set_aside,
            counts.dead,
            part.execution.commits,
            tuple(_function(queue) for queue in part.queues()),
            tuple(groups),
            counts.tasks_due,
            counts.tasks_late,
            part.execution.figures(),
        )


def _function(queue: Batcher[Any, Any]) -> port.FunctionFigures:
    did = queue.figures
    name = queue.name.partition(".")[2]
    return port.FunctionFigures(
        name,
        did.batches,
        did.requests,
        did.failed,
        did.expired,
        did.shed,
        did.seconds,
        queue.waiting,
        tuple(did.sizes),
        tuple(did.times),
    )


def _group(name: str, stats: GroupStats | None) -> port.GroupFigures:
    return port.GroupFigures(name, stats.backlog if stats else 0, stats.oldest if stats else 0)


def _promise(checked: Checked) -> port.PromiseChecked:
    examples = tuple(f"{finding.subject}: {finding.detail}" for finding in checked.findings[:EXAMPLES])
    return port.PromiseChecked(checked.promise, TITLES[checked.promise], checked.examined, checked.count, examples)


def _count(tables: EngineTables, reader: Reader) -> _Counts:
    events = reader.page(tables.set_aside, limit=COUNTED)
    waiting = sum(event.due_at is not None for event in events)
    given_up = reader.page(tables.tasks, where={"state": "GIVEN_UP"}, limit=COUNTED)
    due = reader.due(tables.tasks, "due_at", reader.now, COUNTED)
    late = [task for task in due if task.due_at is not None and task.due_at <= reader.now - LATE]
    unsent = len(reader.due(tables.outbox, "due_at", reader.now, COUNTED))
    return _Counts(waiting, len(events) - waiting + len(given_up), len(due), len(late), unsent)
