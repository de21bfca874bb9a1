"""What the web and the operators ask of the running shop."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

from makegood.audit import TITLES
from makegood.engine.broker.embedded import EmbeddedBroker
from makegood.engine.contracts import Operation
from makegood.engine.database.transaction import Reader
from makegood.engine.dead_letters import DeadLetters
from makegood.engine.deadline import Deadline
from makegood.engine.errors import EngineError
from makegood.engine.host import Host
from makegood.engine.runtime import ServiceRuntime
from makegood.engine.tables import EngineTables
from makegood.shop.audit_types import Checked
from makegood.web import port

Q = TypeVar("Q")
A = TypeVar("A")

LOOK_EVERY = 2.0
"""Seconds between counts of what was set aside or given up."""
EXAMPLES = 10
"""Most findings of a promise that are shown."""
COUNTED = 1_000
"""Most of them that are counted."""


class Operations:
    """Implements the web's `Shop` over a host."""

    def __init__(self, host: Host, broker: EmbeddedBroker, audit: Callable[[], Awaitable[list[Checked]]]) -> None:
        self._host = host
        self._broker = broker
        self._audit = audit
        self._auditing = asyncio.Lock()
        self._letters = DeadLetters(host.runtimes)
        self._lag: dict[str, int] = {}
        self._failed: dict[str, tuple[int, int]] = {}
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
        return self._trouble if self.opened else "the shop is starting"

    async def dead_letters(self, after: str | None, limit: int) -> port.DeadLetters:
        """At most `limit` dead letters behind `after`. Raises ValueError for what is no id."""
        letters = await self._letters.page(after, limit + 1)
        shown = letters[:limit]
        return port.DeadLetters(tuple(shown), shown[-1].id if len(letters) > limit else None)

    async def replay_dead_letter(self, id: str) -> bool:
        """Has it tried again at once; False when there is no such letter."""
        try:
            return await self._letters.replay(id)
        except ValueError:
            return False

    async def audit(self) -> port.AuditReport:
        """Checks the promises on the live shop; one audit at a time."""
        async with self._auditing:
            checked = await self._audit()
        return port.AuditReport(self.now(), tuple(_promise(one) for one in checked))

    def services(self) -> list[port.ServiceFigures]:
        """Figures of every service."""
        return [self._figures(runtime) for runtime in self._host.runtimes.values()]

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
        self._lag = {stats.group: stats.backlog for stats in await self._broker.stats()}
        for name, runtime in self._host.runtimes.items():
            self._failed[name] = await runtime.database.read(partial(_count_failed, runtime.service.tables))

    def _figures(self, runtime: ServiceRuntime) -> port.ServiceFigures:
        figures = [queue.figures for queue in runtime.queues()]
        set_aside, dead = self._failed.get(runtime.service.name, (0, 0))
        return port.ServiceFigures(
            runtime.service.name,
            sum(one.batches for one in figures),
            sum(one.requests for one in figures),
            sum(one.failed for one in figures),
            sum(queue.waiting for queue in runtime.queues()),
            runtime.outbox.backlog,
            sum(self._lag.get(group, 0) for group in runtime.groups),
            set_aside,
            dead,
        )


def _promise(checked: Checked) -> port.PromiseChecked:
    examples = tuple(f"{finding.subject}: {finding.detail}" for finding in checked.findings[:EXAMPLES])
    return port.PromiseChecked(checked.promise, TITLES[checked.promise], checked.examined, checked.count, examples)


def _count_failed(tables: EngineTables, reader: Reader) -> tuple[int, int]:
    """Events to be tried again, and events and tasks that were given up."""
    events = reader.page(tables.set_aside, limit=COUNTED)
    waiting = sum(event.due_at is not None for event in events)
    tasks = reader.page(tables.tasks, where={"state": "GIVEN_UP"}, limit=COUNTED)
    return waiting, len(events) - waiting + len(tasks)
