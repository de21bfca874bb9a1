"""The host end to end: calls, events, tasks and restarts of two services, in virtual time."""

import asyncio
from collections.abc import Sequence

import pytest

from makegood.engine.broker.embedded import EmbeddedBroker
from makegood.engine.database.sqlite import SqliteDatabase
from makegood.engine.database.table import Schema
from makegood.engine.database.transaction import Transaction
from makegood.engine.deadline import Deadline
from makegood.engine.errors import DatabaseUnavailable, DeadlineExceeded, OperationFailed, ServiceUnavailable
from makegood.engine.executor import InlineExecutor
from makegood.engine.host import Host
from makegood.engine.service import Service, listener, operation, periodic, sweep
from tests.support.virtual_time import VirtualWorld, virtual
from tests.unit.engine.tills import COUNT, TAKE, TAKE_SLOWLY, TOOK, Shop, Take, Taken, Till, disk


@virtual
async def test_event_reaches_listener(world: VirtualWorld) -> None:
    """What is published right after the very first start reaches a group that never listened before."""
    shop = Shop(world)
    await shop.host.start()
    answers = await shop.take(1, 2, 3)
    assert [answer.number for answer in answers if isinstance(answer, Taken)] == [1, 2, 3]
    await shop.until(lambda: shop.entries() == [1, 2, 3], seconds=0.5)
    await shop.host.stop()


@virtual
async def test_repeat_is_answered_the_same(world: VirtualWorld) -> None:
    """A repeated call gets the first answer, and no second event."""
    shop = Shop(world)
    await shop.host.start()
    [first] = await shop.take(1)
    assert await shop.take(1, 1) == [first, first]
    await asyncio.sleep(5)
    assert shop.entries() == [1]
    await shop.host.stop()


@virtual
async def test_clean_stop_leaves_nothing(world: VirtualWorld) -> None:
    """After a clean stop no message, no outbox row and no task waits, and the next life sends nothing again."""
    shop = Shop(world)
    await shop.host.start()
    await shop.take(*range(50), printed=True)
    await shop.host.stop()
    assert shop.rows("till", "outbox") == []
    published = len(shop.broker.published)
    shop.made()
    await shop.host.start()
    await shop.until(lambda: shop.entries() == list(range(50)) and shop.prints() == list(range(50)))
    await asyncio.sleep(100)
    assert (published, shop.broker.published) == (1, [])
    await shop.host.stop()


@virtual
async def test_stop_sends_what_waits(world: VirtualWorld) -> None:
    """A stop sends the messages of the last calls, though the broker is slow, and deletes their rows."""
    shop = Shop(world)
    await shop.host.start()
    shop.broker.delay = 0.5
    for number in range(3):
        await shop.take(number)
    await shop.host.stop()
    assert len(shop.broker.published) == 3
    assert shop.rows("till", "outbox") == []


@virtual
async def test_accepted_call_is_finished(world: VirtualWorld) -> None:
    """A call that was accepted before the stop gets its answer; one that comes after it is refused unrun."""
    shop = Shop(world)
    await shop.host.start()
    slow = asyncio.create_task(shop.host.call(TAKE_SLOWLY, Take(1), Deadline.after(10)))
    await asyncio.sleep(0.5)
    stopping = asyncio.create_task(shop.host.stop())
    await asyncio.sleep(0)
    with pytest.raises(ServiceUnavailable, match="stopping"):
        await shop.host.call(TAKE, Take(2), Deadline.after(10))
    assert (await slow).number == 1
    await stopping
    assert shop.sums() == [1]


@virtual
async def test_stop_gives_up_waiting(world: VirtualWorld) -> None:
    """Stopping ends within its limit though a call, or the broker, does not."""
    shop = Shop(world)
    await shop.host.start()
    shop.databases["till"].delay = 1_000
    stuck = asyncio.create_task(shop.take(1, seconds=5_000))
    await asyncio.sleep(1)
    began = asyncio.get_running_loop().time()
    await shop.host.stop()
    assert asyncio.get_running_loop().time() - began <= 25
    stuck.cancel()


@virtual
async def test_messages_wait_for_the_broker(world: VirtualWorld) -> None:
    """Without a broker the host starts, takes calls and stops; its messages leave in a later life, once."""
    shop = Shop(world)
    shop.broker.faults.away = True
    await shop.host.start()
    await shop.take(1, 2)
    await shop.host.stop()
    shop.made()
    await shop.host.start()
    await shop.take(3)
    await shop.until(lambda: shop.entries() == [1, 2, 3], seconds=5)
    await shop.host.stop()


@virtual
async def test_broker_comes_late(world: VirtualWorld) -> None:
    """A broker that comes late gets what happened before, and so do the listeners."""
    shop = Shop(world)
    shop.broker.faults.away = True
    await shop.host.start()
    await shop.take(1)
    await asyncio.sleep(100)
    shop.broker.faults.away = False
    await shop.until(lambda: shop.entries() == [1], seconds=15)
    await shop.host.stop()


@virtual
async def test_groups_are_declared_late(world: VirtualWorld) -> None:
    """Nothing is published before the broker has heard of every group, though it takes messages already."""
    shop = Shop(world)
    shop.broker.closed = True
    await shop.host.start()
    await shop.take(1)
    await asyncio.sleep(100)
    assert shop.broker.published == []
    shop.broker.closed = False
    await shop.until(lambda: shop.entries() == [1], seconds=15)
    await shop.host.stop()


@virtual
async def test_failed_start_closes(world: VirtualWorld) -> None:
    """A host that cannot open a database says so, and lets go of the broker."""
    shop = Shop(world)
    shop.databases["books"].faults.away = True
    with pytest.raises(DatabaseUnavailable):
        await shop.host.start()
    shop.made()
    await shop.host.start()
    assert [answer.number for answer in await shop.take(1) if isinstance(answer, Taken)] == [1]
    await shop.host.stop()


@virtual
async def test_deadline(world: VirtualWorld) -> None:
    """A call is given up at its deadline; one whose deadline has passed is not run at all."""
    shop = Shop(world)
    await shop.host.start()
    with pytest.raises(DeadlineExceeded, match="may have"):
        await shop.host.call(TAKE_SLOWLY, Take(1), Deadline.after(0.5))
    with pytest.raises(DeadlineExceeded, match="not run"):
        await shop.host.call(TAKE, Take(2), Deadline.after(0))
    await asyncio.sleep(5)
    assert shop.sums() == []
    await shop.host.stop()


@virtual
async def test_bug_in_async_operation(world: VirtualWorld) -> None:
    """Whatever an async operation lets out, its caller sees OperationFailed, as over a network."""
    shop = Shop(world)
    await shop.host.start()
    shop.till.poison = (1,)
    with pytest.raises(OperationFailed, match="KeyError"):
        await shop.host.call(TAKE_SLOWLY, Take(1), Deadline.after(5))
    await shop.host.stop()


@virtual
async def test_query(world: VirtualWorld) -> None:
    """A query sees every commit that was answered before."""
    shop = Shop(world)
    await shop.host.start()
    await shop.take(1, 2, 3)
    assert (await shop.host.call(COUNT, Take(2), Deadline.after(5))).number == 2
    await shop.host.stop()


@virtual
async def test_unknown_operation(world: VirtualWorld) -> None:
    """Nobody answers an operation that no service here has."""
    host = host_of(world)
    await host.start()
    with pytest.raises(ServiceUnavailable, match=r"till\.Take"):
        await host.call(TAKE, Take(1), Deadline.after(5))
    await host.stop()


class Clockwork(Service):
    """Runs by the clock alone."""

    name = "clockwork"
    schema = Schema("clockwork")

    def __init__(self) -> None:
        self.sweeps: list[float] = []
        self.ticks: list[float] = []
        self.endless = False

    @sweep(every=10.0, limit=5)
    def tidy(self, _tx: Transaction, limit: int) -> int:
        """Full for twice; or always, when endless."""
        self.sweeps.append(asyncio.get_running_loop().time())
        return limit if self.endless or len(self.sweeps) <= 2 else 0

    @periodic(every=30.0)
    async def tick(self) -> None:
        """Fails at first."""
        self.ticks.append(asyncio.get_running_loop().time())
        if len(self.ticks) == 1:
            raise KeyError("a bug")


def host_of(world: VirtualWorld, *services: Service) -> Host:
    """A host of these services, on fresh disks."""
    return Host(
        services,
        database=lambda service: SqliteDatabase.in_memory(world, InlineExecutor(), disk(service.schema)),
        broker=EmbeddedBroker.open(None, world, InlineExecutor()),
        world=world,
        compute=InlineExecutor(),
        alone=True,
    )


@virtual
async def test_sweep(world: VirtualWorld) -> None:
    """A sweep runs again at once after a full run, else after its interval."""
    clockwork = Clockwork()
    host = host_of(world, clockwork)
    await host.start()
    await asyncio.sleep(25)
    assert [round(at) for at in clockwork.sweeps] == [0, 0, 0, 10, 20]
    await host.stop()


@virtual
async def test_endless_sweep(world: VirtualWorld) -> None:
    """A sweep that is full for ever does not keep the process from anything else."""
    clockwork = Clockwork()
    clockwork.endless = True
    host = host_of(world, clockwork)
    await host.start()
    await asyncio.sleep(25)
    assert len(clockwork.sweeps) == 300
    await host.stop()


@virtual
async def test_periodic_survives_its_bug(world: VirtualWorld) -> None:
    """A periodic function that raised runs again at its next time."""
    clockwork = Clockwork()
    host = host_of(world, clockwork)
    await host.start()
    await asyncio.sleep(65)
    assert [round(at) for at in clockwork.ticks] == [0, 30, 60]
    await host.stop()


class Greedy(Service):
    """Two listeners, one group, the same events."""

    name = "greedy"
    schema = Schema("greedy")

    @listener(TOOK)
    def one(self, _tx: Transaction, _events: Sequence[Taken]) -> None:
        """Hears."""

    @listener("till", payload=bytes)
    def all(self, _tx: Transaction, _events: Sequence[bytes]) -> None:
        """Hears too."""


class Foreign(Service):
    """Listens in a group that is not its own."""

    name = "foreign"
    schema = Schema("foreign")

    @listener("news", "books", payload=str)
    def hear(self, _tx: Transaction, _news: Sequence[str]) -> None:
        """Hears."""


class Nowhere(Service):
    """Listens to a topic that no broker has."""

    name = "nowhere"
    schema = Schema("nowhere")

    @listener("all the news", payload=str)
    def hear(self, _tx: Transaction, _news: Sequence[str]) -> None:
        """Hears."""


class Twice(Service):
    """Answers one operation twice."""

    name = "twice"
    schema = Schema("twice")

    @operation(TAKE)
    def one(self, _tx: Transaction, requests: Sequence[Take]) -> list[Taken]:
        """Answers."""
        return [Taken(request.number) for request in requests]

    @operation(TAKE)
    def two(self, _tx: Transaction, requests: Sequence[Take]) -> list[Taken]:
        """Answers too."""
        return self.one(_tx, requests)


@virtual
async def test_refuses_services_that_disturb_each_other(world: VirtualWorld) -> None:
    """Two listeners of one event in one group, a shared group, a shared name and a bad topic are refused at once."""
    shop = Shop(world)
    with pytest.raises(ValueError, match="only one of them would get it"):
        host_of(world, Greedy())
    with pytest.raises(ValueError, match="share the group 'books'"):
        host_of(world, shop.books, Foreign())
    with pytest.raises(ValueError, match="two services are named 'till'"):
        host_of(world, Till(), Till())
    with pytest.raises(ValueError, match="topic"):
        host_of(world, Nowhere())


@virtual
async def test_refuses_two_functions_for_one_operation(world: VirtualWorld) -> None:
    """An operation that two functions answer stops the start."""
    with pytest.raises(ValueError, match="answered already"):
        await host_of(world, Twice()).start()
