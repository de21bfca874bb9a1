"""A web server that answers as a test says, and keeps what it was asked."""

import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple


class Asked(NamedTuple):
    """A request; header names in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


class Reply(NamedTuple):
    """An answer; `cut` closes the connection in place of it."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = {}
    cut: bool = False


class Peer:
    """The server's end."""

    def __init__(self, answering: Callable[[Asked], Reply]) -> None:
        self.answering: Callable[[Asked], Reply] = answering
        self.asked: list[Asked] = []
        self.url = ""


@contextmanager
def peer(answering: Callable[[Asked], Reply]) -> Generator[Peer]:
    """It listens on the loopback for as long as the block."""
    known = Peer(answering)

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", "0")))
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = Asked(self.command, self.path, headers, body)
            known.asked.append(asked)
            reply = known.answering(asked)
            if reply.cut:
                self.close_connection = True
                return
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            if reply.status != 204:
                self.send_header("content-length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)

        do_GET = do_POST = _answer  # noqa: N815 - as http.server calls them

        def log_message(self, format: str, *args: object) -> None:
            """Keeps the test's output quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    known.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield known
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
