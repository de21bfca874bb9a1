"""Looks at the shop, the sandbox and this process now and then, and keeps what they used of CPU and memory."""

import asyncio
from collections.abc import Awaitable, Callable

import msgspec

from makegood.replay.errors import ReplayError
from makegood.replay.figures import Look, look_at_myself

PAUSE = 10.0
"""Seconds between two looks, at first."""
MOST_SAMPLES = 240
"""When so many are kept, every second one is forgotten and the pause doubles."""
Looking = Callable[[], Awaitable[Look | None]]


class Sample(msgspec.Struct, frozen=True):
    """Resident bytes of each process, `seconds` after the replay began, when `orders` had been bought."""

    seconds: float
    orders: int
    resident: dict[str, int | None]


class Usage(msgspec.Struct, frozen=True):
    """What a process used while the replay ran, None where it does not tell; memory in bytes."""

    cpu_seconds: float | None
    resident_first: int | None
    resident_most: int | None
    resident_last: int | None


class _Process:
    """One process' figures; its CPU seconds go on over its restarts, each of which begins at zero."""

    def __init__(self) -> None:
        self._before: float | None = None
        self._used: float | None = None
        self._resident: list[int] = []

    def add(self, seen: Look) -> None:
        if seen.cpu_seconds is not None:
            before = seen.cpu_seconds if self._before is None else self._before
            restarted = seen.cpu_seconds < before
            self._used = (self._used or 0.0) + (seen.cpu_seconds if restarted else seen.cpu_seconds - before)
            self._before = seen.cpu_seconds
        if seen.resident is not None:
            kept = self._resident or [seen.resident] * 2
            self._resident = [kept[0], max(kept[1], seen.resident), seen.resident]

    def usage(self) -> Usage:
        first, most, last = self._resident or (None, None, None)
        used = None if self._used is None else round(self._used, 1)
        return Usage(used, first, most, last)


class Watch:
    """Watches `shop` and `sandbox`, which give None while they are away; `orders` says how many are bought."""

    def __init__(self, shop: Looking, sandbox: Looking, orders: Callable[[], int]) -> None:
        self._programs: dict[str, Looking] = {"shop": shop, "sandbox": sandbox, "client": _myself}
        self._processes = {name: _Process() for name in self._programs}
        self._orders = orders
        self._pause = PAUSE
        self._began = asyncio.get_running_loop().time()
        self.samples: list[Sample] = []

    async def run(self) -> None:
        """Looks until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(self._pause)

    async def look(self) -> None:
        """Looks once."""
        resident: dict[str, int | None] = {}
        for name, program in self._programs.items():
            seen = await _told(program)
            if seen is not None:
                self._processes[name].add(seen)
            resident[name] = seen and seen.resident
        seconds = asyncio.get_running_loop().time() - self._began
        self.samples.append(Sample(round(seconds, 1), self._orders(), resident))
        if len(self.samples) >= MOST_SAMPLES:
            self.samples = self.samples[::2]
            self._pause *= 2

    def usage(self) -> dict[str, Usage]:
        """What each process used so far."""
        return {name: process.usage() for name, process in self._processes.items()}


async def _told(program: Looking) -> Look | None:
    try:
        return await program()
    except ReplayError:
        return None  # what a program used is an aside: it ends no replay, and takes no report with it


async def _myself() -> Look:
    return look_at_myself()
