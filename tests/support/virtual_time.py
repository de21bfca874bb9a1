"""Scenarios on an event loop whose time jumps to the next timer: an hour of waiting takes no time at all."""

import asyncio
import inspect
import logging
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from makegood.simulation.loop import VirtualTimeLoop
from tests.support.world import ManualWorld

T = TypeVar("T")


class VirtualWorld(ManualWorld):
    """A world whose clock is the loop's; `advance` puts it ahead of the loop's timers."""

    def __init__(self, loop: asyncio.AbstractEventLoop, seed: int = 0) -> None:
        super().__init__(seed=seed)
        self._loop = loop

    def now(self) -> int:
        """Milliseconds since 1970-01-01 UTC."""
        return super().now() + int(self._loop.time() * 1000)


def run(scenario: Callable[[VirtualWorld], Coroutine[Any, Any, T]], seed: int = 0) -> T:
    """What a scenario returns. A task that failed without anybody noticing fails the scenario."""
    loop = VirtualTimeLoop()
    unnoticed: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: unnoticed.append(context))
    try:
        answer = loop.run_until_complete(scenario(VirtualWorld(loop, seed)))
        loop.run_until_complete(_end_tasks())
    finally:
        asyncio.set_event_loop(None)
        loop.close()
    assert not unnoticed, unnoticed
    return answer


def virtual(scenario: Callable[..., Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """Makes a test of a scenario, which takes the world if it likes."""
    takes_world = bool(inspect.signature(scenario).parameters)

    def test() -> None:
        run(scenario if takes_world else lambda _: scenario())

    test.__name__, test.__doc__, test.__module__ = scenario.__name__, scenario.__doc__, scenario.__module__
    return test


async def _end_tasks() -> None:
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        logging.getLogger(__name__).debug("still running at the end: %s", task)
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
