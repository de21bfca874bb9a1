"""Services over databases in memory, which call each other in line over wires a test can cut."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

import msgspec

from makegood.engine.contracts import Event, Operation
from makegood.engine.database.base import BaseTransaction, Enqueued, Published
from makegood.engine.database.transaction import Reader, Transaction
from makegood.engine.deadline import Deadline
from makegood.engine.errors import DeadlineExceeded, Overloaded, ServiceUnavailable
from makegood.engine.service import (
    AsyncOperationSpec,
    Later,
    ListenerSpec,
    OperationSpec,
    Service,
    SweepSpec,
    TaskResult,
    TaskSpec,
)
from tests.support.memory import MemoryDatabase
from tests.support.world import ManualWorld

Q = TypeVar("Q")
A = TypeVar("A")
T = TypeVar("T")


class Wires:
    """What happens to calls: by operation, one fault for each coming call, then none; and what was called."""

    def __init__(self) -> None:
        self.called: list[str] = []
        self.asked: list[tuple[str, Any]] = []
        self._faults: dict[str, list[str]] = defaultdict(list)

    def break_next(self, operation: Operation[Any, Any], *faults: str) -> None:
        """The next calls are `lost` before they arrive, lose their `reply`, meet `silence` or `overload`."""
        self._faults[str(operation)].extend(faults)

    def fault_of(self, operation: Operation[Any, Any], request: object) -> str:
        """What befalls this call."""
        self.called.append(str(operation))
        self.asked.append((str(operation), request))
        faults = self._faults[str(operation)]
        return faults.pop(0) if faults else ""


class Room:
    """One service with its database; implements `Engine` for it."""

    def __init__(self, house: "House", service: Service) -> None:
        self.house = house
        self.service = service
        self.database = MemoryDatabase(service.schema, house.world)
        service.engine = self

    def now(self) -> int:
        """The house's time."""
        return self.house.world.now()

    async def call(self, operation: Operation[Q, A], request: Q, deadline: Deadline) -> A:
        """Over the wires."""
        return await self.house.call(operation, request, deadline)

    async def write(
        self,
        function: Callable[[Transaction, Sequence[Q]], list[A]],
        requests: Sequence[Q],
        deadline: Deadline | None = None,
    ) -> list[A]:
        """In a transaction of its own."""
        assert deadline is None or not deadline.passed, "the caller has gone"
        return self.transact(lambda tx: function(tx, requests))

    async def read(self, function: Callable[[Reader, Sequence[Q]], list[A]], requests: Sequence[Q]) -> list[A]:
        """On a snapshot."""
        return self.database.read(lambda reader: function(reader, requests))

    async def compute(self, work: Callable[[], A]) -> A:
        """In line."""
        return work()

    def transact(self, work: Callable[[Transaction], T]) -> T:
        """The result of `work`, committed; what left with the commit is in the house."""

        def noted(tx: Transaction) -> tuple[T, BaseTransaction]:
            return work(tx), cast(BaseTransaction, tx)

        answer, tx = self.database.write(noted)
        self.house.events.extend(tx.outgoing.events)
        for task in tx.outgoing.tasks:
            self.house.tasks.setdefault((task.task.name, task.key), (self, task))
        return answer


class House:
    """Everything in it happens when a test says so: calls, deliveries, sweeps, tasks."""

    def __init__(self, world: ManualWorld, services: Sequence[Service]) -> None:
        self.world = world
        self.wires = Wires()
        self.events: list[Published] = []
        """What was published and not delivered."""
        self.tasks: dict[tuple[str, str], tuple[Room, Enqueued]] = {}
        self.rooms = {service.name: Room(self, service) for service in services}

    async def call(self, operation: Operation[Q, A], request: Q, deadline: Deadline) -> A:
        """The answer of whoever offers this, unless the wires are cut."""
        match self.wires.fault_of(operation, request):
            case "lost":
                raise ServiceUnavailable(f"{operation} is not reached")
            case "overload":
                raise Overloaded(f"{operation} is overloaded")
            case "silence":
                await asyncio.sleep(deadline.remaining())
                raise DeadlineExceeded(f"{operation} is silent")
            case "reply":
                await self._answer(operation, request, deadline)
                raise DeadlineExceeded(f"the reply of {operation} is lost")
            case _:
                return await self._answer(operation, request, deadline)

    def deliver(self, *, times: int = 1) -> list[str]:
        """Hands every event to whoever listens, in order, `times` times; says which events there were."""
        delivered: list[str] = []
        while self.events:
            published = self.events.pop(0)
            delivered.append(str(published.event))
            for _ in range(times):
                self.tell(published.event, published.payload)
        return delivered

    def tell(self, event: Event[Any], payload: msgspec.Struct) -> None:
        """Hands an event, as it looks on the wire, to whoever listens."""
        heard = msgspec.json.decode(msgspec.json.encode(payload), type=event.payload)
        for room in self.rooms.values():
            for spec in room.service.specs(ListenerSpec):
                if (spec.topic, spec.tag) == (event.topic, event.tag):
                    room.transact(lambda tx, room=room, spec=spec: spec.function(room.service, tx, [heard]))

    def sweep(self, name: str, limit: int = 256) -> int:
        """Runs a service's sweeps once; says how many rows were due."""
        room = self.rooms[name]
        specs = room.service.specs(SweepSpec)
        return sum(room.transact(lambda tx, spec=spec: spec.function(room.service, tx, limit)) for spec in specs)

    async def work(self) -> list[float]:
        """Runs every task once; those that want to run later stay, their seconds are told."""
        pauses: list[float] = []
        for key, (room, enqueued) in list(self.tasks.items()):
            spec = next(one for one in _tasks(room.service) if one.contract == enqueued.task)
            result = TaskResult(enqueued.key, enqueued.payload, await spec.work(room.service, enqueued.payload), 1)
            verdict = room.transact(lambda tx, room=room, spec=spec, result=result: _record(room, spec, tx, result))
            if verdict is None:
                del self.tasks[key]
            else:
                pauses.append(verdict.seconds)
        return pauses

    async def _answer(self, operation: Operation[Q, A], request: Q, deadline: Deadline) -> A:
        room = self.rooms[operation.service]
        for spec in room.service.specs(AsyncOperationSpec):
            if spec.contract == operation:
                return await spec.function(room.service, request, deadline)
        [spec] = [one for one in room.service.specs(OperationSpec) if one.contract == operation]
        await asyncio.sleep(0)  # so that calls made together take turns
        run = room.database.read if spec.reads else room.transact
        [answer] = run(lambda tx: spec.function(room.service, tx, [request]))
        return answer


def _record(room: Room, spec: TaskSpec[Any, Any, Any], tx: Transaction, result: TaskResult[Any, Any]) -> Later | None:
    assert spec.record is not None
    [verdict] = spec.record(room.service, tx, [result])
    return verdict


def _tasks(service: Service) -> list[TaskSpec[Any, Any, Any]]:
    return cast(list[TaskSpec[Any, Any, Any]], service.specs(TaskSpec))
