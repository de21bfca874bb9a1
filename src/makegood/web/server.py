"""Serves the application in this process's own event loop, and stops without cutting anybody off.

granian's embedded server says of itself that it is experimental. What it needs, found by trying (2.8.7):

- a busy port ends in a panic of its Rust side, so the port is tried before;
- it tells nobody that it listens, so a connection is tried until one is accepted;
- an open stream would block its stop for ever, so the application ends its streams first;
- its stop waits for requests without limit, so the wait is bounded here.
"""

import asyncio
import logging
import resource
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, Protocol

from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server

GRACE = 10.0
"""Seconds that accepted requests get to finish when the server stops."""
START = 10.0
"""Seconds within which the server must listen."""
IDLE = 75_000
"""Milliseconds after which a connection without a request is closed."""
BACKLOG = 1_024
"""Connections that wait to be accepted."""
CONNECTIONS = 4_096
"""Most requests at once; more wait to be accepted."""
OTHER_FILES = 256
"""File descriptors left to databases and clients."""

log = logging.getLogger(__name__)


class PortBusy(OSError):
    """The port cannot be listened on; the message says why."""


class ServerFailed(Exception):
    """The HTTP server ended by itself; the log says why. Start the shop again."""


class Application(Protocol):
    """What is served."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answers a request, as ASGI says."""
        ...

    def drain(self) -> None:
        """Ends what would go on for ever, and says not ready: the server stops."""
        ...


def free_port(host: str, port: int, *, else_any: bool = False) -> int:
    """The port if nobody listens on it; 0, or `else_any` when it is taken, gives one that is free. Raises PortBusy."""
    try:
        return _bound(host, port)
    except OSError as error:
        if else_any:
            return _bound(host, 0)
        raise PortBusy(
            f"cannot listen on {host}:{port} ({error.strerror or error}): "
            "stop what uses the port, or choose another with --port"
        ) from error


async def serve(
    app: Application,
    host: str,
    port: int,
    *,
    stop: asyncio.Event,
    on_listening: Callable[[], object],
    grace: float = GRACE,
) -> None:
    """Serves until `stop` is set; calls `on_listening` once connections are accepted.

    On stop no new connection is accepted, event streams end, accepted requests get `grace` seconds, idle
    connections are closed. Raises PortBusy, and ServerFailed when the server does not start or ends by itself.
    """
    free_port(host, port)
    address = _address(host, port)
    server = Server(
        app,
        address,
        port,
        interface=Interfaces.ASGI,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=IDLE),
        websockets=False,
        backlog=BACKLOG,
        backpressure=_most_connections(),
        log_enabled=False,
    )
    serving = asyncio.create_task(server.serve())
    try:
        await _listening(address, port, serving)
        on_listening()
        await _stopped(stop, serving)
    finally:
        app.drain()
        await _shut(server, serving, grace)


@asynccontextmanager
async def serving(app: Application, host: str, port: int, stop: asyncio.Event) -> AsyncGenerator[None]:
    """Serves while entered, once connections are accepted; raises as `serve` does."""
    listening = asyncio.Event()
    work = serve(app, host, port, stop=stop, on_listening=listening.set)
    server = asyncio.get_running_loop().create_task(work, name="http")
    try:
        await _either(listening, server)
        yield
    finally:
        stop.set()
        with suppress(asyncio.CancelledError):
            await server


async def _either(listening: asyncio.Event, server: "asyncio.Task[None]") -> None:
    """Waits until the server listens; raises what it died of."""
    while not listening.is_set():
        if server.done():
            await server
        await asyncio.sleep(0.01)


def _bound(host: str, port: int) -> int:
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, socket.SOCK_STREAM) as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.bind(address)
        return one.getsockname()[1]


def _address(host: str, port: int) -> str:
    return str(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][4][0])


def _most_connections() -> int:
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return CONNECTIONS if files == resource.RLIM_INFINITY else max(64, min(CONNECTIONS, files - OTHER_FILES))


async def _listening(address: str, port: int, serving: "asyncio.Task[None]") -> None:
    end = asyncio.get_running_loop().time() + START
    while not await _accepts(address, port):
        if serving.done() or asyncio.get_running_loop().time() > end:
            raise _failed(serving)
        await asyncio.sleep(0.01)


async def _accepts(address: str, port: int) -> bool:
    try:
        async with asyncio.timeout(1.0):
            _, writer = await asyncio.open_connection(address, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return True


async def _stopped(stop: asyncio.Event, serving: "asyncio.Task[None]") -> None:
    waiting = asyncio.ensure_future(stop.wait())
    serving.add_done_callback(lambda _: waiting.cancel())
    try:
        await waiting
    except asyncio.CancelledError:
        if serving.done():
            raise _failed(serving) from None
        raise


async def _shut(server: Server, serving: "asyncio.Task[None]", grace: float) -> None:
    if serving.done():
        return
    server.stop()
    try:
        async with asyncio.timeout(grace):
            # Cancelled, the server would fail noisily when its last request ends.
            await asyncio.shield(serving)
    except TimeoutError:
        log.warning("requests still run %s s after the stop; they are cut off when the process ends", grace)


def _failed(serving: "asyncio.Task[None]") -> ServerFailed:
    error = serving.exception() if serving.done() and not serving.cancelled() else None
    return ServerFailed(f"the HTTP server does not run ({error or 'it ended'}): start the shop again")
