"""The queue in front of a function, in virtual time."""

import asyncio
from collections.abc import Sequence

import pytest

from makegood.engine import batching
from makegood.engine.batching import Batcher
from makegood.engine.deadline import Deadline
from makegood.engine.errors import DatabaseUnavailable, DeadlineExceeded, Overloaded
from tests.support.virtual_time import virtual


class Slow:
    """A function that takes a second a batch; negative numbers fail, `broken` fails whole."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.broken: Exception | None = None

    async def __call__(self, requests: Sequence[int]) -> Sequence[int | Exception]:
        """Squares."""
        self.batches.append(list(requests))
        await asyncio.sleep(1)
        if self.broken:
            raise self.broken
        return [ValueError(str(request)) if request < 0 else request**2 for request in requests]


def batcher_of(function: Slow, limit: int = 10, *, sheds: bool = False) -> Batcher[int, int]:
    """Its queue."""
    return Batcher("slow", function, limit=limit, sheds=sheds)


@virtual
async def test_waiting_calls_share_the_next_batch() -> None:
    """Calls that come while a batch runs make the next one, in their order."""
    function = Slow()
    batcher = batcher_of(function)
    first = batcher.submit(1, Deadline.after(60))
    await asyncio.sleep(0.5)
    others = [batcher.submit(number, Deadline.after(60)) for number in (2, 3, 4)]
    assert batcher.waiting == 3
    assert await asyncio.gather(first, *others) == [1, 4, 9, 16]
    assert function.batches == [[1], [2, 3, 4]]


@virtual
async def test_limit() -> None:
    """No batch is larger than the limit, and one is always under way until all are answered."""
    function = Slow()
    batcher = batcher_of(function, limit=4)
    answers = [batcher.submit(number, Deadline.after(60)) for number in range(10)]
    await batcher.idle()
    assert [answer.result() for answer in answers] == [number**2 for number in range(10)]
    assert [len(batch) for batch in function.batches] == [4, 4, 2]
    assert (batcher.figures.batches, batcher.figures.requests, batcher.waiting) == (3, 10, 0)


@virtual
async def test_one_failure_is_one_answer() -> None:
    """A request that fails does not touch its neighbours."""
    batcher = batcher_of(Slow())
    answers = [batcher.submit(number, Deadline.after(60)) for number in (1, -2, 3)]
    results = await asyncio.gather(*answers, return_exceptions=True)
    assert (results[0], str(results[1]), results[2]) == (1, "-2", 9)
    assert batcher.figures.failed == 1


@virtual
async def test_whole_batch_fails() -> None:
    """When a batch cannot run at all everybody in it is told, and the next batch runs."""
    function = Slow()
    function.broken = DatabaseUnavailable("away")
    batcher = batcher_of(function)
    failing = [batcher.submit(number, Deadline.after(60)) for number in (1, 2)]
    results = await asyncio.gather(*failing, return_exceptions=True)
    assert results == [function.broken, function.broken]
    function.broken = None
    assert await batcher.submit(5, Deadline.after(60)) == 25


@virtual
async def test_answers_that_do_not_match() -> None:
    """A function that answers too few calls fails them all; nobody waits for ever."""

    async def short(requests: Sequence[int]) -> Sequence[int]:
        await asyncio.sleep(0)
        return requests[1:]

    batcher = Batcher[int, int]("short", short, limit=10)
    for _ in range(2):
        results = await asyncio.gather(
            *[batcher.submit(number, Deadline.after(60)) for number in (1, 2)], return_exceptions=True
        )
        assert all("1 answers to 2 calls" in str(result) for result in results)


@virtual
async def test_late_call_is_not_run() -> None:
    """A call whose deadline passes while it waits is dropped, and says so."""
    function = Slow()
    batcher = batcher_of(function)
    batcher.submit(1, Deadline.after(60))
    await asyncio.sleep(0.1)
    late, on_time = batcher.submit(2, Deadline.after(0.5)), batcher.submit(3, Deadline.after(60))
    with pytest.raises(DeadlineExceeded, match="not run"):
        await late
    assert await on_time == 9
    assert function.batches == [[1], [3]]
    assert batcher.figures.expired == 1


@virtual
async def test_a_deadline_is_kept_to_the_moment() -> None:
    """Who waits, and who is under way, is told at their deadline; what was under way may have taken effect."""
    function = Slow()
    batcher = batcher_of(function)
    running = batcher.submit(1, Deadline.after(0.7))
    await asyncio.sleep(0.1)
    waiting = batcher.submit(2, Deadline.after(0.3))
    clock = asyncio.get_running_loop().time
    with pytest.raises(DeadlineExceeded, match="not run"):
        await waiting
    assert clock() == 0.4
    with pytest.raises(DeadlineExceeded, match="may have taken effect"):
        await running
    assert clock() == 0.7
    await batcher.idle()
    assert (function.batches, batcher.figures.expired) == ([[1]], 2)


@virtual
async def test_cancelled_callers() -> None:
    """A caller that goes away while waiting is not run; one that goes away while running disturbs nobody."""
    function = Slow()
    batcher = batcher_of(function)
    running, neighbour = batcher.submit(1, Deadline.after(60)), batcher.submit(2, Deadline.after(60))
    await asyncio.sleep(0.5)
    waiting = batcher.submit(3, Deadline.after(60))
    running.cancel()
    waiting.cancel()
    assert await neighbour == 4
    assert await batcher.submit(4, Deadline.after(60)) == 16
    assert function.batches == [[1, 2], [4]]


@virtual
async def test_shedding() -> None:
    """A shedding function refuses when the expected wait is too large a part of the time left; others queue."""
    for sheds in (True, False):
        batcher = batcher_of(Slow(), limit=1, sheds=sheds)
        await asyncio.gather(*[batcher.submit(number, Deadline.after(1_000)) for number in range(20)])
        waiting = [batcher.submit(number, Deadline.after(1_000)) for number in range(10)]
        if sheds:
            with pytest.raises(Overloaded) as refused:
                batcher.submit(99, Deadline.after(12))
            assert refused.value.retry_after > 5
        else:
            assert await batcher.submit(3, Deadline.after(12)) == 9
        assert batcher.figures.shed == sheds
        assert await batcher.submit(4, Deadline.after(1_000)) == 16
        assert len(await asyncio.gather(*waiting)) == 10


@virtual
async def test_queue_is_bounded() -> None:
    """One call more than may wait is refused at once."""
    batcher = batcher_of(Slow(), limit=batching.MAX_WAITING)
    answers = [batcher.submit(number, Deadline.after(60)) for number in range(batching.MAX_WAITING)]
    with pytest.raises(Overloaded, match="ask again"):
        batcher.submit(1, Deadline.after(60))
    assert len(await asyncio.gather(*answers)) == batching.MAX_WAITING
