"""One HTTP request, asked again for as long as the shop is away.

Every request of a replay is harmless to repeat, so a lost answer is simply asked for again. Connections are
kept alive and bounded. aiohttp costs 0.1 ms of CPU a request here, httpx 3 ms with 64 requests in flight.
"""

import asyncio
from collections.abc import Mapping
from types import TracebackType

import aiohttp
import msgspec
from yarl import URL

from makegood.replay.errors import ShopError, ShopUnavailableError

REQUEST_TIMEOUT = 120.0
GLANCE_TIMEOUT = 5.0
ANSWER_LIMIT = 32 * 1024 * 1024
_FIRST_WAIT, _LONGEST_WAIT = 0.05, 2.0


class Request(msgspec.Struct, frozen=True):
    """What is asked; `url` is absolute."""

    method: str
    url: URL
    headers: Mapping[str, str]
    body: bytes = b""


class Answer(msgspec.Struct, frozen=True):
    """What came back."""

    status: int
    body: bytes


class _AwayError(Exception):
    """The shop is away, or says it is too busy; `wait` is what it asks for, in seconds."""

    def __init__(self, why: str, wait: float = 0.0) -> None:
        super().__init__(why)
        self.wait = wait


class Transport:
    """Sends requests over at most `connections` connections; `patience` seconds bound each one's retries."""

    def __init__(self, connections: int, patience: float = 60.0) -> None:
        self._patience = patience
        self._connector = aiohttp.TCPConnector(limit=connections)
        self._session = aiohttp.ClientSession(
            connector=self._connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=REQUEST_TIMEOUT),
        )
        self.retries = 0

    async def __aenter__(self) -> "Transport":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def send(self, request: Request) -> Answer:
        """The answer, of any status up to 500 (500 is a bug in the shop; asking again would not help).

        Waits while connections are refused or reset, and on 503 and its like, as long as Retry-After says.
        Raises ShopUnavailableError when that lasts for `patience` seconds, ShopError on what is no HTTP.
        """
        clock = asyncio.get_running_loop().time
        give_up, wait = clock() + self._patience, _FIRST_WAIT
        while True:
            try:
                return await self._once(request)
            except _AwayError as away:
                pause = min(max(wait, away.wait), _LONGEST_WAIT)
                if clock() + pause > give_up:
                    raise self._gone(request, away) from away
            self.retries += 1
            await asyncio.sleep(pause)
            wait = min(wait * 2, _LONGEST_WAIT)

    async def glance(self, url: URL) -> Answer | None:
        """What is at this address, asked for once; None when nobody answers within seconds. Raises ShopError."""
        try:
            async with asyncio.timeout(GLANCE_TIMEOUT):
                return await self._once(Request("GET", url, {}))
        except (_AwayError, TimeoutError):
            return None

    async def _once(self, request: Request) -> Answer:
        try:
            async with self._session.request(
                request.method,
                request.url,
                data=request.body or None,
                headers=request.headers,
                allow_redirects=False,
            ) as response:
                return await _read(response)
        except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, TimeoutError) as error:
            raise _AwayError(str(error) or type(error).__name__) from error
        except aiohttp.ClientError as error:
            raise ShopError(f"{request.url} does not speak HTTP as expected: {error}") from error

    def _gone(self, request: Request, away: _AwayError) -> ShopUnavailableError:
        return ShopUnavailableError(
            f"{request.url.origin()} was away for {self._patience:.0f} s ({away}): "
            "start the shop, then run the same command again; it goes on where it was"
        )


async def _read(response: aiohttp.ClientResponse) -> Answer:
    if (response.content_length or 0) > ANSWER_LIMIT:
        raise ShopError(f"{response.url} answered more than {ANSWER_LIMIT} bytes: ask for smaller pages")
    body = await response.read()
    if response.status > 500:
        raise _AwayError(f"HTTP {response.status}", _seconds(response.headers.get("Retry-After", "")))
    return Answer(response.status, body)


def _seconds(retry_after: str) -> float:
    return float(retry_after) if retry_after.isascii() and retry_after.isdigit() else 0.0
