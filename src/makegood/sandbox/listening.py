"""The address: found free before the HTTP server takes it, which reports a busy one with a Rust backtrace."""

import asyncio
import ipaddress
import socket
from typing import Final, NamedTuple

import httpx

from .directory import SandboxError

MAX_PORT: Final = 65_535
READY_TRIES: Final = 800
READY_PAUSE_SECONDS: Final = 0.025


class Address(NamedTuple):
    """An address that was free a moment ago."""

    ip: str
    port: int

    @property
    def url(self) -> str:
        """How this machine reaches it."""
        ip = ipaddress.ip_address(self.ip)
        if ip.is_unspecified:
            ip = ipaddress.ip_address("127.0.0.1" if ip.version == 4 else "::1")
        return f"http://[{ip}]:{self.port}" if ip.version == 6 else f"http://{ip}:{self.port}"


def free_address(host: str, port: int) -> Address:
    """The host's address, and the port (0: any free one); raises SandboxError when it cannot be listened on."""
    if not 0 <= port <= MAX_PORT:
        raise SandboxError(f"There is no port {port}: choose a --port from 1 to {MAX_PORT}, or 0 for a free one.")
    try:
        family, _, _, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(where)
            probe.listen(1)
            return Address(str(where[0]), probe.getsockname()[1])
    except OSError as error:
        raise SandboxError(
            f"The sandbox cannot listen on {host} port {port} ({error}): choose another --port, or 0 for a free one."
        ) from error


async def answers(url: str) -> None:
    """Returns when the server answers; raises SandboxError when it does not within twenty seconds."""
    async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
        for _ in range(READY_TRIES):
            try:
                if (await client.get(f"{url}/healthz")).is_success:
                    return
            except httpx.TransportError:
                await asyncio.sleep(READY_PAUSE_SECONDS)
    raise SandboxError(f"The sandbox does not answer at {url}: is another program on that port?")
