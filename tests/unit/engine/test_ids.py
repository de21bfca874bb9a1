"""Ids are unique and only grow, whatever the clock does, over all processes and lives of a service."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makegood.engine.database.ids import EPOCH, PROCESSES, IdSource
from makegood.engine.database.transaction import Transaction
from makegood.engine.errors import DatabaseUnavailable
from makegood.engine.lease import LEASE, RENEW, NumberLease
from makegood.engine.tables import EngineTables, ProcessRow
from tests.support.memory import MemoryDatabase
from tests.support.virtual_time import VirtualWorld, virtual
from tests.support.world import ManualWorld
from tests.unit.engine.tills import Shop, Till


class Clock(ManualWorld):
    """A clock that can be set back."""

    def set_back(self, milliseconds: int) -> None:
        """As an administrator does."""
        self._now -= milliseconds


@settings(deadline=None)
@given(st.lists(st.integers(-5_000, 5_000), max_size=50))
def test_ids_only_grow(steps: list[int]) -> None:
    """Every id is larger than all before it, though the clock jumps to and fro."""
    world = Clock()
    source = IdSource(world)
    ids = [source.first]
    for step in steps:
        if step < 0:
            world.set_back(-step)
        else:
            world.advance(step)
        ids.extend(source.new_id() for _ in range(3))
    assert ids == sorted(set(ids))
    assert all(0 < one < 1 << 63 for one in ids)


def test_more_than_a_millisecond_holds() -> None:
    """Ten thousand ids within a millisecond are still different, and name the time to within three."""
    world = ManualWorld()
    source = IdSource(world)
    ids = [source.new_id() for _ in range(10_000)]
    assert len(set(ids)) == 10_000
    assert [(one >> 22) + EPOCH - world.now() for one in (ids[0], ids[-1])] == [0, 2]


def test_processes_apart() -> None:
    """Two processes never mint the same id, and every id fits a signed 64-bit column until 2089."""
    world = ManualWorld(EPOCH + (1 << 41) - 2)
    first, last = IdSource(world, 0), IdSource(world, PROCESSES - 1)
    ids = [source.new_id() for source in (first, last) for _ in range(1_000)]
    assert len(set(ids)) == 2_000
    assert max(ids) < 1 << 63


def test_no_id_past_the_lease() -> None:
    """When the lease of its number has run out a source mints nothing until it is renewed."""
    world = ManualWorld()
    source = IdSource(world, 1, leased_until=world.now() + 100)
    world.advance(99)
    source.new_id()
    world.advance(1)
    with pytest.raises(DatabaseUnavailable, match="renewed"):
        source.new_id()
    source.leased_until = world.now() + 100
    source.new_id()


TABLES: EngineTables = Till.tables


class Cluster:
    """A service's database, and processes that lease numbers in it."""

    def __init__(self) -> None:
        self.world = ManualWorld()
        self.database = MemoryDatabase(Till.schema, self.world)

    def process(self, *, alone: bool = False) -> NumberLease:
        """A process that starts."""
        return NumberLease(TABLES, self.world, "till", alone=alone)

    def acquire(self, process: NumberLease) -> IdSource:
        """Its number."""
        return self.database.write(lambda tx: process.acquire(tx, [None]))[0]

    def renew(self, process: NumberLease, source: IdSource) -> bool:
        """Whether it still has the number."""
        [end] = self.database.write(lambda tx: process.renew(tx, [source]))
        if end is not None:
            source.leased_until = end
        return end is not None


def test_lowest_free_number() -> None:
    """Each process leases the lowest number that nobody holds; one that was not renewed is free again."""
    cluster = Cluster()
    first, second = cluster.process(), cluster.process()
    sources = [cluster.acquire(first), cluster.acquire(second)]
    cluster.world.advance(LEASE - 1)
    assert cluster.renew(second, sources[1])
    cluster.world.advance(2)
    assert [source.number for source in sources] == [0, 1]
    assert cluster.acquire(cluster.process()).number == 0
    assert cluster.acquire(cluster.process()).number == 2


def test_number_changes_hands() -> None:
    """A number's next holder mints only larger ids than the last one did."""
    cluster = Cluster()
    source = cluster.acquire(cluster.process())
    cluster.world.advance(LEASE - 2)
    last = max(source.new_id() for _ in range(5_000))
    cluster.world.advance(3)
    assert cluster.acquire(cluster.process()).first > last


def test_restart_of_a_process_that_is_alone() -> None:
    """A process that is alone has its number again at once, and its ids begin behind those of its last life."""
    cluster = Cluster()
    ids: list[int] = []
    for _ in range(5):
        source = cluster.acquire(cluster.process(alone=True))
        assert source.number == 0
        ids.extend([source.first, *(source.new_id() for _ in range(20_000))])
        cluster.world.advance(1)
    assert ids == sorted(set(ids))


def test_lost_number() -> None:
    """A process that stood still and lost its number is told so; it must not renew what another holds."""
    cluster = Cluster()
    sleeper, other = cluster.process(), cluster.process()
    lost = cluster.acquire(sleeper)
    cluster.world.advance(LEASE + 1)
    taken = cluster.acquire(other)
    assert taken.number == lost.number
    assert not cluster.renew(sleeper, lost)
    assert cluster.renew(other, taken)
    assert cluster.acquire(sleeper).number == 1


def test_acquired_twice() -> None:
    """A process whose first lease was committed without an answer gets the same number again."""
    cluster = Cluster()
    process = cluster.process()
    assert cluster.acquire(process).number == cluster.acquire(process).number == 0


def test_all_leased() -> None:
    """When every number is leased a process is told to wait."""
    cluster = Cluster()
    rows = [ProcessRow(number, "other", cluster.world.now() + LEASE) for number in range(PROCESSES)]

    def fill(tx: Transaction) -> None:
        tx.insert(TABLES.processes, rows)

    cluster.database.write(fill)
    with pytest.raises(DatabaseUnavailable, match="wait for one"):
        cluster.acquire(cluster.process())


@virtual
async def test_renewal(world: VirtualWorld) -> None:
    """A running service renews its lease; while its database is away it mints nothing, and then goes on."""
    shop = Shop(world)
    await shop.host.start()
    await asyncio.sleep(10 * LEASE / 1000)
    await shop.take(1)
    shop.databases["till"].faults.away = True
    await asyncio.sleep(2 * LEASE / 1000)
    with pytest.raises(DatabaseUnavailable):
        shop.databases["till"].ids.new_id()
    shop.databases["till"].faults.away = False
    await asyncio.sleep(RENEW + 6)
    await shop.take(2)
    assert shop.sums() == [1, 2]
    await shop.host.stop()


@virtual
async def test_number_lost_while_running(world: VirtualWorld) -> None:
    """A service whose number another process has leased goes on under another number."""
    shop = Shop(world)
    await shop.host.start()
    await shop.take(1)

    def steal(tx: Transaction) -> None:
        [row] = tx.lock(TABLES.processes, [0]).values()
        tx.update(TABLES.processes, [ProcessRow(0, "thief", row.leased_until + 3_600_000)])

    await shop.databases["till"].write(steal)
    runtime = shop.host.runtimes["till"]
    await asyncio.sleep(RENEW + 1)
    await shop.take(2)
    assert runtime.database.ids.number == 0
    assert shop.sums() == [1, 2]
    assert [row[1] == "thief" for row in shop.rows("till", "processes")] == [False]
    await shop.host.stop()
