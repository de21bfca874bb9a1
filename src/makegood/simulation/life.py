"""Machines, and the processes that live on them one after the other."""

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from enum import StrEnum
from random import Random
from typing import TYPE_CHECKING, Any, TypeVar

from makegood.engine.errors import EngineError
from makegood.simulation.faults import Fault
from makegood.simulation.loop import LIFE

if TYPE_CHECKING:
    from makegood.simulation.world import World

T = TypeVar("T")

FIRST_START = 0.2
"""Seconds in which all machines start for the first time."""
SHORTEST_PAUSE, LONGEST_PAUSE = 0.05, 8.0
"""Seconds from a process's death to its next start."""
LONGEST_FREEZE = 20.0
"""Seconds for which a process stands still at most: longer than its leases."""
MOST_SKEW = 1_000
"""Milliseconds by which a machine's clock is off at most: so two of them differ by at most the skew that is allowed."""


COARSE, COARSE_CLOCKS = 16, 0.3
"""Milliseconds of a coarse clock's steps, and how many machines have one."""
MOOD = 0.5
"""Seconds from one chance of a machine's own faults to the next."""


class Killed(BaseException):
    """The process has died in the middle of what it did: what it goes on to do has no effect."""


class Moment(StrEnum):
    """Where a process may die, besides where it waits."""

    WAIT = "where it waits"
    VERB = "at a statement"
    BEFORE_COMMIT = "right before a commit"
    IN_COMMIT = "in a commit"
    AFTER_COMMIT = "right after a commit"
    AFTER_PUBLISH = "after publishing, before it is marked"
    AFTER_RECEIVE = "when messages were received, and nothing of them has taken effect"
    BEFORE_ACKNOWLEDGEMENT = "when messages have taken effect, before they are acknowledged"


WAITING = (Moment.WAIT,)
STORING = (Moment.WAIT, Moment.BEFORE_COMMIT, Moment.AFTER_COMMIT)
"""Where a process may die that stores nothing, or only in a store of its own."""
COUNTS = {
    Moment.WAIT: 3_000,
    Moment.VERB: 300,
    Moment.BEFORE_COMMIT: 40,
    Moment.IN_COMMIT: 40,
    Moment.AFTER_COMMIT: 40,
    Moment.AFTER_PUBLISH: 12,
    Moment.AFTER_RECEIVE: 15,
    Moment.BEFORE_ACKNOWLEDGEMENT: 15,
}
"""At which of its many moments of one kind a process dies at the latest."""


class Life:
    """One process from its start to its death. Implements `Mortal`, and the engine's `World` with its machine's clock.

    `number` counts the lives of a machine from 1.
    """

    def __init__(self, machine: "Machine", number: int, world: "World") -> None:
        self.machine = machine
        self.number = number
        self.alive = True
        self.steps = -1
        self.frozen_until = 0.0
        self._world = world
        self._moment: Moment | None = None
        self._left = 0
        self._random = Random(f"{machine.name} {number} {world.seed}")
        self.context: Context = copy_context()
        self.context.run(LIFE.set, self)
        self._deaths: list[Callable[[], None]] = []
        self._fate()

    def _fate(self) -> None:
        faults = self._world.faults
        self._death = faults.draw(Fault.DEATH, str(self))
        if self._death is not None:
            kinds = self.machine.moments
            self._moment = kinds[int(faults.size(Fault.DEATH) * len(kinds))]
            # As often among the first ten moments as among the last thousand.
            self._left = max(1, round(COUNTS[self._moment] ** faults.size(Fault.DEATH)))
            if self._moment is Moment.WAIT:
                self.steps = self._left

    def __str__(self) -> str:
        """The machine's name and the number of the life."""
        return f"{self.machine.name}#{self.number}"

    def now(self) -> int:
        """Milliseconds since 1970-01-01 UTC, as this machine's clock has it."""
        now = self._world.now() + self.machine.skew
        return now - now % self.machine.tick

    def random_bytes(self, count: int) -> bytes:
        """`count` bytes, from the seed."""
        return self._random.randbytes(count)

    def jitter(self) -> float:
        """A number in [0, 1), from the seed."""
        return self._random.random()

    def loop_time(self) -> float:
        """Seconds of the loop's clock."""
        return self._world.loop.time()

    def spawn(self, work: Coroutine[Any, Any, T], name: str) -> "asyncio.Task[T]":
        """Runs it as this process; what it should not have raised is a bug."""
        task = asyncio.get_running_loop().create_task(work, name=name, context=self.context)
        task.add_done_callback(self._ended, context=self.context)
        return task

    def _ended(self, task: "asyncio.Task[Any]") -> None:
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Exception):
            self._world.bug(f"{task.get_name()} of {self}", error)

    def on_death(self, heard: Callable[[], None]) -> None:
        """Has the world told: others notice that the process is gone."""
        if self.alive:
            self._deaths.append(heard)
        else:
            heard()

    def expects(self, *moments: Moment) -> bool:
        """Whether its death waits for a moment of these kinds."""
        return self._moment in moments and not self._world.faults.over

    def reaches(self, moment: Moment) -> bool:
        """Counts a moment; true when the process is to die at this one."""
        if self._moment is not moment or self._world.faults.over:
            return False
        self._left -= 1
        return self._left == 0

    def coin(self) -> bool:
        """Heads or tails."""
        return self._random.random() < 0.5

    def check(self) -> None:
        """Raises Killed when the process is dead: so nothing that it still does has an effect."""
        if not self.alive:
            raise Killed

    def dies_waiting(self) -> None:
        """It dies where it waits."""
        if self._world.faults.over:
            self.steps = -1
        else:
            self._die(Moment.WAIT)

    def loses_power(self) -> None:
        """It dies, with all the others."""
        self._die("with all the others")

    def dies(self, moment: Moment) -> Killed:
        """It dies here; raise what this returns."""
        self._die(moment)
        return Killed()

    def gives_up(self, why: str) -> None:
        """It ends, because it cannot start."""
        self._die(f"could not start: {why}")

    def _die(self, how: str) -> None:
        if not self.alive:
            return
        self.alive = False
        if self._death is not None and how == self._moment:
            self._world.faults.record(self._death)
        self._world.trace.note(str(self), "dies", how)
        self._world.bury()
        self.machine.died()
        for heard in self._deaths:
            heard()


class Machine:
    """A machine on which one process at a time runs; `boot` starts what it is for, in a new life."""

    def __init__(
        self,
        name: str,
        world: "World",
        boot: Callable[[Life], Coroutine[Any, Any, object]],
        offers: tuple[str, ...],
        moments: tuple[Moment, ...] = tuple(Moment),
    ) -> None:
        self.name = name
        self.offers = offers
        """The services it runs."""
        self.moments = moments
        """Where its processes may die."""
        self.node: Any = None
        """What its process serves others with, once it has started."""
        self.life: Life | None = None
        self.lives = 0
        self._world = world
        self._boot = boot
        self._random = Random(f"{name} {world.seed}")
        self.skew = 0
        self.tick = COARSE if self._random.random() < COARSE_CLOCKS else 1
        """Milliseconds by which its clock goes on at a time."""
        if world.faults.has(Fault.CLOCK_SET):
            self.set_clock()

    def set_clock(self) -> None:
        """Its clock is off by something else than before, from now on."""
        self.skew = int((2 * self._random.random() - 1) * MOST_SKEW)

    def begin(self) -> None:
        """Starts for the first time, soon."""
        self._world.later(FIRST_START * self._random.random(), self._start)
        self._world.later(MOOD, self._mood)

    def _mood(self) -> None:
        """What happens to it now and then: its clock is set, its process stands still."""
        faults = self._world.faults
        if faults.over:
            return
        if faults.happens(Fault.CLOCK_SET, self.name):
            self.set_clock()
        life, now = self.life, self._world.loop.time()
        if life is not None and life.frozen_until <= now and faults.happens(Fault.FREEZE, str(life)):
            seconds = min(LONGEST_FREEZE * faults.size(Fault.FREEZE) ** 2, self._world.heals_at - now)
            life.frozen_until = now + seconds
            self._world.trace.note(str(life), "stands still", f"for {seconds:.3f} s")
        self._world.later(MOOD, self._mood)

    def died(self) -> None:
        """Its process is gone, and starts again after a pause."""
        self.node, self.life = None, None
        pause = SHORTEST_PAUSE * (LONGEST_PAUSE / SHORTEST_PAUSE) ** self._random.random()
        self._world.later(pause, self._start)

    def _start(self) -> None:
        if self._world.ended:
            return
        self.lives += 1
        self.life = Life(self, self.lives, self._world)
        self._world.trace.note(str(self.life), "starts", "")
        self.life.spawn(self._run(self.life), f"main of {self.life}")

    async def _run(self, life: Life) -> None:
        try:
            self.node = await self._boot(life)
        except EngineError as error:
            life.gives_up(str(error))
