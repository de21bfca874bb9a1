"""The two requests of every payment, answered below the framework, which costs 0.25 ms of CPU for each of them.

They are the form posted to the gateway, and the cashier's button pressed by a program. Whatever is not plainly one of
them, with a body of a stated and allowed length, is the framework's: it knows how to refuse.
"""

import logging
from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from typing import Any, Final, NamedTuple

import msgspec

from .alipay.gateway import Gateway
from .alipay.merchant import GATEWAY_PATH
from .cashier import Cashier
from .cashier_page import CASHIER_PATH, HEADERS, MAX_FORM_BYTES, action_of, as_json
from .store import StoreBusyError

MAX_REQUEST_BYTES: Final = 256 * 1024
JSON: Final = "application/json"
JSON_UTF8: Final = "application/json; charset=utf-8"

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

log = logging.getLogger(__name__)


class Reply(NamedTuple):
    """A whole answer."""

    status: int
    content_type: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


class HotRoutes:
    """An ASGI application in front of `app`."""

    def __init__(self, app: App, gateway: Gateway, cashier: Cashier) -> None:
        self._app = app
        self._gateway = gateway
        self._cashier = cashier

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request, or passes it on."""
        answering = self._answering(scope)
        if answering is None:
            await self._app(scope, receive, send)
            return
        body = await _body(receive)
        if body is not None:
            await _send(send, await _guarded(answering(body)))

    def _answering(self, scope: Scope) -> Callable[[bytes], Awaitable[Reply]] | None:
        if scope["type"] != "http" or scope["method"] != "POST":
            return None
        headers = dict[bytes, bytes](scope["headers"])
        path: str = scope["path"]
        if path == GATEWAY_PATH and _states_at_most(headers, MAX_REQUEST_BYTES):
            return lambda body: self._at_gateway(scope["query_string"], body)
        code = path.removeprefix(CASHIER_PATH)
        plain = code != path and "/" not in code and JSON.encode() in headers.get(b"accept", b"")
        if plain and _states_at_most(headers, MAX_FORM_BYTES):
            return lambda body: self._at_cashier(code, body)
        return None

    async def _at_gateway(self, query: bytes, body: bytes) -> Reply:
        return Reply(HTTPStatus.OK, JSON_UTF8, await self._gateway.answer(query, body))

    async def _at_cashier(self, code: str, body: bytes) -> Reply:
        view = await self._cashier.act(code, action_of(body))
        return Reply(view.status, JSON, msgspec.json.encode(as_json(view)), tuple(HEADERS.items()))


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


async def _body(receive: Receive) -> bytes | None:
    """The body, which the server lets be no longer than stated; None when the caller has gone."""
    body = b""
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return body


async def _send(send: Send, reply: Reply) -> None:
    headers = [(b"content-type", reply.content_type.encode()), (b"content-length", b"%d" % len(reply.body))]
    headers += [(name.lower().encode(), value.encode()) for name, value in reply.headers]
    await send({"type": "http.response.start", "status": int(reply.status), "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})
