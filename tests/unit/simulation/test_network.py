"""The network between machines: what is lost, doubled, slow or cut off, and how its end is noticed."""

import asyncio
from typing import Any

import pytest

from makegood.engine.contracts import Operation
from makegood.engine.deadline import Deadline
from makegood.engine.errors import DeadlineExceeded, EngineError, Overloaded, ServiceUnavailable
from makegood.simulation.faults import Fault
from makegood.simulation.life import Killed, Life, Moment
from makegood.simulation.network import (
    FROM_PLATFORM,
    INSIDE,
    PARTITION,
    SLOW,
    TO_PLATFORM,
    Link,
    Network,
    RemoteCaller,
    Unreachable,
)
from makegood.simulation.world import World
from tests.unit.simulation.laboratory import live, machine, make, started, sure

WAIT = 5.0
PING = Operation("greeter", "Ping", str, str)


class Node:
    """Greets, and remembers whom and when; takes a while if it is told to."""

    def __init__(self, world: World, takes: float = 0.0) -> None:
        self.heard: list[str] = []
        self.at: list[float] = []
        self._world, self._takes = world, takes

    async def greet(self, name: str) -> str:
        """A greeting."""
        self.heard.append(name)
        self.at.append(self._world.loop.time())
        await asyncio.sleep(self._takes)
        return f"hello {name}"

    async def call(self, operation: Operation[Any, Any], request: Any, deadline: Deadline) -> Any:
        """The same for the engine's callers."""
        assert operation is PING
        assert deadline.remaining() > 0
        return await self.greet(request)


class Line:
    """A world with one machine that greets, and people who call it."""

    def __init__(self, world: World, takes: float = 0.0) -> None:
        self.world = world
        self.network = Network(world)
        self.node = Node(world, takes)
        self.target = machine(world, self._boot, "target", "greeter")

    async def _boot(self, _: Life) -> Node:
        return self.node

    async def ask(self, name: str = "anna", link: Link = INSIDE, asker: Life | None = None) -> str:
        """The greeting for this name."""
        until = self.world.loop.time() + WAIT
        who = name if asker is None else str(asker)
        return await self.network.call(asker, who, self.target, link, "greet", lambda node: node.greet(name), until)

    async def outcomes(self, count: int, link: Link = INSIDE) -> list[str | BaseException]:
        """What so many callers get who ask at the same time."""
        asking = [self.ask(f"caller {number}", link) for number in range(count)]
        return await asyncio.gather(*asking, return_exceptions=True)


def test_without_faults_every_call_is_answered_soon() -> None:
    """What is asked arrives once and is answered in a few milliseconds."""
    line = Line(make())

    async def scenario() -> None:
        await started(line.target)
        began = line.world.loop.time()
        assert await line.outcomes(50) == [f"hello caller {number}" for number in range(50)]
        assert 0.0 < line.world.loop.time() - began < 0.05
        assert len(line.node.heard) == 50

    live(line.world, scenario())


def test_an_error_is_an_answer() -> None:
    """What the called service raises of the engine's errors reaches who asked."""
    line = Line(make())

    async def refuse(_: Any) -> str:
        raise Overloaded("too much")

    async def scenario() -> None:
        await started(line.target)
        with pytest.raises(Overloaded):
            await line.network.call(None, "anna", line.target, INSIDE, "ask", refuse, line.world.loop.time() + WAIT)

    live(line.world, scenario())
    assert line.world.bugs == []


def test_an_unexpected_error_is_a_bug_of_the_world() -> None:
    """What no service may raise is noted as a bug, and who asked waits in vain."""
    line = Line(make())

    async def fail(_: Any) -> str:
        raise KeyError("a bug")

    async def scenario() -> None:
        await started(line.target)
        with pytest.raises(DeadlineExceeded):
            await line.network.call(None, "anna", line.target, INSIDE, "ask", fail, line.world.loop.time() + WAIT)

    live(line.world, scenario())
    assert len(line.world.bugs) == 1
    assert "KeyError" in line.world.bugs[0]


@pytest.mark.parametrize("link", [INSIDE, TO_PLATFORM, FROM_PLATFORM], ids=["inside", "to platform", "from platform"])
def test_a_lost_request_has_no_effect(link: Link) -> None:
    """A call that is lost on its way does nothing, and is given up at its deadline, not before."""
    line = Line(make(1, sure(link.request_lost)))

    async def scenario() -> None:
        await started(line.target)
        began = line.world.loop.time()
        with pytest.raises(DeadlineExceeded):
            await line.ask(link=link)
        assert line.world.loop.time() == began + WAIT
        await asyncio.sleep(60.0)
        assert line.node.heard == []

    live(line.world, scenario())


@pytest.mark.parametrize("link", [INSIDE, TO_PLATFORM, FROM_PLATFORM], ids=["inside", "to platform", "from platform"])
def test_a_lost_answer_has_taken_effect(link: Link) -> None:
    """Where the answer is lost the work is done; some who asked notice it soon, the others at their deadline."""
    line = Line(make(1, sure(link.reply_lost)))

    async def scenario() -> None:
        await started(line.target)
        outcomes = await line.outcomes(40, link)
        assert {type(outcome) for outcome in outcomes} == {Unreachable, DeadlineExceeded}
        assert len(line.node.heard) == 40

    live(line.world, scenario())


@pytest.mark.parametrize("link", [INSIDE, TO_PLATFORM, FROM_PLATFORM], ids=["inside", "to platform", "from platform"])
def test_a_call_that_arrives_twice(link: Link) -> None:
    """Such a call is done twice, often long after the first time, and answered once."""
    line = Line(make(1, sure(link.twice)))

    async def scenario() -> None:
        await started(line.target)
        assert await line.outcomes(20, link) == [f"hello caller {number}" for number in range(20)]
        await asyncio.sleep(link.slowest + 1.0)
        assert sorted(line.node.heard) == sorted(2 * [f"caller {number}" for number in range(20)])
        assert max(line.node.at) - min(line.node.at) > link.slowest / 4

    live(line.world, scenario())


def test_slow_calls_are_overtaken() -> None:
    """Slow calls take up to seconds, each its own time, so that they arrive in another order."""
    line = Line(make(1, sure(Fault.CALL_SLOW)))

    async def scenario() -> None:
        await started(line.target)
        began = line.world.loop.time()
        await line.outcomes(30)
        assert line.node.heard != sorted(line.node.heard, key=lambda name: int(name.split()[1]))
        assert SLOW / 4 < max(line.node.at) - began < SLOW + 0.1

    live(line.world, scenario())


def test_an_answer_behind_its_deadline_is_not_heard() -> None:
    """Who has given up is not disturbed by the answer, which comes later."""
    line = Line(make(), takes=WAIT + 1.0)

    async def scenario() -> None:
        await started(line.target)
        with pytest.raises(DeadlineExceeded):
            await line.ask()
        await asyncio.sleep(10.0)

    live(line.world, scenario())
    assert line.world.bugs == []


def test_a_partition_and_its_end() -> None:
    """Two machines that are cut off from each other do not hear each other for a while; others hear both."""
    line = Line(make(3, sure(Fault.PARTITION), "partition-1"))

    async def fails(name: str) -> bool:
        until = line.world.loop.time() + 0.1
        try:
            await line.network.call(None, name, line.target, INSIDE, "greet", lambda node: node.greet(name), until)
        except (DeadlineExceeded, Unreachable):
            return True
        return False

    async def scenario() -> None:
        await started(line.target)
        began = line.world.loop.time()
        assert await fails("front-1#1")
        assert not await fails("front-2#1")
        assert await fails("front-1#2")
        while await fails("front-1#2"):
            pass
        assert 0.1 < line.world.loop.time() - began < PARTITION + 0.2
        assert not await fails("front-1#2")
        assert "front-1#1" not in line.node.heard

    live(line.world, scenario())


def test_partitions_end_with_the_faults() -> None:
    """When nothing fails any more, everybody reaches everybody at once."""
    line = Line(make(1, sure(Fault.PARTITION)))

    async def scenario() -> None:
        await started(line.target)
        with pytest.raises(DeadlineExceeded):
            await line.ask()
        asking = asyncio.create_task(line.ask())
        await asyncio.sleep(0)
        line.world.faults.stop()
        with pytest.raises(DeadlineExceeded):
            await asking
        assert await line.ask() == "hello anna"

    live(line.world, scenario())


def test_who_does_not_run_refuses() -> None:
    """A machine whose process is away, or has not started yet, refuses at once."""
    line = Line(make())

    async def scenario() -> None:
        life = await started(line.target)
        life.dies(Moment.VERB)
        began = line.world.loop.time()
        with pytest.raises(Unreachable):
            await line.ask()
        assert line.world.loop.time() - began < 0.05
        await started(line.target)
        assert await line.ask() == "hello anna"

    live(line.world, scenario())


def test_a_death_is_noticed_by_some() -> None:
    """Of those who wait for a process that dies some see their connection reset, the others hear nothing."""
    line = Line(make(), takes=1.0)

    async def scenario() -> None:
        life = await started(line.target)
        line.world.loop.call_later(0.5, lambda: life.dies(Moment.VERB))
        outcomes = await line.outcomes(40)
        assert {type(outcome) for outcome in outcomes} == {Unreachable, DeadlineExceeded}
        assert len(line.node.heard) == 40
        assert not line.world.bugs

    live(line.world, scenario())


def test_who_dies_at_work_answers_nothing() -> None:
    """A process that dies in the step in which it finishes does not answer."""
    line = Line(make())

    async def scenario() -> None:
        life = await started(line.target)

        async def work(_: Any) -> str:
            life.dies(Moment.AFTER_COMMIT)
            return "done"

        with pytest.raises((DeadlineExceeded, Unreachable)):
            await line.network.call(None, "anna", line.target, INSIDE, "ask", work, line.world.loop.time() + WAIT)

    live(line.world, scenario())


def test_the_answer_for_the_dead_goes_nowhere() -> None:
    """Who dies while it waits never hears the answer, and asks for nothing any more; the work is done all the same."""
    line, heard = Line(make(), takes=1.0), list[str]()
    other = machine(line.world, name="asker")

    async def scenario() -> None:
        asker = await started(other)
        await started(line.target)

        async def asks() -> None:
            try:
                heard.append(await line.ask("anna", asker=asker))
            finally:
                heard.append("cleaned up")

        asker.spawn(asks(), "asks")
        await asyncio.sleep(0.5)
        asker.dies(Moment.VERB)
        await asyncio.sleep(10.0)
        assert line.node.heard == ["anna"]
        assert heard == []
        with pytest.raises(Killed):
            await line.ask(asker=asker)

    live(line.world, scenario())
    assert line.world.bugs == []


def test_work_belongs_to_who_is_asked() -> None:
    """A call runs as the called process: when that dies, the rest of it never runs."""
    line = Line(make())
    done: list[str] = []

    async def work(_: Node) -> str:
        await asyncio.sleep(1.0)
        done.append("done")
        return "done"

    async def scenario() -> None:
        life = await started(line.target)
        line.world.loop.call_later(0.5, lambda: life.dies(Moment.VERB))
        with pytest.raises((DeadlineExceeded, Unreachable)):
            await line.network.call(None, "anna", line.target, INSIDE, "ask", work, line.world.loop.time() + WAIT)

    live(line.world, scenario())
    assert done == []


def test_a_remote_caller_asks_who_offers_the_service() -> None:
    """Of many machines only those that offer the service are asked, all of them now and then."""
    line = Line(make())
    second = machine(line.world, nothing_but(line.node), "second", "greeter")
    stranger = machine(line.world, name="stranger")

    async def scenario() -> None:
        for one in (line.target, second, stranger):
            await started(one)
        caller = RemoteCaller(line.network, None, "anna", [stranger, line.target, second], line.world)
        for _ in range(20):
            assert await caller.call(PING, "anna", Deadline.after(WAIT)) == "hello anna"

    live(line.world, scenario())
    asked = {noted.who for noted in line.world.trace.kept if noted.what == "is asked"}
    assert asked == {"target#1", "second#1"}


def test_a_remote_caller_speaks_as_the_engine_does() -> None:
    """Who offers a service but does not run is unavailable; what is lost is given up at the deadline."""
    line = Line(make(1, sure(Fault.REQUEST_LOST), "request_lost-1"))

    async def scenario() -> None:
        await started(line.target)
        caller = RemoteCaller(line.network, None, "anna", [line.target], line.world)
        with pytest.raises(DeadlineExceeded):
            await caller.call(PING, "anna", Deadline.after(WAIT))
        assert await caller.call(PING, "anna", Deadline.after(WAIT)) == "hello anna"
        assert line.target.life is not None
        line.target.life.dies(Moment.VERB)
        with pytest.raises(ServiceUnavailable):
            await caller.call(PING, "anna", Deadline.after(WAIT))

    live(line.world, scenario())
    assert not issubclass(Unreachable, EngineError)


def nothing_but(node: Node) -> Any:
    """Boots a machine with this node."""

    async def boot(_: Life) -> Node:
        return node

    return boot


def test_both_ends_are_machines_in_the_trace() -> None:
    """The trace says who asked whom, and who was answered, so that a story can be told of it."""
    line = Line(make())

    async def scenario() -> None:
        await started(line.target)
        await line.ask()

    live(line.world, scenario())
    noted = [f"{one.who} {one.what}" for one in line.world.trace.kept]
    assert noted[-4:] == ["anna asks target", "target#1 is asked", "anna is answered", "anna hears"]
