"""The sandbox's process: puts its parts together, runs them, and ends cleanly."""

import asyncio
import logging
import os
import signal
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any, Final, NamedTuple

import apsw
import msgspec
import uvloop
from granian.constants import Interfaces
from granian.server.embed import Server

from . import settings
from .app import build_app
from .cashier_page import CASHIER_PATH
from .clock import MAX_SPEED, MIN_SPEED, Anchor, Clock
from .database import in_file
from .directory import SandboxError, locked, write_privately
from .faults import MAX_SEED, Faults
from .house import Accounts, House, remembered_accounts
from .listening import Address, answers, free_address
from .notifier import SENDERS
from .place import Place
from .posting import http_post
from .retention import keep_pruning
from .store import Store, Transaction

MAX_REQUESTS: Final = 1024
PARENT_LOOK_SECONDS: Final = 0.5
STOP_SECONDS: Final = 10.0


class Remembered(NamedTuple):
    """What the data folder says about the sandbox itself."""

    accounts: Accounts
    anchor: Anchor | None
    faults: Faults


class Wanted(NamedTuple):
    """What is asked for at the start; what is not stays as it was in the last run."""

    speed: float | None
    faults: Faults | None
    seed: int | None


def greeted(url: str) -> None:
    """Says that it is there."""
    print(f"The payment sandbox listens at {url}", flush=True)


def run_sandbox(
    data: Path,
    host: str,
    port: int,
    clock_speed: float | None = None,
    *,
    allow_remote_notify: bool = False,
    parent: int | None = None,
    faults: Faults | None = None,
    seed: int | None = None,
    greet: Callable[[str], None] = greeted,
) -> None:
    """Runs the sandbox as this process and has its URL told; raises SandboxError when it cannot.

    `faults` are put in force; without them, those of the last run are, drawn from `seed` if it is given. Likewise the
    clock goes on at the speed of the last run unless one is given.

    It ends at SIGTERM or SIGINT, and when `parent` is not, or no longer, its parent process. The caller says who that
    is: a parent that was killed while this process started cannot be found out any more.
    """
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    running = serve(
        data,
        host,
        port,
        clock_speed=clock_speed,
        allow_remote_notify=allow_remote_notify,
        parent=parent,
        faults=faults,
        seed=seed,
        on_ready=greet,
    )
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(running)


async def serve(
    data: Path,
    host: str,
    port: int,
    *,
    clock_speed: float | None = None,
    allow_remote_notify: bool = False,
    parent: int | None = None,
    faults: Faults | None = None,
    seed: int | None = None,
    on_ready: Callable[[str], None],
) -> None:
    """Runs the sandbox in `data` until SIGTERM or SIGINT, or until `parent` is no longer this process's parent.

    One virtual second passes in 1 / `clock_speed` real ones; `faults`, `seed` and the speed are those of the last run
    where they are not given. `on_ready` is told the URL when the server listens and sandbox.json is written. Raises
    SandboxError when the folder or the port cannot be used, or what was given cannot be.
    """
    _check(wanted := Wanted(clock_speed, faults, seed))
    with locked(data):
        address = free_address(host, port)
        (data / "sandbox.json").unlink(missing_ok=True)
        stop = _stop_event()
        clock = Clock.at_world_time()
        store = _open_store(data / "sandbox.sqlite", clock)
        try:
            async with (
                _running(store.run(), stop),
                _running(_watch(parent), stop),
                _house(data, store, clock, wanted, address, remote_notify=allow_remote_notify) as house,
                _running(house.platform.notifier.run(), stop),
                _running(keep_pruning(store), stop),
            ):
                await _listen(house, address, data, stop, on_ready)
        finally:
            store.close()


def _check(wanted: Wanted) -> None:
    if wanted.speed is not None and not MIN_SPEED <= wanted.speed <= MAX_SPEED:
        raise SandboxError(f"--clock-speed must be {MIN_SPEED} to {MAX_SPEED:g}, not {wanted.speed}.")
    if wanted.seed is not None and not 0 <= wanted.seed <= MAX_SEED:
        raise SandboxError(f"--seed must be 0 to {MAX_SEED}, not {wanted.seed}.")


def _open_store(path: Path, clock: Clock) -> Store:
    try:
        return Store(in_file(path), clock)
    except (apsw.Error, OSError) as error:
        raise SandboxError(f"{path} cannot be used ({error}): move it away, or choose another --data.") from error


@asynccontextmanager
async def _house(
    data: Path, store: Store, clock: Clock, wanted: Wanted, address: Address, *, remote_notify: bool
) -> AsyncGenerator[House]:
    remembered = await _recall(data, store, clock, wanted)
    place = Place(address.url, address.url + CASHIER_PATH, remote_notify)
    async with http_post(SENDERS) as post:
        with closing(House(store, clock, remembered.accounts, post, remembered.faults, place)) as house:
            yield house


async def _recall(data: Path, store: Store, clock: Clock, wanted: Wanted) -> Remembered:
    """What was stored; the clock goes on from there. Raises SandboxError when it cannot be read."""
    try:
        remembered = await store.write(_remember)
    except msgspec.MsgspecError as error:
        raise SandboxError(f"{data} has settings that cannot be read ({error}): choose another --data.") from error
    clock.anchor = remembered.anchor or clock.anchor
    clock.set_speed(clock.anchor.speed if wanted.speed is None else wanted.speed)
    faults = remembered.faults if wanted.faults is None else wanted.faults
    if wanted.seed is not None:
        faults = msgspec.structs.replace(faults, seed=wanted.seed)
    await store.write(lambda tx: _keep(tx, clock.anchor, faults))
    return remembered._replace(faults=faults)


def _keep(tx: Transaction, anchor: Anchor, faults: Faults) -> None:
    settings.save(tx, "clock", anchor)
    settings.save(tx, "faults", faults)


def _remember(tx: Transaction) -> Remembered:
    """What was stored; merchants are made at the first start, and never again."""
    faults = settings.load(tx, "faults", Faults) or Faults()
    return Remembered(remembered_accounts(tx), settings.load(tx, "clock", Anchor), faults)


async def _listen(
    house: House, address: Address, data: Path, stop: asyncio.Event, on_ready: Callable[[str], None]
) -> None:
    """Serves until stopped; the requests that are being answered then are still answered."""
    server = Server(
        build_app(house),
        address=address.ip,
        port=address.port,
        interface=Interfaces.ASGI,
        backlog=MAX_REQUESTS,
        backpressure=MAX_REQUESTS,
        websockets=False,
        log_enabled=False,
    )
    about = data / "sandbox.json"
    async with _running(_served(server, address), stop, end=server.stop):
        await answers(address.url)
        try:
            if not stop.is_set():
                write_privately(about, house.settings())
                on_ready(address.url)
            await stop.wait()
        finally:
            about.unlink(missing_ok=True)  # what is stopped is nowhere


async def _served(server: Server, address: Address) -> None:
    try:
        await server.serve()
    except RuntimeError as error:
        raise SandboxError(f"The sandbox cannot listen at {address.url} ({error}): choose another --port.") from error


@asynccontextmanager
async def _running(
    work: Coroutine[Any, Any, None], stop: asyncio.Event, end: Callable[[], object] | None = None
) -> AsyncGenerator[None]:
    """Runs work beside the block: when it ends or fails, all is stopped; when the block ends, it is.

    `end` asks it to end, for ten seconds at most; without it, it is cancelled.
    """
    task = asyncio.create_task(work)
    task.add_done_callback(lambda _: stop.set())
    try:
        yield
    finally:
        if end:
            end()
            await asyncio.wait([task], timeout=STOP_SECONDS)
        task.cancel()
        await asyncio.wait([task], timeout=STOP_SECONDS)
    if task.done() and not task.cancelled():
        task.result()


def _stop_event() -> asyncio.Event:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


async def _watch(parent: int | None) -> None:
    """Returns when the parent process has ended; never when there is none to watch."""
    while parent is None or os.getppid() == parent:
        await asyncio.sleep(PARENT_LOOK_SECONDS)
