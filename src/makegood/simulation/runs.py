"""One world from its beginning to its end."""

import asyncio
import gc
import logging
import sys
import time
import warnings
from collections import Counter
from collections.abc import Container
from contextlib import suppress
from functools import partial
from random import Random
from typing import Any

import msgspec

from makegood.shop.orders.settings import OrdersSettings
from makegood.simulation import checks
from makegood.simulation.checks import Broken
from makegood.simulation.database import Poison
from makegood.simulation.faults import Fault, Injected, Rates
from makegood.simulation.house import House
from makegood.simulation.judging import judge
from makegood.simulation.loop import LastStep, VirtualTimeLoop
from makegood.simulation.market import Market
from makegood.simulation.network import Network
from makegood.simulation.people import Buyer, Operators, Town
from makegood.simulation.plans import plans_of
from makegood.simulation.platform import Platforms
from makegood.simulation.trace import Noted
from makegood.simulation.world import World

ORDERS = 50
"""Orders placed in one world."""
EACH = 3
"""Orders of one buyer, about."""
PEOPLE = 300.0
"""Seconds that buyers may take for all they mean to do."""
REST = 900.0
"""Seconds more after which everything has come to rest, or never does."""


LEAPS = 0.1
"""How often days go by when everything has come to rest."""
LEAP = (2 * 3_600_000, 8 * 86_400_000)
"""Milliseconds: participants ask what became of orders, then what was kept for a week is forgotten."""
ROUND = 65.0
"""Seconds for everything that is looked at once a minute, after each of them."""


class Options(msgspec.Struct, frozen=True):
    """What a world is to be like, besides its seed.

    `scale` multiplies the rates of all faults; `left_out` names faults that do not happen, `buyers` those who buy
    (None: all of them); `keep` keeps the text of the trace; the world ends unjudged before its step `steps`.
    `rates` are those of single kinds, whatever the seed says.
    """

    orders: int = ORDERS
    scale: float = 1.0
    left_out: Container[str] = ()
    buyers: frozenset[int] | None = None
    keep: bool = False
    steps: int | None = None
    rates: dict[Fault, float] = {}


class Ran(msgspec.Struct, frozen=True):
    """What came of a world; `seconds` of its own time, `cpu` of ours."""

    seed: int
    topology: str
    orders: int
    confirmed: int
    attempts: int
    seconds: float
    cpu: float
    steps: int
    digest: str
    broken: tuple[Broken, ...]
    injected: tuple[Injected, ...]
    examined: dict[str, int]
    kept: tuple[Noted, ...] = ()


def run(seed: int, options: Options) -> Ran:
    """Runs the world of this seed to its end, and looks whether every promise holds."""
    began = time.process_time()
    gc.disable()  # what it would find at one moment or another must not decide what happens
    gc.freeze()  # what is here before a world is none of its garbage: most of what there would be to look through
    try:
        ran = _run(seed, options)
    finally:
        _forget()
        gc.unfreeze()
        gc.enable()
    return msgspec.structs.replace(ran, cpu=time.process_time() - began)


def _run(seed: int, options: Options) -> Ran:
    loop = VirtualTimeLoop(options.steps)
    world = World(seed, loop, Rates.of(seed, options.scale, options.rates), options.left_out, keep=options.keep)
    loop.set_exception_handler(partial(_unnoticed, world))
    logs = _Logs(world)
    asyncio.set_event_loop(loop)
    try:
        course = _Course(world, options)
        with suppress(LastStep):
            loop.run_until_complete(course.run())
        return course.ran()
    finally:
        world.ended = True
        for task in asyncio.all_tasks(loop):
            task._log_destroy_pending = False  # type: ignore[attr-defined]
        logs.close()
        asyncio.set_event_loop(None)
        loop.close()


def _ignore(_: object) -> None:
    """What a task of a world that has ended would still say."""


def _forget() -> None:
    """Lets go of a world. Tasks that were under way in it are closed, and what they would clean up is gone."""
    hook, sys.unraisablehook = sys.unraisablehook, _ignore
    level = logging.root.manager.disable
    logging.disable()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # what never got to begin
            gc.collect()
    finally:
        logging.disable(level)
        sys.unraisablehook = hook


class _Course:
    """The course of one world."""

    def __init__(self, world: World, options: Options) -> None:
        self._world = world
        self._options = options
        self._network = Network(world)
        self._platforms = Platforms(world, self._network)
        self._house = House(world, self._network, self._platforms)
        self._platforms.fronts = self._house.fronts
        self._town = Town(world, self._network, self._house, self._platforms)
        self._broken: list[Broken] = []
        self._examined: Counter[str] = Counter()
        self._placed = 0

    async def run(self) -> None:
        """People do what they mean to, the faults end, everything comes to rest, and is judged."""
        world = self._world
        buyers = self._buyers()
        self._platforms.begin()
        self._house.begin()
        operators = Operators(self._town, self._house)
        working = asyncio.create_task(operators.work())
        ending = asyncio.create_task(self._end_faults())
        try:
            async with asyncio.timeout(PEOPLE):
                await asyncio.gather(*[buyer.live() for buyer in buyers])
        except TimeoutError:
            self._broken.append(Broken(checks.DRAINED, "buyers", f"not done after {PEOPLE} s"))
        await ending
        working.cancel()
        with suppress(asyncio.CancelledError):
            await working
        await operators.replay_dead_letters()
        await self._rest(0.0)
        await self._judge()
        if not self._broken and Random(f"leaps {world.seed}").random() < LEAPS:
            for leap in LEAP:
                world.leap(leap)
                await self._rest(ROUND)
            await self._judge()
        self._broken += [Broken(checks.BUG, "a bug", bug) for bug in world.bugs]

    async def _judge(self) -> None:
        """Looks whether everything that must hold does."""
        disks, town = self._house.disks, self._town
        self._examined.update(checks.examined(town.attempts))
        holders = {name: disks[name] for name in ("stock", "coupons", "accounts")}
        self._broken += checks.answers(town.attempts, disks["orders"].connection, holders)
        self._broken += await judge(self._world, self._house, self._platforms, town.withdrawn, self._examined)

    def _buyers(self) -> list[Buyer]:
        options, settings = self._options, self._house.settings
        count = max(1, options.orders // EACH)
        market = Market.of(self._world, options.orders, count)
        market.load(self._world, self._house.disks)
        orders = OrdersSettings(pay_within=settings.pay_within, decide_within=settings.decide_within)
        buyers: list[Buyer] = []
        for number in range(count):
            mine = (options.orders * (number + 1)) // count - (options.orders * number) // count
            if options.buyers is None or number in options.buyers:
                self._placed += mine
                plans = plans_of(self._world.seed, number, mine, market, orders)
                buyers.append(Buyer(self._town, plans, settings.pay_within))
        return buyers

    async def _end_faults(self) -> None:
        await asyncio.sleep(self._world.heals_at)
        self._world.faults.stop()
        self._over_at = self._world.now()
        self._world.trace.note("world", "heals", "nothing fails any more")

    async def _rest(self, least: float) -> None:
        """Until nothing is left to be done, but for `least` seconds."""
        await asyncio.sleep(least)
        until = self._world.loop.time() + REST
        orders = self._house.disks["orders"].connection
        while True:
            self._broken += checks.late(orders, self._world.now(), self._over_at)
            waiting = checks.unrest(self._house.disks)
            if not waiting:
                waiting = await self._house.undelivered()
            if not waiting or self._broken:
                return
            if self._world.loop.time() > until:
                self._broken += waiting
                return
            await asyncio.sleep(1.0)

    def ran(self) -> Ran:
        """What came of it."""
        world, town = self._world, self._town
        world.trace.add(str(world.loop.steps).encode())
        for name, disk in self._house.disks.items():
            world.trace.add(name.encode() + disk.connection.serialize("main"))
        return Ran(
            seed=world.seed,
            topology=self._house.topology.name,
            orders=self._placed,
            confirmed=len(town.known),
            attempts=len(town.attempts),
            seconds=world.loop.time(),
            cpu=0.0,
            steps=world.loop.steps,
            digest=world.trace.digest,
            broken=tuple(self._broken),
            injected=tuple(world.faults.injected),
            examined=dict(self._examined),
            kept=tuple(world.trace.kept),
        )


class _Logs(logging.Handler):
    """Takes what the shop logs: a failure that no fault explains is a bug."""

    BUGS = tuple(f"makegood.engine.{name}" for name in ("execution", "runtime", "loops", "tasks", "outbox", "broker"))

    def __init__(self, world: World) -> None:
        super().__init__(logging.ERROR)
        self._world = world
        self._logger = logging.getLogger("makegood")
        self._before = (self._logger.level, self._logger.propagate)
        self._logger.setLevel(logging.ERROR)
        self._logger.propagate = False
        self._logger.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Notes a bug."""
        if record.name.startswith(self.BUGS) and not self._world.ended:
            error = record.exc_info[1] if record.exc_info else None
            if not _injected(error):
                self._world.bug(record.getMessage()[:300], error)

    def close(self) -> None:
        """Logs go where they went before."""
        self._logger.removeHandler(self)
        self._logger.level, self._logger.propagate = self._before[0], self._before[1]
        self._logger.setLevel(self._before[0])
        super().close()


def _injected(error: BaseException | None) -> bool:
    """Whether it is, or comes from, what the world injected as a bug."""
    while error is not None and not isinstance(error, Poison):
        error = error.__cause__ or error.__context__
    return error is not None


def _unnoticed(world: World, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    error = context.get("exception")
    if not world.ended and isinstance(error, Exception):
        world.bug(str(context.get("message")), error)
