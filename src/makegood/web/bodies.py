"""How routes of the framework get their bodies: strictly typed, and named in the OpenAPI."""

from functools import cache
from typing import Any, TypeVar

import msgspec
from litestar import Request

from makegood.web import failures
from makegood.web.asgi import check_json, decode, header, read_body

T = TypeVar("T")

BODY = "body"
"""The handler option that names the type of the body."""
LIMIT = 256 * 1024
"""Most bytes of a body, unless a route says otherwise."""


def takes(kind: type[Any]) -> dict[str, Any]:
    """The handler option that says which body the route takes."""
    return {BODY: kind}


async def read(request: Request[Any, Any, Any], kind: type[T], limit: int = LIMIT) -> T:
    """The body. Raises Problem: unsupported_media_type, body_too_large, malformed, and as `read_body` does."""
    headers: Any = request.scope["headers"]
    check_json(header(headers, b"content-type"))
    receive: Any = request.receive
    decoder: msgspec.json.Decoder[T] = _decoder(kind)
    body = decode(decoder, await read_body(receive, limit, header(headers, b"content-length")))
    request.scope[failures.BODY] = body  # pyright: ignore[reportGeneralTypeIssues] - ASGI lets a program add its own
    return body


@cache
def _decoder(kind: type[T]) -> msgspec.json.Decoder[T]:
    return msgspec.json.Decoder(kind)
