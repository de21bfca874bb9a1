"""The loop whose time jumps, and on which processes die as `kill -9` ends them."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from contextvars import Context, copy_context
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from makegood.simulation.loop import LIFE, LONGEST, LastStep, VirtualTimeLoop


class Being:
    """Something mortal without anything else to it."""

    def __init__(self, steps: int = -1) -> None:
        self.alive = True
        self.steps = steps
        self.frozen_until = 0.0
        self.context: Context = copy_context()
        self.context.run(LIFE.set, self)

    def dies_waiting(self) -> None:
        """It is gone."""
        self.alive = False


def until(loop: VirtualTimeLoop, seconds: float) -> None:
    """Has the world wait until this time of its own."""
    loop.run_until_complete(asyncio.sleep(seconds - loop.time()))


def adds(heard: list[Any], what: object) -> Callable[[], None]:
    """A callback that tells what it was."""
    return lambda: heard.append(what)


@pytest.fixture
def loop() -> Iterator[VirtualTimeLoop]:
    """A loop at its beginning."""
    with closing(VirtualTimeLoop()) as loop:
        yield loop


def test_time_jumps(loop: VirtualTimeLoop) -> None:
    """A day of waiting passes exactly, and takes no time."""
    began = time.monotonic()
    until(loop, 86_400.0)
    assert loop.time() == 86_400.0
    assert time.monotonic() - began < 5.0


def test_what_runs_takes_no_time(loop: VirtualTimeLoop) -> None:
    """Time stands still while anything can run."""

    async def busy() -> float:
        for _ in range(100):
            await asyncio.sleep(0)
        return loop.time()

    assert loop.run_until_complete(busy()) == 0.0


@given(st.lists(st.integers(0, 5), min_size=1, max_size=30))
def test_timers_run_by_time_and_then_as_they_were_asked_for(delays: list[int]) -> None:
    """Timers run at their time, and those of one time in the order in which they were asked for."""
    loop, heard = VirtualTimeLoop(), list[tuple[int, int]]()
    for number, delay in enumerate(delays):
        loop.call_later(delay, adds(heard, (delay, number)))
    until(loop, 6.0)
    assert heard == sorted((delay, number) for number, delay in enumerate(delays))


def test_a_timer_in_the_past_runs_now(loop: VirtualTimeLoop) -> None:
    """Time never goes back, not even for a timer that is late."""
    until(loop, 5.0)
    at: list[float] = []
    loop.call_at(1.0, lambda: at.append(loop.time()))
    until(loop, 6.0)
    assert at == [5.0]


def test_a_cancelled_timer_neither_runs_nor_takes_time(loop: VirtualTimeLoop) -> None:
    """Time jumps to the next timer that somebody still wants."""
    heard: list[str] = []
    handle = loop.call_later(1.0, adds(heard, "cancelled"))
    handle.cancel()
    loop.call_later(2.0, adds(heard, "kept"))
    until(loop, 2.0)
    assert heard == ["kept"]
    assert handle.cancelled()
    assert handle.when() == 1.0


def test_everybody_waits_for_somebody_else(loop: VirtualTimeLoop) -> None:
    """When nothing can ever happen any more, the loop says so instead of standing still."""
    with pytest.raises(RuntimeError, match="everybody waits"):
        loop.run_until_complete(loop.create_future())


def test_a_world_that_hangs_ends(loop: VirtualTimeLoop) -> None:
    """Who waits longer than any world may last ends it with an error."""
    with pytest.raises(RuntimeError, match="still runs"):
        until(loop, LONGEST + 1.0)


@given(st.integers(1, 30))
def test_the_loop_ends_before_its_last_step(last: int) -> None:
    """Told its last step, the loop runs all before it and not the step itself, at whatever time that is."""
    loop, ran = VirtualTimeLoop(last), list[int]()
    for number in range(40):
        loop.call_later(number // 3, ran.append, number)
    with pytest.raises(LastStep):
        loop.run_until_complete(loop.create_future())
    assert loop.steps == last
    assert ran == list(range(last - 1))


def test_a_failing_callback_is_told_and_disturbs_nobody(loop: VirtualTimeLoop) -> None:
    """The exception handler gets what a callback raised, and the next one runs."""
    errors: list[object] = []
    loop.set_exception_handler(lambda _, context: errors.append(context["exception"]))
    error, heard = ValueError("a bug"), list[str]()

    def fail() -> None:
        raise error

    loop.call_soon(fail)
    loop.call_soon(adds(heard, "next"))
    until(loop, 1.0)
    assert (errors, heard) == ([error], ["next"])


def test_an_interrupt_ends_the_loop(loop: VirtualTimeLoop) -> None:
    """Who presses Ctrl+C is heard at once."""

    def interrupt() -> None:
        raise KeyboardInterrupt

    loop.call_soon(interrupt)
    with pytest.raises(KeyboardInterrupt):
        until(loop, 1.0)


def test_the_dead_do_nothing(loop: VirtualTimeLoop) -> None:
    """After its death no `finally`, timer or callback of a process runs, though another resolves what it waits for."""
    being, heard = Being(), list[str]()
    resolved, slept = loop.create_future(), loop.create_future()

    async def waits(future: "asyncio.Future[None]") -> None:
        try:
            await future
            heard.append("went on")
        finally:
            heard.append("cleaned up")

    tasks = [loop.create_task(waits(future), context=being.context) for future in (resolved, slept)]
    loop.call_later(2.0, adds(heard, "timer"), context=being.context)
    resolved.add_done_callback(lambda _: heard.append("callback"), context=being.context)
    until(loop, 1.0)
    being.alive = False
    resolved.set_result(None)
    tasks[1].cancel()
    until(loop, 10.0)
    assert heard == []
    assert not any(task.done() for task in tasks)


def test_a_dead_process_does_not_stop_the_others(loop: VirtualTimeLoop) -> None:
    """One process dies in the middle of a step; what others asked for in the same moment runs."""
    first, second, heard = Being(), Being(), list[str]()

    def die() -> None:
        first.alive = False

    loop.call_soon(die, context=first.context)
    loop.call_soon(adds(heard, "first"), context=first.context)
    loop.call_soon(adds(heard, "second"), context=second.context)
    until(loop, 1.0)
    assert heard == ["second"]


@given(st.integers(1, 20), st.integers(1, 20))
def test_a_process_dies_at_exactly_its_last_step(steps: int, wanted: int) -> None:
    """A process with so many steps left takes all but the last one, and dies before that."""
    loop, being, taken = VirtualTimeLoop(), Being(steps), list[float]()
    for number in range(wanted):
        loop.call_later(number, adds(taken, number), context=being.context)
    until(loop, 30.0)
    assert taken == list(range(min(wanted, steps - 1)))
    assert being.alive == (wanted < steps)


def test_who_is_told_to_live_lives(loop: VirtualTimeLoop) -> None:
    """One that does not die at its last step takes it, and all that follow."""

    class Immortal(Being):
        def dies_waiting(self) -> None:
            self.steps = -1

    being, heard = Immortal(3), list[object]()
    for number in range(8):
        loop.call_soon(adds(heard, number), context=being.context)
    until(loop, 1.0)
    assert heard == list(range(8))


def test_the_steps_of_the_dead_are_not_counted(loop: VirtualTimeLoop) -> None:
    """A world's steps are those that ran."""
    being = Being()
    being.alive = False
    for _ in range(10):
        loop.call_soon(adds([], ""), context=being.context)
    until(loop, 1.0)
    before = loop.steps
    until(loop, 2.0)
    assert before == loop.steps - before


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), max_size=20))
def test_a_frozen_process_goes_on_later_in_the_same_order(wanted: list[tuple[int, bool]]) -> None:
    """What falls into the time in which a process stands still runs when that is over, in the order of its times."""
    loop, being, free = VirtualTimeLoop(), Being(), Being()
    heard: list[tuple[int, int, float]] = []

    def note(at: int, number: int) -> None:
        heard.append((at, number, loop.time()))

    being.frozen_until = 5.5
    for number, (at, frozen) in enumerate(wanted):
        loop.call_at(at, note, at, number, context=(being if frozen else free).context)
    until(loop, 10.0)
    thawed = {number: 5.5 if frozen and at < 5.5 else at for number, (at, frozen) in enumerate(wanted)}
    assert all(thawed[number] == when for _, number, when in heard)
    frozen = [(at, number) for at, number, _ in heard if wanted[number][1]]
    assert len(heard) == len(wanted)
    assert frozen == sorted(frozen)


def test_who_dies_frozen_never_goes_on(loop: VirtualTimeLoop) -> None:
    """A process that dies while it stands still does nothing when that time is over."""
    being, heard = Being(), list[str]()
    being.frozen_until = 5.0
    loop.call_soon(adds(heard, "frozen"), context=being.context)
    loop.call_at(3.0, being.dies_waiting)
    until(loop, 10.0)
    assert heard == []


def test_steps_while_frozen_do_not_age_a_process(loop: VirtualTimeLoop) -> None:
    """What is put off counts once as a step of its process: when it runs."""
    being, heard = Being(2), list[str]()
    being.frozen_until = 5.0
    loop.call_soon(adds(heard, "put off"), context=being.context)
    until(loop, 10.0)
    assert heard == ["put off"]
    assert being.steps == 1


def test_a_process_is_inherited(loop: VirtualTimeLoop) -> None:
    """Tasks, timers and callbacks of a process's code belong to the process; those of the world to nobody."""
    being, seen = Being(), list[object]()

    def look(*_: object) -> None:
        seen.append(LIFE.get())

    async def child() -> None:
        look()
        loop.call_soon(look)
        loop.call_later(1.0, look)
        future = loop.create_future()
        future.add_done_callback(look)
        future.set_result(None)

    async def parent() -> None:
        await asyncio.gather(child(), asyncio.create_task(child()))

    loop.create_task(parent(), context=being.context)
    until(loop, 2.0)
    assert seen == [being] * 8
    loop.call_soon(look)
    until(loop, 3.0)
    assert seen[-1] is None


def test_who_is_woken_by_another_is_still_itself(loop: VirtualTimeLoop) -> None:
    """A future that one process resolves wakes another as that other."""
    waker, sleeper, seen = Being(), Being(), list[object]()
    future = loop.create_future()

    async def sleep() -> None:
        await future
        seen.append(LIFE.get())

    tasks = [loop.create_task(sleep(), context=sleeper.context)]
    loop.call_later(1.0, future.set_result, None, context=waker.context)
    loop.call_later(1.0, waker.dies_waiting)
    until(loop, 2.0)
    assert seen == [sleeper]
    assert tasks[0].done()
