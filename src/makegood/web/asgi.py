"""The little of ASGI that answers below the framework: reading a body with bounds, sending a whole answer."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, MutableMapping, Sequence
from typing import Any, NamedTuple, TypeVar

import msgspec

from makegood.engine.deadline import Deadline
from makegood.engine.time_limits import TimeLimits
from makegood.web.problems import PROBLEM_JSON, Problem

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Header = tuple[bytes, bytes]
T = TypeVar("T")

BODY_TIMEOUT = 10.0
"""Seconds within which a body must have arrived."""

SECURITY: tuple[Header, ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (
        b"content-security-policy",
        b"default-src 'self'; base-uri 'none'; object-src 'none'; form-action 'self'; frame-ancestors 'none'",
    ),
)
NO_STORE: Header = (b"cache-control", b"no-store")
JSON = b"application/json"


class Reply(NamedTuple):
    """A whole answer."""

    status: int
    body: bytes
    content_type: bytes = JSON
    headers: tuple[Header, ...] = ()


def reply_of(problem: Problem) -> Reply:
    """The problem as an answer."""
    headers = tuple((name.lower().encode(), value.encode()) for name, value in problem.headers().items())
    return Reply(problem.status, problem.body(), PROBLEM_JSON.encode(), headers)


async def send_reply(send: Send, reply: Reply) -> None:
    """Sends the answer, with the headers every answer has."""
    own = ((b"content-type", reply.content_type), (b"content-length", b"%d" % len(reply.body)))
    headers = [*own, NO_STORE, *SECURITY, *reply.headers]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})


async def read_body(
    receive: Receive,
    limit: int,
    announced: bytes | None = None,
    *,
    seconds: float = BODY_TIMEOUT,
    limits: TimeLimits | None = None,
) -> bytes:
    """The body, at most `limit` bytes. Where many bodies are read at once they share `limits`.

    Raises Problem: body_too_large, incomplete_body, request_timeout.
    """
    if _announces_more(announced, limit):
        raise _too_large(limit)
    try:
        body = await _in_time(_collected(receive, limit), seconds, limits)
    except TimeoutError as error:
        raise Problem("request_timeout") from error
    if body is None:
        raise _too_large(limit)
    return body


async def _in_time(body: Coroutine[Any, Any, T], seconds: float, limits: TimeLimits | None) -> T:
    if limits is None:
        async with asyncio.timeout(seconds):
            return await body
    with limits.until(Deadline.after(seconds)):
        return await body


def _too_large(limit: int) -> Problem:
    return Problem("body_too_large", f"At most {limit} bytes are taken")


def _announces_more(announced: bytes | None, limit: int) -> bool:
    return announced is not None and announced.isdigit() and (len(announced) > 15 or int(announced) > limit)


async def _collected(receive: Receive, limit: int) -> bytes | None:
    """The body, or None when it is larger than the limit."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise Problem("incomplete_body")
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > limit:
            return None
        if not message.get("more_body", False):
            return parts[0] if len(parts) == 1 else b"".join(parts)


def check_json(content_type: bytes | None) -> None:
    """Raises Problem unless the body is said to be JSON, or nothing is said about it."""
    if content_type is None or content_type == JSON:
        return
    if content_type.split(b";", 1)[0].strip().lower() != JSON:
        raise Problem("unsupported_media_type")


def decode(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    """What the body says, types checked strictly. Raises Problem: malformed."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        message, _, place = str(error).partition(" - at ")
        raise Problem("malformed", problems=[f"{place.strip('`') or '$'}: {message}"]) from error
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise Problem("malformed", f"The body is no valid JSON: {_brief(error)}") from error


def header(headers: Sequence[Header], name: bytes) -> bytes | None:
    """The first header of this name (in lower case), or None."""
    for key, value in headers:
        if key == name:
            return value
    return None


def _brief(error: Exception) -> str:
    return "it is nested too deeply" if isinstance(error, RecursionError) else str(error)[:200]
