"""What a service does by itself: loops that begin again when they fail, until they are stopped."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from makegood.engine.backoff import backoff
from makegood.engine.errors import EngineError
from makegood.engine.world import World

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
"""Seconds before what failed is tried again."""

log = logging.getLogger(__name__)


class Loops:
    """The loops of one service in one process."""

    def __init__(self, owner: str, world: World) -> None:
        self._owner = owner
        self._world = world
        self._tasks: list[asyncio.Task[None]] = []

    def spawn(self, name: str, loop: Callable[[], Awaitable[None]]) -> None:
        """Runs `loop` until it returns."""
        name = f"{self._owner}: {name}"
        self._tasks.append(asyncio.get_running_loop().create_task(self._keep(name, loop), name=name))

    def every(self, seconds: float, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Does the work at once and then every `seconds`; failing, it says so and tries again."""

        async def loop() -> None:
            failures = 0
            while True:
                try:
                    await work()
                    failures, pause = 0, seconds
                except EngineError as error:
                    failures += 1
                    log.warning("%s: %s failed and is tried again: %s", self._owner, name, error)
                    pause = max(seconds, self._pause(failures))
                except Exception:
                    failures += 1
                    log.exception("%s: %s failed, as by a bug, and is tried again", self._owner, name)
                    pause = max(seconds, self._pause(failures))
                await asyncio.sleep(pause)

        self.spawn(name, loop)

    async def stop(self) -> None:
        """Ends them where they wait; a transaction that is under way still ends."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    async def _keep(self, name: str, loop: Callable[[], Awaitable[Any]]) -> None:
        failures = 0
        while True:
            try:
                await loop()
                return
            except EngineError as error:
                failures += 1
                log.warning("the loop %s has failed and begins again: %s", name, error)
            except Exception:
                failures += 1
                log.critical("the loop %s has failed and begins again", name, exc_info=True)
            await asyncio.sleep(self._pause(failures))

    def _pause(self, failures: int) -> float:
        return backoff(self._world, failures, first=FIRST_PAUSE, most=LONGEST_PAUSE)
