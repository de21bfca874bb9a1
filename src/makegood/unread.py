"""What an application leaves unread of a request's body is read and thrown away before the answer begins.

A connection serves its next request only when the body of the last was read to its end (RFC 9112, section 9.3). With a
body unread the server (granian 2.8.7) closes without a word, and the client's next request fails; so a connection that
is not to be kept is said to close.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any, Final

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = Sequence[tuple[bytes, bytes]]

SECONDS: Final = 2.0
"""For which an answer waits for the rest of a body."""
MOST_BYTES: Final = 16 * 1024 * 1024
"""Most bytes that are read of it; of a body that announces more, none is."""
CLOSE: Final = (b"connection", b"close")
REQUEST_TIMEOUT: Final = 408


class DiscardsUnread:
    """An ASGI application in front of `app`; requests without a body pass it untouched."""

    def __init__(self, app: App) -> None:
        self._app = app

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Answers a request as `app` does, whose own coroutine is returned: one more around it would cost each wait."""
        if scope["type"] == "http" and _has_body(scope["headers"]):
            body = _Body(scope["headers"], receive, send)
            receive, send = body.receive, body.send
        return self._app(scope, receive, send)


class _Body:
    """A request's body on its way to the application, and the answer on its way back."""

    __slots__ = ("_answered", "_begun", "_ended", "_headers", "_left", "_readers", "_receive", "_send")

    def __init__(self, headers: Headers, receive: Receive, send: Send) -> None:
        self._headers = headers
        self._receive = receive
        self._send = send
        self._begun = self._ended = self._answered = False
        self._readers = 0
        self._left: Message | None = None

    async def receive(self) -> Message:
        """The server's next message; that the client left is told again to whoever asks later."""
        if self._left is not None:
            return self._left
        self._begun = True
        self._readers += 1
        try:
            message = await self._receive()
        finally:
            self._readers -= 1
        if message["type"] != "http.request":
            self._ended, self._left = True, message
        elif not message.get("more_body", False):
            self._ended = True
        return message

    def send(self, message: Message) -> Awaitable[None]:
        """Sends; an answer begins when the body was read to its end, or is too much."""
        if self._ended or self._answered or message["type"] != "http.response.start":
            return self._send(message)
        self._answered = True
        return self._start(message)

    async def _start(self, message: Message) -> None:
        if self._is_worth_reading(message["status"]):
            await self._discard()
        if not self._ended:
            message["headers"] = [*message.get("headers", ()), CLOSE]
        await self._send(message)

    def _is_worth_reading(self, status: int) -> bool:
        # Whoever reads at this moment goes on reading: two readers would rob each other.
        if self._readers or status == REQUEST_TIMEOUT:
            return False
        for name, value in self._headers:
            if name == b"expect" and not self._begun:  # the client holds the body back, and reading would call for it
                return False
            if name == b"content-length" and value.isdigit() and int(value) > MOST_BYTES:
                return False
        return True

    async def _discard(self) -> None:
        size = 0
        try:
            async with asyncio.timeout(SECONDS):
                while not self._ended and size <= MOST_BYTES:
                    size += len((await self.receive()).get("body", b""))
        except TimeoutError:
            return


def _has_body(headers: Headers) -> bool:
    for name, value in headers:
        if name == b"content-length":
            return value != b"0"
        if name == b"transfer-encoding":
            return True
    return False
