"""Requests that no decent client sends, straight into the ASGI application."""

import asyncio
from collections.abc import MutableMapping, Sequence
from typing import Any, NamedTuple

from makegood.web.app import WebApp

Message = MutableMapping[str, Any]


class RawAnswer(NamedTuple):
    """What the application sent."""

    status: int
    headers: dict[str, str]
    body: bytes


def scope_of(method: str, path: str, headers: Sequence[tuple[bytes, bytes]]) -> Message:
    """A request's scope as granian makes it."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": list(headers),
        "client": ("127.0.0.1", "50000"),
        "server": ("127.0.0.1", "8000"),
        "root_path": "",
        "state": {},
    }


async def ask(
    app: WebApp,
    method: str,
    path: str,
    headers: Sequence[tuple[bytes, bytes]] = (),
    chunks: Sequence[bytes] = (b"",),
    *,
    disconnects: bool = False,
) -> RawAnswer:
    """The answer to a body in these chunks; with `disconnects` the client leaves instead of ending it."""
    sent: list[Message] = []
    messages: list[Message] = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    if disconnects:
        messages.append({"type": "http.disconnect"})
    else:
        messages[-1]["more_body"] = False

    async def receive() -> Message:
        if messages:
            return messages.pop(0)
        return await asyncio.Future[Message]()

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope_of(method, path, headers), receive, send)
    answered = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return RawAnswer(sent[0]["status"], answered, b"".join(one.get("body", b"") for one in sent[1:]))
