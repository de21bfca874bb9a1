"""One service running in one process: its functions, and the loops that feed them."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeVar, cast

from makegood.engine import inbox, tracing
from makegood.engine.batching import Batcher
from makegood.engine.broker.port import Broker
from makegood.engine.consumer import Consumer
from makegood.engine.contracts import Operation
from makegood.engine.database.port import Database
from makegood.engine.database.transaction import Reader, Transaction
from makegood.engine.deadline import Deadline
from makegood.engine.errors import DeadlineExceeded, EngineError, OperationFailed
from makegood.engine.execution import Execution
from makegood.engine.executor import Executor
from makegood.engine.inbox import InboxOfGroup, Listening
from makegood.engine.lease import RENEW, NumberLease
from makegood.engine.loops import Loops
from makegood.engine.outbox import OutboxRelay, Wanted
from makegood.engine.rpc.port import Caller, Handler
from makegood.engine.service import (
    BATCH,
    AsyncOperationSpec,
    OperationSpec,
    PeriodicSpec,
    Service,
    SweepSpec,
    TaskSpec,
)
from makegood.engine.tables import SetAside
from makegood.engine.tasks import TaskRunner
from makegood.engine.time_limits import TimeLimits
from makegood.engine.world import World

Q = TypeVar("Q")
A = TypeVar("A")

LOOK_EVERY = 1.0
"""Seconds between looks for what is due and nobody says so: tasks, outbox rows of dead processes, set-aside events.
Then published outbox rows are deleted, too, if no other commit came along."""
RETRIES = 64
"""Most set-aside events tried at one look."""
TAKE_OVER = 256
"""Most outbox rows taken over, or read of what an earlier life left, at once."""
ROOM_EVERY = 1.0
"""Seconds between looks for room in memory for the latter."""
PRUNE_EVERY = 60.0
PRUNE_AFTER = 2 * 3_600_000
"""Milliseconds after opening before the inbox forgets: messages that waited out a long stop come again first."""
MAX_OWN = 100
"""Most functions that a service runs by `write` and `read`."""
OWN_DEADLINE = 30.0
"""Seconds after which such a call that named no deadline is told that nobody knows."""
FULL_RUNS = 100
"""Most runs of a sweep in a row while each handles as many rows as it may."""

log = logging.getLogger(__name__)


class _Due(NamedTuple):
    """What one look found: whether tasks, whether outbox rows that nobody relays, and the events to be tried again."""

    tasks: bool
    outbox: bool
    set_aside: list[SetAside]


class ServiceRuntime:
    """Implements `Engine` for its service. `alone`: no other process runs this service (the embedded shop)."""

    def __init__(
        self,
        service: Service,
        database: Database,
        broker: Broker,
        world: World,
        caller: Caller,
        compute: Executor,
        wanted: Wanted,
        *,
        alone: bool,
    ) -> None:
        self.service = service
        self.database = database
        self._broker, self._world, self._caller, self._compute = broker, world, caller, compute
        self._alone = alone
        self.batchers: dict[str, Batcher[Any, Any]] = {}
        self._own: dict[Callable[..., Any], Batcher[Any, Any]] = {}
        self.outbox = OutboxRelay(service.tables, broker, world, wanted)
        self._lease = NumberLease(service.tables, world, service.name, alone=alone)
        self._beginnings = Loops(service.name, world)
        """What begins work of its own accord: listeners, sweeps, tasks."""
        self._chores = Loops(service.name, world)
        """What work needs to its end: the relay, the lease of the process number."""
        self._limits = TimeLimits()
        self._listeners = inbox.groups_of(service)
        self.groups: dict[str, InboxOfGroup] = {}
        service.engine = self

    async def open(self) -> None:
        """Leases the process number and takes up what an earlier life left; then calls may come."""
        source = await Execution(self.database, self._world, []).run_one(self._lease.acquire, None)
        self.database.ids = source
        self._life = source.first
        self._opened_at = self._world.now()
        specs = cast("list[TaskSpec[Any, Any, Any]]", self.service.specs(TaskSpec))
        self.tasks = TaskRunner(self.service, specs, self.service.tables, self._world, source.first)
        self.execution = Execution(self.database, self._world, [self.outbox, self.tasks])
        self.tasks.bind(self.execution)
        if self._alone:
            while await self.execution.run_one(self.tasks.revive, TAKE_OVER):
                pass

    def queues(self) -> list[Batcher[Any, Any]]:
        """The queue in front of each function."""
        return [*self.batchers.values(), *self._own.values()]

    @property
    def unsent(self) -> int:
        """Messages not known to be published."""
        return self.outbox.backlog

    def handlers(self) -> list[tuple[Operation[Any, Any], Handler]]:
        """What this service answers."""
        found: list[tuple[Operation[Any, Any], Handler]] = []
        for spec in self.service.specs(OperationSpec):
            found.append((spec.contract, self._batch_handler(spec)))
        for spec in self.service.specs(AsyncOperationSpec):
            function = partial(spec.function, self.service)
            found.append((spec.contract, partial(self._answer_in_time, spec.contract, function)))
        return found

    def listen(self) -> None:
        """Joins the consumer groups of its listeners, and hears."""
        for group, specs in self._listeners.items():
            listenings = [Listening(self.service, group, spec, self.service.tables) for spec in specs]
            self.groups[group] = InboxOfGroup(group, listenings, self.service.tables, self.execution, self._world)
            consumer = Consumer(self.groups[group], inbox.topics_of(specs), self._broker, self._world)
            self._beginnings.spawn(f"group {group}", consumer.run)

    def start(self, declared: asyncio.Event) -> None:
        """Starts relay, sweeps, tasks and the engine's own chores; it publishes nothing before groups are declared."""
        self._chores.spawn("relay", partial(self._relay, declared))
        self._chores.every(RENEW, "lease", self._renew)
        if self._alone:
            self._beginnings.spawn("left behind", self._relay_left_behind)
        self._beginnings.every(LOOK_EVERY, "what is due", self._look)
        self._beginnings.every(PRUNE_EVERY, "inbox", partial(self._sweep, self._prune, 256))
        self._beginnings.spawn("tasks", self.tasks.run)
        for spec in self.service.specs(SweepSpec):
            work = partial(self._sweep, partial(spec.function, self.service), spec.limit)
            self._beginnings.every(spec.every, f"sweep {spec.function.__name__}", work)
        for spec in self.service.specs(PeriodicSpec):
            work = partial(spec.function, self.service)
            self._beginnings.every(spec.every, f"periodic {spec.function.__name__}", work)

    async def begin_nothing(self) -> None:
        """The first half of stopping: no message, sweep or task begins any more; other services still may call."""
        await self._beginnings.stop()
        await self.tasks.stop()

    async def finish(self) -> None:
        """Returns when all calls and transactions have ended."""
        for batcher in self.queues():
            await batcher.idle()
        await self.execution.idle()

    async def flush(self) -> None:
        """Returns when all messages are sent and their rows deleted. Raises DatabaseError."""
        await self.outbox.drained()
        await self._tidy()

    async def stop(self) -> None:
        """The second half of stopping: what has not finished by now is taken up next time."""
        await self._beginnings.stop()
        await self._chores.stop()

    def now(self) -> int:
        """Milliseconds since 1970-01-01 UTC."""
        return self._world.now()

    def call(self, operation: Operation[Q, A], request: Q, deadline: Deadline) -> Awaitable[A]:
        """Asks a service, wherever it runs."""
        return self._caller.call(operation, request, deadline)

    async def write(
        self,
        function: Callable[[Transaction, Sequence[Q]], list[A]],
        requests: Sequence[Q],
        deadline: Deadline | None = None,
    ) -> list[A]:
        """Runs a batch function of this service in a transaction, shared with others who want the same now.

        The first failure is raised. `function` is a module's function or a method, not one made for this call. After
        the deadline (30 s without one) it raises DeadlineExceeded: what is under way then may still take effect.
        """
        return await self._batched(function, self.execution.run_here, requests, deadline)

    async def read(self, function: Callable[[Reader, Sequence[Q]], list[A]], requests: Sequence[Q]) -> list[A]:
        """Runs a batch function of this service on a snapshot, shared with others who want the same now."""
        return await self._batched(function, self.execution.read, requests, None)

    async def compute(self, work: Callable[[], A]) -> A:
        """Runs CPU-heavy work (signing, hashing) in the bounded pool."""
        return await self._compute.run(work)

    def _batch_handler(self, spec: OperationSpec) -> Handler:
        function = partial(spec.function, self.service)
        run = self.execution.read if spec.reads else self.execution.run_here
        batcher = Batcher[Any, Any](str(spec.contract), partial(run, function), limit=spec.limit, sheds=spec.sheds)
        self.batchers[spec.contract.name] = batcher

        return batcher.submit

    async def _answer_in_time(
        self,
        operation: Operation[Q, A],
        function: Callable[[Q, Deadline], Awaitable[A]],
        request: Q,
        deadline: Deadline,
    ) -> A:
        """What an operation lets out is the same for callers here and far away."""
        limit = self._limits.until(deadline)
        try:
            with limit:
                if tracing.current():
                    return await _traced(operation, function, request, deadline)
                return await function(request, deadline)
        except EngineError:
            raise
        except Exception as bug:
            if limit.passed and isinstance(bug, TimeoutError):
                raise DeadlineExceeded(f"{operation} did not answer in time; it may have taken effect") from bug
            log.error("%s failed for %.500r", operation, request, exc_info=bug, extra=tracing.names_of(request))
            raise OperationFailed(f"{type(bug).__name__}: {bug}") from bug

    async def _batched(
        self,
        function: Callable[..., Any],
        run: Callable[..., Any],
        requests: Sequence[Any],
        deadline: Deadline | None,
    ) -> list[Any]:
        batcher = self._own.get(function)
        if batcher is None:
            assert len(self._own) < MAX_OWN, f"{function} is made anew for each call: pass a method"
            name = f"{self.service.name}.{getattr(function, '__name__', function)}"
            batcher = self._own[function] = Batcher[Any, Any](name, partial(run, function), limit=BATCH)
        deadline = deadline or Deadline.after(OWN_DEADLINE)
        answers = [batcher.submit(request, deadline) for request in requests]
        return [await answers[0]] if len(answers) == 1 else list(await asyncio.gather(*answers))

    async def _look(self) -> None:
        due = await self.database.read(self._due)
        if due.tasks:
            self.tasks.wake()
        duties = [self._tidy(), self._retry_all(due.set_aside)]
        if due.outbox:
            duties.append(self._take_over())
        for failed in await asyncio.gather(*duties, return_exceptions=True):  # each fails for itself
            if failed is not None:
                raise failed

    def _due(self, reader: Any) -> _Due:
        tables, now = self.service.tables, reader.now
        return _Due(
            tasks=bool(reader.due(tables.tasks, "due_at", now, 1)),
            outbox=bool(reader.due(tables.outbox, "due_at", now, 1)),
            set_aside=reader.due(tables.set_aside, "due_at", now, RETRIES),
        )

    async def _retry_all(self, rows: Sequence[SetAside]) -> None:
        for row in rows:
            await self._retry(row)

    async def _retry(self, row: SetAside) -> None:
        if row.group_name in self.groups:
            await self.groups[row.group_name].retry(row)
        else:
            await self.execution.run_one(partial(inbox.bury, self.service.tables.set_aside), row)

    async def _renew(self) -> None:
        end = await self.execution.run_one(self._lease.renew, self.database.ids)
        if end is None:
            log.warning("%s lost its process number while it stood still; it leases another", self.service.name)
            self.database.ids = await self.execution.run_one(self._lease.acquire, None)
        else:
            self.database.ids.leased_until = end

    async def _relay(self, declared: asyncio.Event) -> None:
        await declared.wait()
        await self.outbox.run()

    async def _take_over(self) -> None:
        def left(tx: Any, limits: Sequence[int]) -> list[Any]:
            return [self.outbox.take_over(tx, limit) for limit in limits]

        while self.outbox.has_room:
            rows = await self.execution.run_one(left, TAKE_OVER)
            self.outbox.relay(rows)
            if len(rows) < TAKE_OVER:
                return

    async def _relay_left_behind(self) -> None:
        after = 0
        while True:
            while not self.outbox.has_room:
                await asyncio.sleep(ROOM_EVERY)
            left = partial(self.outbox.left_behind, after=after, before=self._life, limit=TAKE_OVER)
            rows = await self.database.read(left)
            self.outbox.relay(rows)
            if len(rows) < TAKE_OVER:
                return
            after = rows[-1].message_id

    async def _tidy(self) -> None:
        while self.outbox.untidy:
            await self.execution.run_one(_nothing, None)

    def _prune(self, tx: Any, limit: int) -> int:
        if tx.now < self._opened_at + PRUNE_AFTER:
            return 0
        return inbox.prune(self.service.tables, tx, limit)

    async def _sweep(self, function: Callable[[Any, int], int], limit: int) -> None:
        def work(tx: Any, limits: Sequence[int]) -> list[int]:
            return [function(tx, limit) for limit in limits]

        for _ in range(FULL_RUNS):
            if await self.execution.run_one(work, limit) < limit:
                return


async def _traced(
    operation: Operation[Q, A], function: Callable[[Q, Deadline], Awaitable[A]], request: Q, deadline: Deadline
) -> A:
    with tracing.span(str(operation), attributes=tracing.names_of(request)):
        return await function(request, deadline)


def _nothing(_tx: Any, requests: Sequence[None]) -> list[None]:
    return [None for _ in requests]
