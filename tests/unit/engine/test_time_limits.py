"""Time limits: as asyncio's own timeouts, many on one timer."""

import asyncio

import pytest

from makegood.engine.deadline import Deadline
from makegood.engine.time_limits import TimeLimits
from tests.support.virtual_time import virtual


async def _wait(limits: TimeLimits, limit: float, seconds: float) -> float:
    """When the wait ended, in seconds of the loop."""
    with limits.until(Deadline.after(limit)):
        await asyncio.sleep(seconds)
    return asyncio.get_running_loop().time()


@virtual
async def test_cuts_off_what_takes_too_long() -> None:
    """A block that waits past its limit raises TimeoutError at that very moment."""
    with pytest.raises(TimeoutError):
        await _wait(TimeLimits(), 2.0, 60.0)
    assert asyncio.get_running_loop().time() == 2.0


@virtual
async def test_leaves_alone_what_is_in_time() -> None:
    """A block that ends in time is never cut off, not even when its limit passes later."""
    limits = TimeLimits()
    assert await _wait(limits, 2.0, 1.0) == 1.0
    await asyncio.sleep(5.0)


@virtual
async def test_many_limits() -> None:
    """Each of many limits is kept to the moment, whatever their order and how often the one timer rang before."""
    limits = TimeLimits()
    waits = [asyncio.create_task(_wait(limits, limit, 4.5)) for limit in (5.0, 1.0, 3.0, 2.0, 1.0, 4.0, 9.0)]
    ends = await asyncio.gather(*waits, return_exceptions=True)
    assert [isinstance(end, TimeoutError) for end in ends] == [False, True, True, True, True, True, False]
    assert asyncio.get_running_loop().time() == 4.5


@virtual
async def test_nested() -> None:
    """The inner limit ends the inner block only; the outer one goes on and is still kept."""
    limits = TimeLimits()
    outer = limits.until(Deadline.after(3.0))

    async def block() -> None:
        with outer:
            with pytest.raises(TimeoutError):
                await _wait(limits, 1.0, 60.0)
            assert not outer.passed
            await asyncio.sleep(60.0)

    with pytest.raises(TimeoutError):
        await block()
    assert outer.passed
    assert asyncio.get_running_loop().time() == 3.0


@virtual
async def test_cancelled_by_somebody_else() -> None:
    """A task that is cancelled from outside stays cancelled, though its limit passes at the same moment."""
    limits = TimeLimits()
    task = asyncio.create_task(_wait(limits, 1.0, 60.0))
    asyncio.get_running_loop().call_at(1.0, task.cancel)
    await asyncio.sleep(2.0)
    assert task.cancelled()


@virtual
async def test_other_errors() -> None:
    """What a block raises comes out as it is."""
    with pytest.raises(KeyError), TimeLimits().until(Deadline.after(1.0)):
        raise KeyError("a bug")
