"""One service running in one process: its functions, and the loops that feed them."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import partial
from typing import Any, TypeVar, cast

from makegood.engine import inbox
from makegood.engine.backoff import backoff
from makegood.engine.batching import Batcher
from makegood.engine.broker.port import Broker
from makegood.engine.consumer import Consumer
from makegood.engine.contracts import Operation
from makegood.engine.database.port import Database
from makegood.engine.database.transaction import Reader, Transaction
from makegood.engine.deadline import Deadline
from makegood.engine.errors import EngineError
from makegood.engine.execution import Execution
from makegood.engine.executor import Executor
from makegood.engine.inbox import InboxOfGroup, Listening
from makegood.engine.lease import RENEW, NumberLease
from makegood.engine.outbox import OutboxRelay, Wanted
from makegood.engine.rpc.port import Caller, Handler
from makegood.engine.service import (
    BATCH,
    AsyncOperationSpec,
    ListenerSpec,
    OperationSpec,
    PeriodicSpec,
    Service,
    SweepSpec,
    TaskSpec,
)
from makegood.engine.tables import SetAside
from makegood.engine.tasks import TaskRunner
from makegood.engine.world import World

Q = TypeVar("Q")
A = TypeVar("A")

RETRY_EVERY = 1.0
"""Seconds between looks for events that were set aside and are due."""
RETRIES = 64
"""Most of them tried at one look."""
TIDY_EVERY = 1.0
"""Seconds after which published outbox rows are deleted though no other commit came along."""
TAKE_OVER_EVERY = 1.0
"""Seconds between looks for outbox rows of dead processes."""
TAKE_OVER = 256
PRUNE_EVERY = 60.0
MAX_OWN = 100
"""Most functions that a service runs by `write` and `read`."""
OWN_DEADLINE = 30.0
"""Seconds that such a call may wait before it is run."""
LONGEST_PAUSE = 5.0
"""Seconds between tries of a loop that fails."""

log = logging.getLogger(__name__)


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
        self._loops: list[asyncio.Task[None]] = []
        self.groups: dict[str, InboxOfGroup] = {}
        service.engine = self

    async def open(self) -> None:
        """Leases the process number and takes up what an earlier life left; then calls may come."""
        [source] = await self.database.write(lambda tx: self._lease.acquire(tx, [None]))
        self.database.ids = source
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

    def handlers(self) -> list[tuple[Operation[Any, Any], Handler]]:
        """What this service answers."""
        found: list[tuple[Operation[Any, Any], Handler]] = []
        for spec in self.service.specs(OperationSpec):
            found.append((spec.contract, self._batch_handler(spec)))
        for spec in self.service.specs(AsyncOperationSpec):
            found.append((spec.contract, partial(spec.function, self.service)))
        return found

    def start(self) -> None:
        """Starts the loops: relay, consumers, sweeps, tasks and the engine's own chores."""
        self._spawn("relay", self.outbox.run())
        self._spawn("lease", _every(RENEW, self._renew, self._world))
        self._spawn("outbox", _every(TAKE_OVER_EVERY, self._take_over, self._world))
        self._spawn("tidy", _every(TIDY_EVERY, self._tidy, self._world))
        self._spawn("tasks", self.tasks.run())
        self._spawn("inbox", _every(PRUNE_EVERY, partial(self._sweep, self._prune, 256), self._world))
        for spec in self.service.specs(SweepSpec):
            work = partial(self._sweep, partial(spec.function, self.service), spec.limit)
            self._spawn(f"sweep {spec.function.__name__}", _every(spec.every, work, self._world))
        for spec in self.service.specs(PeriodicSpec):
            work = partial(spec.function, self.service)
            self._spawn(f"periodic {spec.function.__name__}", _every(spec.every, work, self._world))
        self._start_listeners()

    async def stop(self) -> None:
        """Finishes the calls that were accepted, then ends the loops; what they left is taken up next time."""
        for batcher in self.queues():
            await batcher.idle()
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)

    def now(self) -> int:
        """Milliseconds since 1970-01-01 UTC."""
        return self._world.now()

    async def call(self, operation: Operation[Q, A], request: Q, deadline: Deadline) -> A:
        """Asks a service, wherever it runs."""
        return await self._caller.call(operation, request, deadline)

    async def write(self, function: Callable[[Transaction, Sequence[Q]], list[A]], requests: Sequence[Q]) -> list[A]:
        """Runs a batch function of this service in a transaction, shared with others who want the same now.

        The first failure is raised. `function` is a module's function or a method, not one made for this call.
        """
        return await self._batched(function, self.execution.run, requests)

    async def read(self, function: Callable[[Reader, Sequence[Q]], list[A]], requests: Sequence[Q]) -> list[A]:
        """Runs a batch function of this service on a snapshot, shared with others who want the same now."""
        return await self._batched(function, self.execution.read, requests)

    async def compute(self, work: Callable[[], A]) -> A:
        """Runs CPU-heavy work (signing, hashing) in the bounded pool."""
        return await self._compute.run(work)

    def _batch_handler(self, spec: OperationSpec) -> Handler:
        function = partial(spec.function, self.service)
        run = self.execution.read if spec.reads else self.execution.run
        batcher = Batcher[Any, Any](str(spec.contract), partial(run, function), limit=spec.limit, sheds=spec.sheds)
        self.batchers[spec.contract.name] = batcher

        async def handle(request: Any, deadline: Deadline) -> Any:
            return await batcher.submit(request, deadline)

        return handle

    async def _batched(
        self, function: Callable[..., Any], run: Callable[..., Any], requests: Sequence[Any]
    ) -> list[Any]:
        batcher = self._own.get(function)
        if batcher is None:
            assert len(self._own) < MAX_OWN, f"{function} is made anew for each call: pass a method"
            name = f"{self.service.name}.{getattr(function, '__name__', function)}"
            batcher = self._own[function] = Batcher[Any, Any](name, partial(run, function), limit=BATCH)
        deadline = Deadline.after(OWN_DEADLINE)
        return list(await asyncio.gather(*(batcher.submit(request, deadline) for request in requests)))

    def _start_listeners(self) -> None:
        by_group: dict[str, list[ListenerSpec]] = {}
        for spec in self.service.specs(ListenerSpec):
            by_group.setdefault(spec.group or self.service.name, []).append(spec)
        for group, specs in by_group.items():
            listenings = [Listening(self.service, group, spec, self.service.tables) for spec in specs]
            self.groups[group] = InboxOfGroup(group, listenings, self.service.tables, self.execution, self._world)
            topics = {topic: _tags(specs, topic) for topic in sorted({spec.topic for spec in specs})}
            consumer = Consumer(self.groups[group], topics, self._broker, self._world)
            self._spawn(f"group {group}", consumer.run())
        if by_group:
            self._spawn("set aside", _every(RETRY_EVERY, self._retry_set_aside, self._world))

    async def _retry_set_aside(self) -> None:
        table = self.service.tables.set_aside

        def due(reader: Any) -> list[SetAside]:
            return reader.due(table, "due_at", reader.now, RETRIES)

        for row in await self.database.read(due):
            if row.group_name in self.groups:
                await self.groups[row.group_name].retry(row)

    async def _renew(self) -> None:
        self.database.ids.leased_until = await self.execution.run_one(self._lease.renew, self.database.ids)

    async def _take_over(self) -> None:
        def left(tx: Any, limits: Sequence[int]) -> list[Any]:
            return [self.outbox.take_over(tx, limit) for limit in limits]

        if self._alone and self.outbox.backlog == 0:
            await self._relay_left_behind()
        self.outbox.relay(await self.execution.run_one(left, TAKE_OVER))

    async def _relay_left_behind(self) -> None:
        before = self.database.ids.first

        def left(reader: Any) -> list[Any]:
            return self.outbox.left_behind(reader, before, TAKE_OVER)

        self.outbox.relay(await self.database.read(left))

    async def _tidy(self) -> None:
        if self.outbox.untidy:
            await self.execution.run_one(_nothing, None)

    def _prune(self, tx: Any, limit: int) -> int:
        return inbox.prune(self.service.tables, tx, limit)

    async def _sweep(self, function: Callable[[Any, int], int], limit: int) -> None:
        def work(tx: Any, limits: Sequence[int]) -> list[int]:
            return [function(tx, limit) for limit in limits]

        while True:
            if await self.execution.run_one(work, limit) < limit:
                return

    def _spawn(self, name: str, loop: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(loop, name=f"{self.service.name}: {name}")
        task.add_done_callback(_report)
        self._loops.append(task)


async def _every(seconds: float, work: Callable[[], Awaitable[None]], world: World) -> None:
    """Does the work at once and then every `seconds`; failing, it says so and tries again."""
    failures = 0
    while True:
        try:
            await work()
            failures = 0
            await asyncio.sleep(seconds)
        except EngineError as error:
            failures += 1
            log.warning("%s failed and will be tried again: %s", work, error)
            await asyncio.sleep(max(seconds, backoff(world, failures, first=0.1, most=LONGEST_PAUSE)))


def _report(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and task.exception() is not None:
        log.critical("the loop %s has died", task.get_name(), exc_info=task.exception())


def _nothing(_tx: Any, requests: Sequence[None]) -> list[None]:
    return [None for _ in requests]


def _tags(specs: Sequence[ListenerSpec], topic: str) -> frozenset[str]:
    tags = frozenset(spec.tag for spec in specs if spec.topic == topic)
    return frozenset[str]() if "" in tags else tags
