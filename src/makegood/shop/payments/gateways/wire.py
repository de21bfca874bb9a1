"""One request to a platform and its answer, within bounds: alike for every platform.

A request that did not arrive, for the connection was refused or had been let go, is made once more at the next host
there is; so is one that a host with others beside it answers with 5xx. Any other failure is the caller's, whose task
makes the call again with back-off.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple
from urllib.parse import urlsplit

import httpx

from makegood.shop.payments.gateways.port import GatewayUnavailable

MAX_ANSWER = 256 * 1024
"""Largest answer that is read, in bytes, unless a call expects more."""
MAX_TIMEOUT = 60.0
"""Longest timeout that may be configured, in seconds."""
MAX_HOSTS = 3
"""Most hosts of one platform."""
_NOT_ARRIVED = (httpx.ConnectError, httpx.ConnectTimeout, httpx.RemoteProtocolError)
_SERVER_ERROR = 500


class Request(NamedTuple):
    """A request as it is sent; `body` None has none."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None = None


class Received(NamedTuple):
    """An answer, read to its end."""

    status: int
    headers: httpx.Headers
    body: bytes


Build = Callable[[str], Awaitable[Request]]
"""Makes a request to the host it is given; each try is built, and signed, for itself."""


class Wire:
    """The way to one platform, which is called `name`: its hosts in the order in which they are asked.

    `timeout` (seconds) bounds a whole call, all tries together.
    """

    def __init__(self, http: httpx.AsyncClient, name: str, hosts: Sequence[str], timeout: float) -> None:
        self._http = http
        self._name = name
        self._hosts = tuple(hosts) if len(hosts) > 1 else (hosts[0], hosts[0])
        self._others = len(hosts) > 1
        self._timeout = timeout

    async def send(self, build: Build, limit: int = MAX_ANSWER) -> Received:
        """The answer, whatever its status, of at most `limit` bytes. Raises GatewayUnavailable."""
        try:
            async with asyncio.timeout(self._timeout):
                return await self._tried(build, limit)
        except TimeoutError as error:
            raise GatewayUnavailable(f"{self._name} gave no answer in {self._timeout} s: try again") from error
        except httpx.HTTPError as error:
            raise GatewayUnavailable(f"{self._name} is out of reach, try again: {error!r}") from error
        except (httpx.InvalidURL, ValueError) as error:
            raise GatewayUnavailable(f"{self._name} cannot be asked at an address that is none: {error}") from error

    async def _tried(self, build: Build, limit: int) -> Received:
        *tried, last = self._hosts
        for host in tried:
            with suppress(*_NOT_ARRIVED):
                received = await self._send(await build(host), limit)
                if received.status < _SERVER_ERROR or not self._others:
                    return received
        return await self._send(await build(last), limit)

    async def _send(self, request: Request, limit: int) -> Received:
        # A host that takes no connection must leave the next one its share of the time.
        timeout = httpx.Timeout(None, connect=self._timeout / (len(self._hosts) + 1)) if self._others else None
        built = self._http.build_request(
            request.method, request.url, content=request.body, headers=request.headers, timeout=timeout
        )
        response = await self._http.send(built, stream=True, follow_redirects=False)
        try:
            return Received(response.status_code, response.headers, await self._read(response, limit))
        finally:
            await response.aclose()

    async def _read(self, response: httpx.Response, limit: int) -> bytes:
        body = bytearray()
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > limit:
                raise GatewayUnavailable(f"an answer of more than {limit} bytes is not {self._name}'s: try again")
        return bytes(body)


def hosts_of(setting: str, name: str) -> tuple[str, ...]:
    """The addresses that a setting names, divided by spaces, without a slash at the end. Raises ValueError."""
    hosts = tuple(one.rstrip("/") for one in setting.split())
    if not hosts:
        raise ValueError(f"{name} gateway is empty: give its URL, https://…")
    for host in hosts:
        check_url(host, f"{name} gateway")
    if len(hosts) > MAX_HOSTS:
        raise ValueError(f"{name} gateway names {len(hosts)} addresses: give at most {MAX_HOSTS}")
    return hosts


def check_url(address: str, name: str) -> None:
    """Raises ValueError unless it is an http address."""
    url = urlsplit(address)
    if url.scheme not in ("https", "http") or not url.hostname or url.port == 0 or not address.isprintable():
        raise ValueError(f"{name} {address!r}: give its URL, https://…")


def check_timeout(timeout: float, name: str) -> None:
    """Raises ValueError outside 0 to `MAX_TIMEOUT` seconds."""
    if not 0 < timeout <= MAX_TIMEOUT:
        raise ValueError(f"{name} timeout of {timeout} s: give more than 0 and at most {MAX_TIMEOUT:g}")
