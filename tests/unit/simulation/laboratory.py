"""Worlds for tests of what worlds are made of: chosen faults, and machines that do what a test wants."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import count, islice
from typing import Any, TypeVar

from makegood.simulation.faults import Fault, Rates
from makegood.simulation.life import Life, Machine, Moment
from makegood.simulation.loop import VirtualTimeLoop
from makegood.simulation.world import World

T = TypeVar("T")
Boot = Callable[[Life], Coroutine[Any, Any, object]]

LONG = 30.0
"""Seconds in which every machine has started, however often."""


class Except:
    """All names but a few, as what is left out."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset(names)

    def __contains__(self, name: object) -> bool:
        return name not in self._names


def make(seed: int = 1, rates: Mapping[Fault, float] | None = None, *only: str) -> World:
    """A world with these faults; with `only`, of those that would happen only the named ones do."""
    loop = VirtualTimeLoop()
    world = World(seed, loop, Rates(dict(rates or {})), Except(only) if only else (), keep=True)
    loop.set_exception_handler(lambda _, context: _unnoticed(world, context))
    return world


def sure(*faults: Fault) -> dict[Fault, float]:
    """Rates at which these happen whenever they can."""
    return dict.fromkeys(faults, 1.0)


def live(world: World, scenario: Coroutine[Any, Any, T]) -> T:
    """What the scenario returns; the world ends with it."""
    try:
        return world.loop.run_until_complete(scenario)
    finally:
        world.ended = True
        _end_tasks(world)
        world.loop.close()


async def nothing(_: Life) -> object:
    """Boots a machine that only has to live."""
    return object()


def machine(world: World, boot: Boot = nothing, name: str = "machine", *offers: str) -> Machine:
    """A machine that has not started."""
    return Machine(name, world, boot, offers)


async def started(one: Machine) -> Life:
    """The life of a machine once it is up; one that never ran is started."""
    if not one.lives:
        one.begin()
    async with asyncio.timeout(LONG):
        while one.life is None or one.node is None:
            await asyncio.sleep(0.001)
    return one.life


@lru_cache
def seeds_dying(moment: Moment, number: int = 1, many: int = 1) -> tuple[int, ...]:
    """Seeds of worlds whose process with this number dies at its first moment of this kind."""
    return tuple(islice(_seeds(moment, number), many))


def dying(moment: Moment, number: int = 1) -> World:
    """A world whose process with this number dies at its first moment of this kind, and no other process does."""
    return make(seeds_dying(moment, number)[0], sure(Fault.DEATH), f"death-{number}")


def _seeds(moment: Moment, number: int) -> Iterator[int]:
    for seed in count():
        world = make(seed, sure(Fault.DEATH), f"death-{number}")
        lives = [Life(machine(world), at, world) for at in range(1, number + 1)]
        world.loop.close()
        if lives[-1].expects(moment) and (lives[-1].reaches(moment) or lives[-1].steps == 1):
            yield seed


def _end_tasks(world: World) -> None:
    """Ends what is still under way here, since nobody may be told of it when it is collected."""
    for task in asyncio.all_tasks(world.loop):
        work = task.get_coro()
        for _ in range(10):
            try:
                work.close()
                break
            except BaseException:  # what is closed may still wait for something in its `finally`
                continue


def _unnoticed(world: World, context: Mapping[str, Any]) -> None:
    error = context.get("exception")
    if isinstance(error, Exception) and not world.ended:
        world.bug(str(context.get("message")), error)
