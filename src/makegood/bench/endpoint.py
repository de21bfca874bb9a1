"""The floors of HTTP: endpoints on the shop's own server that do as little as can be.

    python -m makegood.bench.endpoint PORT READY [DATABASE KEY]

Without a DATABASE, POST /STATUS/SIZE has its body read and is answered with that status and so many bytes. With one,
a callback's signature is verified with the platform's public key (the PEM file KEY), one row is stored, and the
answer is `success` once it is on disk. READY is a file that is there once it listens.
"""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable
from functools import lru_cache
from pathlib import Path
from typing import cast
from urllib.parse import parse_qsl

import apsw
import uvloop
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from makegood.engine.heap import settle_heap
from makegood.engine.time_limits import TimeLimits
from makegood.shop.payments.gateways.alipay_signing import check_notification
from makegood.web.app import WebApp
from makegood.web.asgi import Receive, Reply, Scope, Send, header, read_body, send_reply
from makegood.web.server import serve

LIMIT = 256 * 1024
"""Most bytes of a request."""
SUCCESS = Reply(200, b"success", b"text/plain; charset=utf-8")
TABLE = "CREATE TABLE notices (notify_id TEXT PRIMARY KEY, number TEXT, trade_no TEXT, amount TEXT) WITHOUT ROWID"
INSERT = "INSERT INTO notices VALUES (?, ?, ?, ?)"
Answer = Callable[[Scope, bytes], Awaitable[Reply]]
Row = tuple[str, str, str, str]


class Endpoint:
    """The ASGI application: reads a body, and sends what `answer` says."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._limits = TimeLimits()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request."""
        body = await read_body(receive, LIMIT, header(scope["headers"], b"content-length"), limits=self._limits)
        await send_reply(send, await self._answer(scope, body))

    def drain(self) -> None:
        """Nothing is kept open."""


async def empty(scope: Scope, _body: bytes) -> Reply:
    """Nothing, of the size that the path says."""
    return _reply(scope["path"])


class Verified:
    """Callbacks with a good signature, one row each; all that wait share a commit."""

    def __init__(self, database: Path, key: RSAPublicKey) -> None:
        self._key = key
        self._connection = apsw.Connection(str(database))
        for pragma in ("journal_mode=WAL", "synchronous=FULL"):
            self._connection.execute(f"PRAGMA {pragma}")
        self._connection.execute(TABLE)
        self._waiting: list[tuple[Row, asyncio.Future[None]]] = []
        self._committing: asyncio.Task[None] | None = None

    async def __call__(self, _scope: Scope, body: bytes) -> Reply:
        """Success, once the row is on disk. Raises Unproven for a bad signature."""
        fields = dict(parse_qsl(body.decode(), True, True))
        check_notification(fields, self._key)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        row = (fields["notify_id"], fields["out_trade_no"], fields["trade_no"], fields["total_amount"])
        self._waiting.append((row, done))
        if self._committing is None:
            self._committing = asyncio.get_running_loop().create_task(self._commit_all())
        await done
        return SUCCESS

    async def _commit_all(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            await asyncio.get_running_loop().run_in_executor(None, self._insert, [row for row, _ in batch])
            for _, done in batch:
                done.set_result(None)
        self._committing = None

    def _insert(self, rows: list[Row]) -> None:
        with self._connection:
            self._connection.executemany(INSERT, rows)


@lru_cache(maxsize=64)
def _reply(path: str) -> Reply:
    _, status, size = path.split("/")
    return Reply(int(status), b" " * int(size), headers=((b"location", b"/api/orders/1234567890123456789"),))


def _answer(arguments: list[str]) -> Answer:
    if not arguments:
        return empty
    key = load_pem_public_key(Path(arguments[1]).read_bytes())
    assert isinstance(key, RSAPublicKey)
    return Verified(Path(arguments[0]), key)


async def main() -> None:
    """Serves until a signal comes, or the input ends."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    loop.add_reader(sys.stdin.fileno(), stop.set)
    # `serve` calls the application and drains it, as it does the shop's.
    settle_heap()  # as the shop does
    app = cast("WebApp", Endpoint(_answer(sys.argv[3:])))
    await serve(app, "127.0.0.1", int(sys.argv[1]), stop=stop, on_listening=Path(sys.argv[2]).touch)


if __name__ == "__main__":
    uvloop.run(main())
