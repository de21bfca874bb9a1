"""What is answered below the framework, which costs 0.25 ms of CPU for each request: everything platforms are asked.

The two requests of every payment are the form posted to Alipay's gateway, and the cashier's button pressed by a
program. Whatever is not plainly one of those, with a body of a stated and allowed length, is the framework's: it knows
how to refuse.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from functools import partial
from http import HTTPStatus
from typing import Any, Final

import msgspec
from litestar.exceptions import HTTPException

from .alipay.door import AlipayDoor
from .alipay.gateway import Gateway
from .alipay.merchant import GATEWAY_PATH
from .calls import JSON, MAX_REQUEST_BYTES, Call, Reply
from .cashier import Cashier
from .cashier_page import CASHIER_PATH, HEADERS, MAX_FORM_BYTES, action_of, as_json
from .doors import Door, troubled
from .faults import Kind, Trouble
from .store import StoreBusyError

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

BODY_SECONDS: Final = 10.0
_LATE: Final = "Send the whole body within ten seconds."
_CLOSES: Final = (("Connection", "close"),)

log = logging.getLogger(__name__)


class HotRoutes:
    """An ASGI application in front of `app`; `doors` are the other platforms', by the beginning of their paths."""

    def __init__(
        self, app: App, gateway: Gateway, cashier: Cashier, doors: Mapping[str, Door], trouble: Trouble
    ) -> None:
        self._app = app
        self._gateway = gateway
        self._cashier = cashier
        self._doors = doors
        self._alipay = AlipayDoor(gateway)
        self._trouble = trouble

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request, or passes it on."""
        if door := self._door(scope):
            await self._at_door(door, scope, receive, send)
            return
        answering = self._answering(scope)
        if answering is None:
            await self._app(scope, receive if scope["type"] != "http" else _Hurried(receive), send)
            return
        body = await _body(receive)
        await _send(send, body if isinstance(body, Reply) else await _guarded(answering(body)))

    def _door(self, scope: Scope) -> Door | None:
        """Whose door it is that is knocked at; Alipay's only when something may go wrong there."""
        if scope["type"] != "http":
            return None
        path: str = scope["path"]
        if path == GATEWAY_PATH:
            return self._alipay if self._trouble.faults.rules else None
        return self._doors.get(path[:4])

    async def _at_door(self, door: Door, scope: Scope, receive: Receive, send: Send) -> None:
        body = await _body(receive)
        if isinstance(body, Reply):
            await _send(send, body)
            return
        call = _call(scope, body)
        answering = partial(_answered, door)
        if not self._trouble.faults.rules:
            await _send(send, await answering(call))
            return
        given = await troubled(self._trouble, door, call, answering)
        await _send(send, given.reply, breaks=given.breaks)

    def _answering(self, scope: Scope) -> Callable[[bytes], Awaitable[Reply]] | None:
        if scope["type"] != "http" or scope["method"] != "POST":
            return None
        headers = dict[bytes, bytes](scope["headers"])
        path: str = scope["path"]
        if path == GATEWAY_PATH and _states_at_most(headers, MAX_REQUEST_BYTES):
            return lambda body: self._gateway.reply(scope["query_string"], body)
        code = path.removeprefix(CASHIER_PATH)
        plain = code != path and "/" not in code and JSON.encode() in headers.get(b"accept", b"")
        if plain and _states_at_most(headers, MAX_FORM_BYTES):
            return lambda body: self._at_cashier(code, body)
        return None

    async def _at_cashier(self, code: str, body: bytes) -> Reply:
        view = await self._cashier.act(code, action_of(body))
        return Reply(view.status, JSON, msgspec.json.encode(as_json(view)), tuple(HEADERS.items()))


class _Hurried:
    """A body for the framework, which must come within ten seconds; what follows it may take its time."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._deadline = asyncio.get_running_loop().time() + BODY_SECONDS
        self._ended = False

    async def __call__(self) -> Message:
        """The next message. Raises HTTPException for a body that is late."""
        if self._ended:
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._deadline):
                message = await self._receive()
        except TimeoutError:
            raise HTTPException(_LATE, status_code=HTTPStatus.REQUEST_TIMEOUT) from None
        self._ended = not message.get("more_body", False)
        return message


async def _answered(door: Door, call: Call) -> Reply:
    """The door's answer; its own word for a failure when the sandbox fails."""
    try:
        return await door.answer(call)
    except Exception as error:
        log.error("A request failed.", exc_info=error)
        return await door.fail(call, Kind.SERVER_ERROR)


async def _guarded(answer: Awaitable[Reply]) -> Reply:
    try:
        return await answer
    except (StoreBusyError, TimeoutError) as error:
        return _problem(HTTPStatus.SERVICE_UNAVAILABLE, busy(error), (("Retry-After", "1"),))
    except Exception as error:
        log.error("A request failed.", exc_info=error)
        return _problem(HTTPStatus.INTERNAL_SERVER_ERROR, "The sandbox failed: its log says how.")


def busy(error: Exception) -> str:
    """What a caller is told whose request was not, or perhaps not, carried out."""
    return str(error) or "The sandbox is busy: ask what became of it, then try again."


def _problem(status: HTTPStatus, message: str, headers: tuple[tuple[str, str], ...] = ()) -> Reply:
    return Reply(status, JSON, msgspec.json.encode({"message": message}), headers)


def _states_at_most(headers: dict[bytes, bytes], limit: int) -> bool:
    stated = headers.get(b"content-length", b"")
    return stated.isdigit() and len(stated) < 10 and int(stated) <= limit


def _call(scope: Scope, body: bytes) -> Call:
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    return Call(
        scope["method"],
        scope["raw_path"].decode("latin-1"),
        scope["query_string"].decode("latin-1"),
        headers,
        body,
    )


async def _body(receive: Receive) -> bytes | Reply:
    """The body, or what is said of one that does not come within ten seconds, or breaks off."""
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await _whole(receive)
    except TimeoutError:
        return _problem(HTTPStatus.REQUEST_TIMEOUT, _LATE)


async def _whole(receive: Receive) -> bytes | Reply:
    """The body; a part above the limit, when it is longer; a refusal, which a caller who has gone does not hear."""
    body = b""
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return _problem(HTTPStatus.BAD_REQUEST, "The body broke off, or is not sent as HTTP says.", _CLOSES)
        body += message.get("body", b"")
        if not message.get("more_body", False) or len(body) > MAX_REQUEST_BYTES:
            return body


async def _send(send: Send, reply: Reply, *, breaks: bool = False) -> None:
    """Sends it; one that breaks off announces more than comes."""
    # A 204 has no body that could break off: it becomes a 200 that has.
    status = HTTPStatus.OK if breaks and reply.status == HTTPStatus.NO_CONTENT else reply.status
    length = len(reply.body) + (1 if breaks else 0)
    headers = [(b"content-type", reply.content_type.encode())]
    if status != HTTPStatus.NO_CONTENT:
        headers.append((b"content-length", b"%d" % length))
    headers += [(name.lower().encode(), value.encode()) for name, value in reply.headers]
    await send({"type": "http.response.start", "status": int(status), "headers": headers})
    await send({"type": "http.response.body", "body": b"" if breaks else reply.body, "more_body": breaks})
