"""The network between the machines: everything takes its time, and some of it is lost, doubled or cut off.

A call runs in the life of the machine that is called. What is lost is only noticed by its deadline; a connection to a
process that has died is noticed sooner, now and then.
"""

import asyncio
from collections.abc import Callable, Coroutine
from itertools import count
from typing import Any, NamedTuple, TypeVar
from urllib.parse import unquote_plus

from makegood.engine.deadline import Deadline
from makegood.engine.errors import DeadlineExceeded, EngineError, ServiceUnavailable
from makegood.simulation.faults import Fault
from makegood.simulation.life import Life, Machine
from makegood.simulation.world import World

T = TypeVar("T")
Work = Callable[[Any], Coroutine[Any, Any, T]]
"""What the called machine's node is to do."""

MEAN = 0.001
"""Mean seconds on the way of one message."""
SLOW = 10.0
"""Seconds that a slow one takes at most."""
PARTITION = 6.0
"""Seconds for which two machines do not reach each other at most."""
RESET = 0.5
"""How often the death of the called process is noticed at once, as a connection that is reset."""


class Link(NamedTuple):
    """What can happen on the way between two kinds of machines."""

    slow: Fault
    request_lost: Fault
    reply_lost: Fault
    twice: Fault
    slowest: float = SLOW


INSIDE = Link(Fault.CALL_SLOW, Fault.REQUEST_LOST, Fault.REPLY_LOST, Fault.CALL_TWICE)
"""Between the shop's own machines, and from its buyers to it."""
TO_PLATFORM = Link(Fault.PLATFORM_SLOW, Fault.PLATFORM_DEAF, Fault.PLATFORM_MUTE, Fault.PLATFORM_TWICE, 8.0)
FROM_PLATFORM = Link(Fault.NOTICE_LATE, Fault.NOTICE_LOST, Fault.NOTICE_UNANSWERED, Fault.NOTICE_TWICE, 40.0)


class Unreachable(Exception):
    """The connection is refused or reset; what was asked may have taken effect."""


class _Call:
    """One call under way; whoever asks waits for `answer`."""

    def __init__(self, asker: str, what: str, target: Machine, link: Link, answer: "asyncio.Future[Any]") -> None:
        self.asker = asker
        self.what = what
        self.target = target
        self.link = link
        self.answer = answer


class Network:
    """Carries calls."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._cut: dict[frozenset[str], float] = {}
        self._numbers = count(1)

    async def call(
        self,
        asker: Life | None,
        name: str,
        target: Machine,
        link: Link,
        what: str,
        work: Work[T],
        until: float,
        request: object = "",
    ) -> T:
        """What `target` answers. Raises Unreachable, DeadlineExceeded at loop time `until`, and what the work raises.

        `asker` is None for people, who are called `name` and never die. `request` is what the work is about, in words.
        """
        if asker is not None:
            asker.check()
        call = _Call(name, f"{what} {next(self._numbers)}", target, link, self._world.loop.create_future())
        trace = self._world.trace
        trace.tell(name, f"asks {target.name}", lambda: f"{call.what} {_words(request)}")
        timer = self._world.later(max(0.0, until - self._world.loop.time()), _expire, call)
        self._send(call, work)
        if self._world.faults.happens(link.twice, f"{name}: {what}"):
            late = link.slowest * self._world.faults.size(link.twice) ** 2
            self._world.later(self._delay(call) + late, self._arrive, call, work)
        try:
            answer = await call.answer
        except Exception as error:
            trace.tell(name, "hears no answer", lambda error=error: f"{call.what} {error!r}")
            raise
        finally:
            timer.cancel()
        trace.tell(name, "hears", lambda: f"{call.what} {_words(answer)}")
        return answer

    def _send(self, call: _Call, work: Work[Any]) -> None:
        where = f"{call.asker} to {call.target.name}: {call.what}"
        if not self._reach(call) or self._world.faults.happens(call.link.request_lost, where):
            self._world.trace.note(call.asker, "asks in vain", where)
            return
        self._world.later(self._delay(call), self._arrive, call, work)

    def _arrive(self, call: _Call, work: Work[Any]) -> None:
        life, node = call.target.life, call.target.node
        if life is None or node is None:
            self._world.later(self._delay(call), _refuse, call)
            return
        self._world.trace.note(str(life), "is asked", f"{call.what} by {call.asker}")
        life.on_death(lambda: self._reset(call))
        life.spawn(self._serve(call, life, node, work), call.what)

    async def _serve(self, call: _Call, life: Life, node: Any, work: Work[Any]) -> None:
        try:
            answer, error = await work(node), None
        except EngineError as failure:
            answer, error = None, failure
        except Exception as bug:
            self._world.bug(f"{call.what} of {life}", bug)
            return
        if life.alive:
            self._reply(call, answer, error)

    def _reply(self, call: _Call, answer: object, error: Exception | None) -> None:
        where = f"{call.target.name} to {call.asker}: {call.what}"
        if not self._reach(call) or self._world.faults.happens(call.link.reply_lost, where):
            self._world.trace.note(call.target.name, "answers in vain", where)
            self._reset(call)
            return
        self._world.later(self._delay(call), self._answered, call, answer, error)

    def _answered(self, call: _Call, answer: object, error: Exception | None) -> None:
        if call.answer.done():
            return
        self._world.trace.note(call.asker, "is answered", f"{call.what} {type(error or answer).__name__}")
        if error is None:
            call.answer.set_result(answer)
        else:
            call.answer.set_exception(error)

    def _reset(self, call: _Call) -> None:
        if not call.answer.done() and self._world.chance.random() < RESET:
            self._world.later(self._delay(call), _refuse, call)

    def _delay(self, call: _Call) -> float:
        delay = self._world.chance.expovariate(1 / MEAN)
        if self._world.faults.happens(call.link.slow, call.what):
            delay += call.link.slowest * self._world.faults.size(call.link.slow) ** 2
        return delay

    def _reach(self, call: _Call) -> bool:
        if call.link is not INSIDE:
            return True
        now, ends = self._world.loop.time(), frozenset((call.asker.partition("#")[0], call.target.name))
        if self._world.faults.happens(Fault.PARTITION, " and ".join(sorted(ends))):
            self._cut[ends] = now + PARTITION * self._world.faults.size(Fault.PARTITION)
        return self._world.faults.over or self._cut.get(ends, 0.0) <= now


def _words(thing: object) -> str:
    if isinstance(thing, bytes):
        return unquote_plus(thing.decode(errors="replace"))  # forms, mostly
    return thing if isinstance(thing, str) else repr(thing)


def _expire(call: _Call) -> None:
    if not call.answer.done():
        call.answer.set_exception(DeadlineExceeded(f"{call.what}: no answer in time"))


def _refuse(call: _Call) -> None:
    if not call.answer.done():
        call.answer.set_exception(Unreachable(f"{call.target.name} is not reached: {call.what}"))


class RemoteCaller:
    """Implements the engine's `Caller` over the network."""

    def __init__(self, network: Network, life: Life | None, name: str, machines: list[Machine], world: World) -> None:
        self._network, self._life, self._name = network, life, name
        self._machines = machines
        self._world = world

    async def call(self, operation: Any, request: Any, deadline: Any) -> Any:
        """The answer of one of the machines that offer the service."""
        offering = [machine for machine in self._machines if operation.service in machine.offers]
        target = offering[int(self._world.chance.random() * len(offering))]

        left = deadline.remaining()

        async def work(node: Any) -> Any:
            return await node.call(operation, request, Deadline.after(left))  # what remains crosses, not the moment

        what = str(operation)
        try:
            return await self._network.call(self._life, self._name, target, INSIDE, what, work, deadline.at, request)
        except Unreachable as error:
            raise ServiceUnavailable(str(error)) from error
