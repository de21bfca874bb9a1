"""Durable work outside: leased, done, recorded, retried, given up, and never lost."""

import asyncio
from collections.abc import Sequence

import msgspec
import pytest

from makegood.engine.contracts import Task
from makegood.engine.database.transaction import Transaction
from makegood.engine.dead_letters import DeadLetters
from makegood.engine.errors import OperationFailed
from makegood.engine.service import Later
from makegood.engine.tables import TaskRow
from makegood.engine.tasks import ATTEMPTS, CONCURRENCY, LEASE, NEVER_ENDED
from tests.support.faulty import Fault
from tests.support.virtual_time import VirtualWorld, virtual
from tests.unit.engine.tills import PRINT, Shop, Take, Till


class Printer:
    """Somebody outside; it refuses as often as told, and then prints."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.asked: list[int] = []

    def __call__(self, number: int) -> None:
        """Prints a number."""
        self.asked.append(number)
        if len(self.asked) <= self.failures:
            raise ConnectionError("out of paper")


async def started(world: VirtualWorld, printer: Printer) -> Shop:
    """A shop that runs, with this printer."""
    shop = Shop(world)
    shop.till.printer = printer
    await shop.host.start()
    return shop


def task_rows(shop: Shop) -> list[TaskRow]:
    """The tasks that are there."""
    return [TaskRow(*row) for row in shop.rows("till", "tasks")]  # type: ignore[arg-type]


@virtual
async def test_done(world: VirtualWorld) -> None:
    """A task runs soon after the commit that asked for it, is recorded in the commit that ends it, and is gone."""
    printer = Printer()
    shop = await started(world, printer)
    await shop.take(1, 2, 3, printed=True)
    await shop.until(lambda: shop.prints() == [1, 2, 3], seconds=0.1)
    assert (sorted(printer.asked), task_rows(shop)) == ([1, 2, 3], [])
    await shop.host.stop()


@virtual
async def test_wakes_at_once(world: VirtualWorld) -> None:
    """A task that is asked for while the workers look for others does not wait for their next look."""
    shop = await started(world, Printer())
    for number in range(50):
        await asyncio.sleep(0.021)
        began = asyncio.get_running_loop().time()
        await shop.take(number, printed=True)
        await shop.until(lambda number=number: number in shop.prints(), seconds=5)
        assert asyncio.get_running_loop().time() - began < 0.2
    await shop.host.stop()


@virtual
async def test_retries(world: VirtualWorld) -> None:
    """Work that fails is tried again with growing pauses, and its attempts are counted."""
    printer = Printer(failures=4)
    shop = await started(world, printer)
    await shop.take(1, printed=True)
    await shop.until(lambda: len(printer.asked) == 3)
    await asyncio.sleep(0.1)
    [row] = task_rows(shop)
    assert (row.attempt, row.error, row.leased_by) == (3, "ConnectionError: out of paper", None)
    await shop.until(lambda: shop.prints() == [1])
    assert shop.rows("till", "prints") == [(1, 5)]
    assert 10 < asyncio.get_running_loop().time() < 60
    await shop.host.stop()


@virtual
async def test_given_up_and_revived(world: VirtualWorld) -> None:
    """After the last attempt a task waits among the dead letters; replayed, it runs from its first attempt."""
    printer = Printer(failures=ATTEMPTS)
    shop = await started(world, printer)
    await shop.take(1, printed=True)
    await shop.until(lambda: len(printer.asked) == ATTEMPTS, step=5.0, seconds=20_000)
    await asyncio.sleep(800)
    letters = DeadLetters(shop.host.runtimes)
    [letter] = await letters.page(None, 10)
    assert (letter.topic, letter.key, letter.tries, letter.next_at) == ("print", "1", ATTEMPTS, None)
    assert len(printer.asked) == ATTEMPTS
    assert await letters.replay_all([letter.id]) == [True]
    await shop.until(lambda: shop.rows("till", "prints") == [(1, 1)], seconds=5)
    assert await letters.page(None, 10) == []
    await shop.host.stop()


@virtual
async def test_later(world: VirtualWorld) -> None:
    """Work that is not done yet runs again when it says, as often as it likes, and that is no failed attempt."""
    printer = Printer()
    shop = await started(world, printer)
    shop.till.verdict = Later(10.0)
    await shop.take(1, printed=True)
    await asyncio.sleep(10 * (ATTEMPTS + 4) + 5)
    assert ATTEMPTS + 2 <= len(printer.asked) <= ATTEMPTS + 5
    shop.till.verdict = None
    await shop.until(lambda: shop.rows("till", "prints") == [(1, 1)], seconds=12)
    await shop.host.stop()


@virtual
async def test_hanging_work_is_stopped(world: VirtualWorld) -> None:
    """Work that takes longer than its lease allows is stopped and counts as failed; its neighbours go on."""
    printer = Printer()
    shop = await started(world, printer)
    shop.till.print_seconds = 10_000
    await shop.take(1, printed=True)
    await asyncio.sleep(1)
    shop.till.print_seconds = 0
    await shop.take(2, printed=True)
    await shop.until(lambda: shop.prints() == [2], seconds=1)
    await shop.until(lambda: shop.prints() == [1, 2], seconds=LEASE + 5)
    assert shop.rows("till", "prints")[0] == (1, 2)
    await shop.host.stop()


@virtual
async def test_unrecordable_outcome(world: VirtualWorld) -> None:
    """An outcome that cannot be recorded fails its task alone, and says why."""
    printer = Printer()
    shop = await started(world, printer)
    await shop.databases["till"].write(lambda tx: tx.insert(Till.schema.tables["prints"], [_print(2)]))
    await shop.take(1, 2, 3, printed=True)
    await shop.until(lambda: shop.prints() == [1, 2, 3], seconds=5)
    await asyncio.sleep(5)
    [row] = task_rows(shop)
    assert row.task_key == "2"
    assert "its outcome cannot be recorded" in row.error
    await shop.host.stop()


def _print(number: int) -> object:
    return Till.schema.tables["prints"].row(number, 0)


@virtual
async def test_lost_answers(world: VirtualWorld) -> None:
    """A lease and an end whose commits were not answered lose no task and record nothing twice."""
    shop = await started(world, Printer())
    for at in range(6):
        shop.databases["till"].faults.coming.extend([Fault.NONE] * at + [Fault.UNANSWERED])
        await shop.take(at, printed=True)
        await shop.until(lambda at=at: at in shop.prints(), seconds=3)
        shop.databases["till"].faults.coming.clear()
    assert shop.prints() == list(range(6))
    await shop.host.stop()


@virtual
async def test_death_while_working(world: VirtualWorld) -> None:
    """What a dead process was doing runs again at its next start, without waiting for the lease."""
    shop = await started(world, Printer())
    shop.till.print_seconds = 5
    await shop.take(1, 2, printed=True)
    await asyncio.sleep(1)
    shop.die()
    shop.made()
    await shop.host.start()
    await shop.until(lambda: shop.prints() == [1, 2], seconds=1)
    assert shop.rows("till", "prints") == [(1, 2), (2, 2)]
    await shop.host.stop()


@virtual
async def test_work_that_kills_its_process(world: VirtualWorld) -> None:
    """A task during which the process always dies is given up like any other, and keeps no others waiting."""
    shop = Shop(world)
    for _ in range(ATTEMPTS):
        shop.till.print_seconds = 5
        await shop.host.start()
        await shop.take(1, printed=True)
        await asyncio.sleep(1)
        shop.die()
        shop.made()
    await shop.host.start()
    await shop.take(2, printed=True)
    await shop.until(lambda: shop.prints() == [2], seconds=3)
    [row] = task_rows(shop)
    assert (row.task_key, row.state, row.error) == ("1", "GIVEN_UP", NEVER_ENDED)
    await shop.host.stop()


@virtual
async def test_stop_waits_for_work(world: VirtualWorld) -> None:
    """A stop lets running work end and be recorded, but does not wait long for it."""
    shop = await started(world, Printer())
    shop.till.print_seconds = 2
    await shop.take(1, printed=True)
    await asyncio.sleep(0.5)
    await shop.host.stop()
    assert shop.prints() == [1]
    shop.made()
    await shop.host.start()
    shop.till.print_seconds = 40
    await shop.take(2, printed=True)
    await asyncio.sleep(0.5)
    began = asyncio.get_running_loop().time()
    await shop.host.stop()
    assert asyncio.get_running_loop().time() - began < 8
    assert [row.task_key for row in task_rows(shop)] == ["2"]


async def enqueue(shop: Shop, key: str, *, delay: float = 0.0, task: Task[Take] = PRINT) -> None:
    """Asks for a task."""

    def ask(tx: Transaction, keys: Sequence[str]) -> list[None]:
        for one in keys:
            tx.enqueue(task, one, Take(int(key[:5])), delay=delay)
        return [None for _ in keys]

    await shop.host.runtimes["till"].execution.run_one(ask, key)


@virtual
async def test_asked_for_twice(world: VirtualWorld) -> None:
    """A task is there once for each key; asked for again while it waits, it runs when the last asker said."""
    printer = Printer()
    shop = await started(world, printer)
    await enqueue(shop, "1", delay=100)
    await enqueue(shop, "1", delay=50)
    await asyncio.sleep(45)
    assert printer.asked == []
    await asyncio.sleep(10)
    assert printer.asked == [1]
    await asyncio.sleep(100)
    assert printer.asked == [1]
    await shop.host.stop()


@virtual
async def test_asked_for_while_running(world: VirtualWorld) -> None:
    """A task that is asked for while it runs runs once more, for it may have looked before that commit."""
    printer = Printer()
    shop = await started(world, printer)
    shop.till.verdict = None
    shop.till.print_seconds = 2
    await enqueue(shop, "1")
    await asyncio.sleep(1)
    await enqueue(shop, "1")
    await enqueue(shop, "1")
    shop.till.verdict = Later(500)
    await asyncio.sleep(10)
    assert printer.asked == [1, 1]
    await asyncio.sleep(480)
    assert printer.asked == [1, 1]
    await shop.host.stop()


@virtual
async def test_given_up_task_is_asked_for(world: VirtualWorld) -> None:
    """Asking for a task that was given up revives it."""
    shop = await started(world, Printer())
    row = TaskRow("print", "1", "GIVEN_UP", b'{"number":1}', ATTEMPTS, 0, None, None, "out of paper")
    await shop.databases["till"].write(lambda tx: tx.insert(Till.tables.tasks, [row]))
    await enqueue(shop, "1")
    await shop.until(lambda: shop.prints() == [1], seconds=1)
    await shop.host.stop()


@virtual
async def test_bad_requests_for_work(world: VirtualWorld) -> None:
    """Work that the service has not, or a key that no database takes, is refused with the request that asks."""
    shop = await started(world, Printer())
    with pytest.raises(OperationFailed, match="has no @task 'paint'"):
        await enqueue(shop, "1", task=Task("paint", Take))
    with pytest.raises(OperationFailed, match="at most 64 and 128"):
        await enqueue(shop, "1" * 129)
    assert task_rows(shop) == []
    await shop.host.stop()


@virtual
async def test_task_of_another_version(world: VirtualWorld) -> None:
    """A task that this version does not know, or cannot decode, fails visibly and keeps no others waiting."""
    shop = await started(world, Printer())
    row = TaskRow("paint", "1", "WAITING", b"{}", 0, 0, 0, None, "")
    rows = [msgspec.structs.replace(row, task_key=str(number)) for number in range(CONCURRENCY)]
    rows.append(msgspec.structs.replace(row, kind="print", payload=b'{"number":"x"}'))
    await shop.databases["till"].write(lambda tx: tx.insert(Till.tables.tasks, rows))
    await shop.take(7, printed=True)
    await shop.until(lambda: shop.prints() == [7], seconds=5)
    await asyncio.sleep(3)
    left = task_rows(shop)
    assert len(left) == CONCURRENCY + 1
    assert {row.error[:10] for row in left} == {"KeyError: ", "Validation"}
    await shop.host.stop()


@virtual
async def test_no_more_at_once_than_allowed(world: VirtualWorld) -> None:
    """However many tasks are due, only so many run at once, and all of them in the end."""
    printer = Printer()
    shop = await started(world, printer)
    shop.till.print_seconds = 1
    await shop.take(*range(200), printed=True)
    await asyncio.sleep(0.5)
    assert sum(row.leased_by is not None for row in task_rows(shop)) == CONCURRENCY
    await shop.until(lambda: shop.prints() == list(range(200)), seconds=10)
    await shop.host.stop()


@virtual
async def test_another_process_takes_over(world: VirtualWorld) -> None:
    """In a cluster a task of a dead process is leased by another when the lease is over, and not before."""
    shop = Shop(world)
    await shop.host.start()
    row = TaskRow("print", "1", "WAITING", b'{"number":1}', 1, 0, world.now() + int(LEASE * 1000), 42, "")
    await shop.databases["till"].write(lambda tx: tx.insert(Till.tables.tasks, [row]))
    await asyncio.sleep(LEASE - 1)
    assert shop.prints() == []
    await shop.until(lambda: shop.prints() == [1], seconds=3)
    await shop.host.stop()


@virtual
async def test_lease_that_was_lost(world: VirtualWorld) -> None:
    """What a process brings home after it lost the lease is not recorded: the other's run is the one that counts."""
    printer = Printer()
    shop = await started(world, printer)
    shop.till.print_seconds = 10
    await shop.take(1, printed=True)
    await asyncio.sleep(1)

    def steal(tx: Transaction) -> None:
        [row] = tx.lock(Till.tables.tasks, [("print", "1")]).values()
        row.leased_by = 42
        tx.update(Till.tables.tasks, [row])

    await shop.databases["till"].write(steal)
    await asyncio.sleep(20)
    assert (printer.asked, shop.prints()) == ([1], [])
    assert [row.leased_by for row in task_rows(shop)] == [42]
    await shop.host.stop()
