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
import uvloop
from granian.constants import Interfaces
from granian.server.embed import Server

from . import settings
from .alipay.merchant import Account, Merchant, new_account
from .alipay.signing import Signer
from .app import build_app
from .cashier_page import CASHIER_PATH
from .clock import MAX_SPEED, Anchor, Clock
from .database import in_file
from .directory import SandboxError, locked, write_privately
from .faults import Faults
from .listening import Address, answers, free_address
from .notifier import SENDERS
from .platform import Platform, Surroundings, build
from .posting import http_post
from .retention import keep_pruning
from .store import Store, Transaction

MAX_REQUESTS: Final = 1024
PARENT_LOOK_SECONDS: Final = 0.5
STOP_SECONDS: Final = 10.0


class Remembered(NamedTuple):
    """What the data folder says about the sandbox itself."""

    account: Account
    anchor: Anchor | None
    faults: Faults


def run_sandbox(
    data: Path,
    host: str,
    port: int,
    clock_speed: float = 1.0,
    *,
    allow_remote_notify: bool = False,
    parent: int | None = None,
) -> None:
    """Runs the sandbox as this process and prints its URL; raises SandboxError when it cannot.

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
        on_ready=lambda url: print(f"The payment sandbox listens at {url}", flush=True),
    )
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(running)


async def serve(
    data: Path,
    host: str,
    port: int,
    *,
    clock_speed: float = 1.0,
    allow_remote_notify: bool = False,
    parent: int | None = None,
    on_ready: Callable[[str], None],
) -> None:
    """Runs the sandbox in `data` until SIGTERM or SIGINT, or until `parent` is no longer this process's parent.

    One virtual second passes in 1 / `clock_speed` real ones. `on_ready` is told the URL when the server listens and
    sandbox.json is written. Raises SandboxError when the folder or the port cannot be used.
    """
    if not 0 < clock_speed <= MAX_SPEED:
        raise SandboxError(f"--clock-speed must be above 0 and at most {MAX_SPEED}, not {clock_speed}.")
    with locked(data):
        (data / "sandbox.json").unlink(missing_ok=True)
        address = free_address(host, port)
        stop = _stop_event()
        clock = Clock.at_world_time()
        store = _open_store(data / "sandbox.sqlite", clock)
        try:
            async with (
                _running(store.run(), stop),
                _running(_watch(parent), stop),
                _platform(store, clock, clock_speed, address, remote_notify=allow_remote_notify) as platform,
                _running(platform.notifier.run(), stop),
                _running(keep_pruning(store), stop),
            ):
                await _listen(platform, address, data, stop, on_ready)
        finally:
            store.close()


def _open_store(path: Path, clock: Clock) -> Store:
    try:
        return Store(in_file(path), clock)
    except (apsw.Error, OSError) as error:
        raise SandboxError(f"{path} cannot be used ({error}): move it away, or choose another --data.") from error


@asynccontextmanager
async def _platform(
    store: Store, clock: Clock, speed: float, address: Address, *, remote_notify: bool
) -> AsyncGenerator[Platform]:
    remembered = await _recall(store, clock, speed)
    merchant = Merchant(remembered.account)
    around = Surroundings(address.url + CASHIER_PATH, remote_notify=remote_notify)
    with closing(Signer(merchant.platform_key)) as signer:
        async with http_post(SENDERS) as post:
            yield build(store, clock, merchant, signer, post, remembered.faults, around)


async def _recall(store: Store, clock: Clock, speed: float) -> Remembered:
    """What was stored; the clock goes on from there, at the speed that is asked for now."""
    remembered = await store.write(_remember)
    clock.anchor = remembered.anchor or clock.anchor
    clock.set_speed(speed)
    await store.write(lambda tx: settings.save(tx, "clock", clock.anchor))
    return remembered


def _remember(tx: Transaction) -> Remembered:
    """What was stored; a merchant is made at the first start, and never again."""
    account = settings.load(tx, "alipay", Account)
    if account is None:
        account = new_account()
        settings.save(tx, "alipay", account)
    return Remembered(account, settings.load(tx, "clock", Anchor), settings.load(tx, "faults", Faults) or Faults())


async def _listen(
    platform: Platform, address: Address, data: Path, stop: asyncio.Event, on_ready: Callable[[str], None]
) -> None:
    """Serves until stopped; the requests that are being answered then are still answered."""
    server = Server(
        build_app(platform),
        address=address.ip,
        port=address.port,
        interface=Interfaces.ASGI,
        backlog=MAX_REQUESTS,
        backpressure=MAX_REQUESTS,
        websockets=False,
        log_enabled=False,
    )
    async with _running(_served(server, address), stop, end=server.stop):
        await answers(address.url)
        if not stop.is_set():
            alipay = platform.merchant.settings(address.url)
            write_privately(data / "sandbox.json", {"url": address.url, "alipay": alipay})
            on_ready(address.url)
        await stop.wait()


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
