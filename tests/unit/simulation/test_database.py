"""A service's database in a world: what survives, what fails, and what nobody knows."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from makegood.engine.errors import DatabaseError, DatabaseUnavailable, DuplicateKey
from makegood.simulation.database import FULL, Disk, Poison, SimulatedDatabase, empty
from makegood.simulation.faults import Fault
from makegood.simulation.life import Killed, Life, Moment
from makegood.simulation.world import World
from tests.contract.database.tables import COUNTERS, SCHEMA, Counter
from tests.unit.simulation.laboratory import dying, live, machine, make, seeds_dying, started, sure


class Stored:
    """A world with one disk."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.disk = Disk("contract", empty(SCHEMA))

    def of(self, life: Life) -> SimulatedDatabase:
        """The database as this process has it."""
        return SimulatedDatabase(self.disk, life, self.world)

    def ids(self) -> list[int]:
        """The rows that are there, seen from outside."""
        return self.disk.seen_by(self.world).look(ids)

    def run(self, scenario: Callable[[SimulatedDatabase], Coroutine[Any, Any, None]]) -> None:
        """Runs it as a process's own code."""

        async def starts() -> None:
            await scenario(self.of(Life(machine(self.world), 1, self.world)))

        live(self.world, starts())


def ids(tx: Any) -> list[int]:
    """The ids of all rows."""
    return [row.id for row in tx.page(COUNTERS, limit=100)]


def inserting(number: int) -> Callable[[Any], int]:
    """A transaction that inserts this row and counts it."""

    def work(tx: Any) -> int:
        tx.insert(COUNTERS, [Counter(number, 1)])
        return number

    return work


def change(tx: Any) -> None:
    """A transaction with every verb that changes something."""
    rows = tx.lock(COUNTERS, [1, 2])
    rows[1].count += 1
    tx.update(COUNTERS, [rows[1]])
    tx.delete(COUNTERS, [2])
    tx.insert(COUNTERS, [Counter(3, 3)])


def test_without_faults_it_is_a_database() -> None:
    """What is written is read again, by this process and others."""
    stored = Stored(make())

    async def scenario(database: SimulatedDatabase) -> None:
        assert await database.write(inserting(1)) == 1
        await database.write(inserting(2))
        await database.write(change)
        assert await database.read(ids) == [1, 3]
        assert await database.survey(ids) == [1, 3]
        assert stored.of(Life(machine(stored.world), 2, stored.world)).ids is not database.ids
        database.close()

    stored.run(scenario)
    assert stored.ids() == [1, 3]


def test_disks_are_apart() -> None:
    """Each disk begins empty, whatever was written to another one of the same tables."""
    first, second = Stored(make()), Stored(make())

    async def scenario(database: SimulatedDatabase) -> None:
        await database.write(inserting(1))

    first.run(scenario)
    second.world.loop.close()
    assert (first.ids(), second.ids()) == ([1], [])


def test_what_was_committed_survives() -> None:
    """The next process finds what was committed, and nothing of what the last one still would have done."""
    stored = Stored(make())

    async def scenario() -> None:
        one = machine(stored.world)
        first = await started(one)
        database = stored.of(first)
        await database.write(inserting(1))
        late = first.spawn(database.write(inserting(2)), "late")
        await asyncio.sleep(0)
        first.dies(Moment.VERB)
        for verb in (database.write(inserting(3)), database.read(ids), database.survey(ids)):
            with pytest.raises(Killed):
                await verb
        second = stored.of(await started(one))
        assert await second.read(ids) == [1]
        await second.write(inserting(4))
        assert not late.done()

    live(stored.world, scenario())
    assert stored.ids() == [1, 4]


@pytest.mark.parametrize(
    ("moment", "after"), [(Moment.VERB, []), (Moment.BEFORE_COMMIT, []), (Moment.AFTER_COMMIT, [1])]
)
def test_death_at_a_commit(moment: Moment, after: list[int]) -> None:
    """Who dies before a commit has written nothing of it, who dies after it everything; neither gets an answer."""
    stored = Stored(dying(moment))

    async def scenario(database: SimulatedDatabase) -> None:
        with pytest.raises(Killed):
            await database.write(inserting(1))
        with pytest.raises(Killed):
            await database.write(inserting(2))

    stored.run(scenario)
    assert stored.ids() == after


def test_death_in_a_commit() -> None:
    """Who dies in a commit has written all of it or nothing: both happen."""
    found: list[list[int]] = []
    for seed in seeds_dying(Moment.IN_COMMIT, many=8):
        stored = Stored(make(seed, sure(Fault.DEATH), "death-1"))

        async def scenario(database: SimulatedDatabase) -> None:
            with pytest.raises(Killed):
                await database.write(lambda tx: tx.insert(COUNTERS, [Counter(1, 1), Counter(2, 2)]))

        stored.run(scenario)
        found.append(stored.ids())
    assert sorted(set(map(tuple, found))) == [(), (1, 2)]


def test_death_between_verbs_undoes_what_was_done() -> None:
    """A process that dies at its first statement behind others leaves none of them."""
    stored = Stored(dying(Moment.VERB))
    stored.disk.seen_by(stored.world).transact(lambda tx: tx.insert(COUNTERS, [Counter(1, 1), Counter(2, 2)]))

    async def scenario(database: SimulatedDatabase) -> None:
        with pytest.raises(Killed):
            await database.write(change)

    stored.run(scenario)
    assert stored.ids() == [1, 2]


def test_a_lost_commit_stored_nothing() -> None:
    """A commit that fails leaves nothing, and the process may try again."""
    stored = Stored(make(1, sure(Fault.COMMIT_LOST), "commit_lost-1"))

    async def scenario(database: SimulatedDatabase) -> None:
        with pytest.raises(DatabaseUnavailable):
            await database.write(inserting(1))
        assert stored.ids() == []
        await database.write(inserting(1))

    stored.run(scenario)
    assert stored.ids() == [1]


def test_an_unanswered_commit_took_effect() -> None:
    """Where only the answer is lost the effect is there: who tries again meets it."""
    stored = Stored(make(1, sure(Fault.COMMIT_UNANSWERED), "commit_unanswered-1"))

    async def scenario(database: SimulatedDatabase) -> None:
        with pytest.raises(DatabaseUnavailable):
            await database.write(inserting(1))
        assert stored.ids() == [1]
        with pytest.raises(DuplicateKey):
            await database.write(inserting(1))

    stored.run(scenario)


def test_a_conflict_stored_nothing() -> None:
    """The victim of a deadlock, or of another's insert, has written nothing; both come up."""
    stored, kinds = Stored(make(1, sure(Fault.COMMIT_CONFLICT))), set[type]()

    async def scenario(database: SimulatedDatabase) -> None:
        for number in range(30):
            with pytest.raises(DatabaseError) as raised:
                await database.write(inserting(number))
            kinds.add(raised.type)

    stored.run(scenario)
    assert stored.ids() == []
    assert kinds == {DuplicateKey, DatabaseError}


def test_a_lost_query_is_unavailable() -> None:
    """A query over a lost connection fails, the next one succeeds."""
    stored = Stored(make(1, sure(Fault.READ_LOST), "read_lost-1"))

    async def scenario(database: SimulatedDatabase) -> None:
        with pytest.raises(DatabaseUnavailable):
            await database.read(ids)
        assert await database.survey(ids) == []

    stored.run(scenario)


def test_a_full_disk() -> None:
    """For a while nobody writes to a full disk, everybody reads from it; then all is as before."""
    stored = Stored(make(3, sure(Fault.DISK_FULL), "disk_full-1"))
    stored.disk.seen_by(stored.world).transact(inserting(1))

    async def scenario(database: SimulatedDatabase) -> None:
        other = stored.of(Life(machine(stored.world, name="other"), 1, stored.world))
        for writer in (database, other):
            with pytest.raises(DatabaseUnavailable, match="full"):
                await writer.write(inserting(2))
        assert await database.write(ids) == [1]
        assert await other.read(ids) == [1]
        await asyncio.sleep(FULL)
        await database.write(inserting(2))

    stored.run(scenario)
    assert stored.ids() == [1, 2]


def test_poison() -> None:
    """An injected bug raises what no engine expects, and its transaction leaves nothing."""
    stored = Stored(make(1, sure(Fault.POISON), "poison-1"))

    async def scenario(database: SimulatedDatabase) -> None:
        with pytest.raises(Poison):
            await database.write(inserting(1))
        assert stored.ids() == []
        await database.write(inserting(1))

    stored.run(scenario)
    assert not issubclass(Poison, DatabaseError)


def test_a_bug_of_the_function_leaves_nothing() -> None:
    """What a function raises reaches who called it, and its transaction is undone."""
    stored = Stored(make())

    def fails(tx: Any) -> None:
        tx.insert(COUNTERS, [Counter(1, 1)])
        raise KeyError("a bug")

    async def scenario(database: SimulatedDatabase) -> None:
        with pytest.raises(KeyError):
            await database.write(fails)
        assert await database.read(ids) == []

    stored.run(scenario)


def test_nothing_fails_when_the_faults_are_over() -> None:
    """With every kind of fault sure to happen, nothing happens after their end."""
    stored = Stored(make(1, sure(*Fault)))
    stored.world.faults.stop()

    async def scenario(database: SimulatedDatabase) -> None:
        for number in range(50):
            await database.write(inserting(number))
        assert await database.read(ids) == list(range(50))

    stored.run(scenario)


def test_writes_are_told() -> None:
    """The trace has every row that was committed, and none of what was not."""
    stored = Stored(make(1, sure(Fault.COMMIT_LOST), "commit_lost-2"))

    async def scenario(database: SimulatedDatabase) -> None:
        await database.write(inserting(1))
        with pytest.raises(DatabaseUnavailable):
            await database.write(inserting(2))
        await database.read(ids)

    stored.run(scenario)
    told = [noted.detail for noted in stored.world.trace.kept if noted.what == "writes"]
    assert told == ["contract: + Counter(id=1, count=1)"]
    assert [noted.what for noted in stored.world.trace.kept] == ["commits", "writes", "does not commit"]


def test_a_commit_that_is_refused_is_no_moment() -> None:
    """A process that is to die at a commit does not escape because that transaction fails by itself."""
    stored = Stored(dying(Moment.BEFORE_COMMIT))
    stored.disk.seen_by(stored.world).transact(inserting(1))

    async def scenario(database: SimulatedDatabase) -> None:
        with pytest.raises(DuplicateKey):
            await database.write(inserting(1))
        with pytest.raises(Killed):
            await database.write(inserting(2))

    stored.run(scenario)


def test_a_full_disk_refuses_every_change() -> None:
    """`discard` is a verb like the others: refused by a full disk, told in the trace."""
    stored = Stored(make(3, sure(Fault.DISK_FULL), "disk_full-1"))
    stored.disk.seen_by(stored.world).transact(inserting(1))

    async def scenario(database: SimulatedDatabase) -> None:
        with pytest.raises(DatabaseUnavailable):
            await database.write(lambda tx: tx.discard(COUNTERS, [1]))

    stored.run(scenario)
