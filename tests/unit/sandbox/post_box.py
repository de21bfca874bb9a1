"""A shop's callback address that keeps headers and bodies as they came, and answers as it is told."""

import queue
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple


class Arrived(NamedTuple):
    """A notification."""

    headers: Mapping[str, str]
    body: bytes


class PostBox:
    """Where notifications arrive."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.status = 204
        self.answer = b""
        self.queue: queue.Queue[Arrived] = queue.Queue()

    def next(self, seconds: float = 15) -> Arrived:
        """The next notification."""
        return self.queue.get(timeout=seconds)

    def silent_for(self, seconds: float) -> bool:
        """Whether nothing arrives for that long."""
        try:
            self.queue.get(timeout=seconds)
        except queue.Empty:
            return True
        return False


@contextmanager
def post_box() -> Generator[PostBox]:
    """A callback address on the loopback, for as long as the block."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            box.queue.put(Arrived(dict(self.headers.items()), body))
            self.send_response(box.status)
            if box.status != 204:
                self.send_header("Content-Length", str(len(box.answer)))
            self.end_headers()
            self.wfile.write(box.answer)

        def log_message(self, format: str, *args: object) -> None:
            """Keeps the test's output quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    box = PostBox(f"http://127.0.0.1:{server.server_port}/notify")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield box
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
