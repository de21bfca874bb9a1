"""Clients that watch their connection closely: one that never opens a second one, and one that never ends its body."""

import http.client
import select
import socket
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import NamedTuple
from urllib.parse import urlsplit

SECONDS = 20.0
CHUNK = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"


class Refused(NamedTuple):
    """A request that is refused with this status whatever its body is."""

    method: str
    path: str
    status: int
    headers: Mapping[str, str] = {}


class Ending(NamedTuple):
    """How a connection ended: the answer's bytes, seconds until then, bytes of body sent."""

    answer: bytes
    seconds: float
    sent: int


def refuse_all(url: str, requests: Sequence[Refused], sizes: Sequence[int], rounds: int) -> int:
    """Sends each request with a body of each size, stated and in chunks, over one connection; how many were answered.

    Raises what http.client raises when the server closes the connection, for a second one is never opened.
    """
    parts = urlsplit(url)
    client = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=SECONDS)
    client.connect()
    client.auto_open = 0
    answered = 0
    for _ in range(rounds):
        for one in requests:
            for size in sizes:
                for body in (b"x" * size, iter([b"x" * size])):
                    client.request(one.method, one.path, body, one.headers)
                    with client.getresponse() as answer:
                        answer.read()
                    assert (answer.status, answer.getheader("connection")) == (one.status, None), (one, size)
                    answered += 1
    client.close()
    return answered


def withhold_body(url: str, method: str, path: str, *headers: str) -> Ending:
    """Announces a body with these headers, never sends it, and waits until the server closes."""
    with _opened(url, method, path, headers) as connection:
        began = time.monotonic()
        answer = b"".join(_received(connection))
        return Ending(answer, time.monotonic() - began, 0)


def pour(url: str, method: str, path: str, most: int) -> Ending:
    """Sends chunks without end, until the answer comes or `most` bytes are sent; then reads the answer."""
    with _opened(url, method, path, ["Transfer-Encoding: chunked"]) as connection:
        began, sent = time.monotonic(), 0
        with suppress(ConnectionError):  # closed between the look and the sending; what came before can still be read
            while sent < most and not select.select([connection], [], [], 0)[0]:
                connection.sendall(CHUNK)
                sent += 0x10000
        return Ending(connection.recv(65_536), time.monotonic() - began, sent)


@contextmanager
def _opened(url: str, method: str, path: str, headers: Sequence[str]) -> Generator[socket.socket]:
    parts = urlsplit(url)
    head = "\r\n".join([f"{method} {path} HTTP/1.1", "Host: shop", *headers, "", ""])
    with socket.create_connection((str(parts.hostname), parts.port), timeout=SECONDS) as connection:
        connection.sendall(head.encode())
        yield connection


def _received(connection: socket.socket) -> Iterator[bytes]:
    while data := connection.recv(65_536):
        yield data
