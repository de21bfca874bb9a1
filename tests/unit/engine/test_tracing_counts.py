"""What the engine counts while it works: batches by size and time, messages, events, tasks, errors."""

import asyncio

from makegood.engine.batching import SIZES
from tests.support.faulty import Fault
from tests.support.virtual_time import VirtualWorld, virtual
from tests.unit.engine.tills import Shop


@virtual
async def test_batches(world: VirtualWorld) -> None:
    """Batches are counted by the first bounds that are not less than their size and their seconds."""
    shop = Shop(world)
    await shop.host.start()
    shop.databases["till"].delay = 0.1
    first = asyncio.ensure_future(shop.take(1))
    await asyncio.sleep(0.05)
    await asyncio.gather(first, shop.take(*range(10, 15)))
    figures = shop.host.runtimes["till"].batchers["Take"].figures
    assert {bound: count for bound, count in zip(SIZES, figures.sizes, strict=False) if count} == {1: 1, 8: 1}
    assert sum(figures.times) == figures.batches == 2
    assert figures.sizes[-1] == 0
    await shop.host.stop()


@virtual
async def test_messages_and_events(world: VirtualWorld) -> None:
    """Who publishes counts messages and sendings, who listens messages, events and those that failed."""
    shop = Shop(world)
    await shop.host.start()
    shop.books.poison = (2,)
    await shop.take(1)
    await shop.take(2, 3)
    await shop.until(lambda: shop.entries() == [1, 3], seconds=5)
    sent, heard = (shop.host.runtimes[name].execution.figures() for name in ("till", "books"))
    assert sent["messages_sent"] == heard["messages_received"] >= 2
    assert 1 <= sent["sendings"] <= sent["messages_sent"]
    assert (sent["sendings_failed"], sent["messages_refused"]) == (0, 0)
    assert (heard["events_heard"], heard["events_failed"]) == (3, 1)
    await shop.host.stop()


@virtual
async def test_a_broker_that_is_away(world: VirtualWorld) -> None:
    """While nothing can be sent the oldest message ages, and each try counts; then it is young again."""
    shop = Shop(world)
    await shop.host.start()
    shop.broker.faults.away = True
    await shop.take(1)
    await asyncio.sleep(30)
    waiting = shop.host.runtimes["till"].execution.figures()
    assert 29_000 <= waiting["outbox_oldest"] <= 31_000
    assert waiting["sendings_failed"] > 3
    shop.broker.faults.away = False
    await shop.until(lambda: shop.entries() == [1], seconds=60)
    assert shop.host.runtimes["till"].execution.figures()["outbox_oldest"] == 0
    await shop.host.stop()


@virtual
async def test_errors_and_tasks(world: VirtualWorld) -> None:
    """Database errors and the runs again count, and so do the runs of tasks and those that failed."""
    shop = Shop(world)
    await shop.host.start()
    before = shop.host.runtimes["till"].execution.figures()
    await asyncio.sleep(0.5)  # nothing else uses the database now
    shop.databases["till"].faults.coming.append(Fault.ROLLED_BACK)
    await shop.take(1)
    jams = iter([OSError("no paper")])
    shop.till.printer = lambda _: _raise(next(jams, None))
    await shop.take(2, printed=True)
    await shop.until(lambda: shop.prints() == [2], seconds=60)
    after = shop.host.runtimes["till"].execution.figures()
    assert {name: after[name] - before[name] for name in ("reruns", "database_errors")} == {
        "reruns": 1,
        "database_errors": 1,
    }
    assert (after["task_runs"], after["task_failures"]) == (2, 1)
    await shop.host.stop()


def _raise(error: Exception | None) -> None:
    if error is not None:
        raise error
