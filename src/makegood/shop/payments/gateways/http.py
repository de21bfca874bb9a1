"""The HTTP client for payment platforms: httpx's interface, over aiohttp's connections.

httpx's own pool looks at every connection for every request: with 64 requests in flight a request costs 3.2 ms of
CPU, against 0.36 ms over aiohttp's. Its exceptions stay httpx's, told apart by whether the request may have arrived.
"""

from collections.abc import AsyncIterator, Generator, Mapping
from contextlib import contextmanager
from typing import Any

import aiohttp
import httpx
from yarl import URL

_AUTOMATIC = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")
# The first that fits, so from the particular to the general.
_MEANINGS: tuple[tuple[type[Exception], type[httpx.TransportError]], ...] = (
    (aiohttp.ConnectionTimeoutError, httpx.ConnectTimeout),
    (aiohttp.ServerTimeoutError, httpx.ReadTimeout),
    (aiohttp.ClientConnectorError, httpx.ConnectError),
    (aiohttp.ServerDisconnectedError, httpx.RemoteProtocolError),
    (aiohttp.ClientConnectionError, httpx.ReadError),
    (aiohttp.InvalidURL, httpx.UnsupportedProtocol),
    (aiohttp.ClientError, httpx.RemoteProtocolError),
)


def platform_client(connections: int) -> httpx.AsyncClient:
    """A client with at most so many connections, which takes no proxy from the environment.

    To be called in the event loop that uses it, and closed there.
    """
    return httpx.AsyncClient(transport=AiohttpTransport(connections), trust_env=False)


class AiohttpTransport(httpx.AsyncBaseTransport):
    """Sends httpx's requests over at most `connections` connections of aiohttp."""

    def __init__(self, connections: int) -> None:
        trust = httpx.create_ssl_context(trust_env=False)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=connections, ssl=trust),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=_AUTOMATIC,
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The answer, its body still to be read. Raises httpx.TransportError."""
        content = await request.aread()
        with _httpx_errors(request):
            answer = await self._session.request(
                request.method,
                URL(str(request.url), encoded=True),
                data=content or None,
                headers=request.headers.multi_items(),
                allow_redirects=False,
                timeout=_timeout(request.extensions.get("timeout", {})),
            )
        return httpx.Response(
            answer.status,
            # httpx would keep cookies and send them to whoever has the same name, and fails on one that is not ASCII.
            headers=[(name, value) for name, value in answer.raw_headers if name.lower() != b"set-cookie"],
            stream=_Body(answer, request),
            extensions={"http_version": b"HTTP/1.1", "reason_phrase": (answer.reason or "").encode("ascii", "ignore")},
        )

    async def aclose(self) -> None:
        """Closes every connection."""
        await self._session.close()


class _Body(httpx.AsyncByteStream):
    """An answer's body; closed before its end, its connection is not used again."""

    def __init__(self, answer: aiohttp.ClientResponse, request: httpx.Request) -> None:
        self._answer = answer
        self._request = request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _httpx_errors(self._request):
            async for chunk in self._answer.content.iter_any():
                yield chunk

    async def aclose(self) -> None:
        self._answer.release()


@contextmanager
def _httpx_errors(request: httpx.Request) -> Generator[None]:
    try:
        yield
    except aiohttp.ClientError as error:
        meaning = next(meaning for kind, meaning in _MEANINGS if isinstance(error, kind))
        raise meaning(str(error) or type(error).__name__, request=request) from error


def _timeout(seconds: Mapping[str, Any]) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(
        total=None,
        connect=seconds.get("pool"),
        sock_connect=seconds.get("connect"),
        sock_read=seconds.get("read"),
    )
