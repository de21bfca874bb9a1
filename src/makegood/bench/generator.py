"""The load generator: a closed loop, so each connection sends its next request when the last one is answered.

It speaks just enough HTTP/1.1 (RFC 9112) for the servers measured here: keep-alive, answers with a Content-Length. A
general client would cost more CPU a request than the server it measures.
"""

import asyncio
import time
from array import array
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import urlsplit

from makegood.bench.errors import BenchError

MAX_HEAD = 16 * 1024
"""Most bytes of an answer's head."""
MAX_BODY = 1024 * 1024
"""Most bytes of an answer's body."""
MAX_EXAMPLES = 3
"""Most answers of each status that are kept for the report."""
CONNECT_TIMEOUT = 10.0
"""Seconds for a connection to be made."""
ANSWER_TIMEOUT = 30.0
"""Seconds behind the end of a run within which the last answers must have come."""
CONNECTING = 64
"""Connections that are made at once."""

NextRequest = Callable[[], bytes | None]
"""The next request's bytes; None when there is no more."""


@dataclass
class Driven:
    """What came of one run; `latencies` in seconds, `seconds` from the first request to the end of sending."""

    seconds: float = 0.0
    latencies: "array[float]" = field(default_factory=lambda: array("d"))
    statuses: Counter[int] = field(default_factory=Counter[int])
    in_time: int = 0
    """Answers that came before the end of sending; the others came later, and are in all other figures."""
    answer_bytes: int = 0
    """Bytes of all bodies."""
    examples: dict[int, list[bytes]] = field(default_factory=dict[int, list[bytes]])

    @property
    def answers(self) -> int:
        """How many answers came."""
        return len(self.latencies)

    @property
    def per_second(self) -> float:
        """Answers a second while requests were sent."""
        return self.in_time / self.seconds if self.seconds else 0.0

    def percentile(self, part: float) -> float:
        """Seconds within which this part (0 to 1) of the answers came; 0 without answers."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(len(ordered) * part))] if ordered else 0.0


def merged(parts: Sequence[Driven]) -> Driven:
    """What came of several runs together; they ran at the same time."""
    whole = Driven(seconds=max(one.seconds for one in parts))
    for one in parts:
        whole.latencies.extend(one.latencies)
        whole.statuses.update(one.statuses)
        whole.in_time += one.in_time
        whole.answer_bytes += one.answer_bytes
        for status, examples in one.examples.items():
            whole.examples.setdefault(status, []).extend(examples)
    return whole


class Generator:
    """Keep-alive connections to one server, over which runs are driven one after another."""

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        self._host, self._port = address.hostname or "127.0.0.1", address.port or 80
        self._connections: list[_Connection] = []

    async def open(self, connections: int) -> None:
        """Opens so many connections; raises BenchError when the server does not take them."""
        room = asyncio.Semaphore(CONNECTING)
        self._connections = list(await asyncio.gather(*(self._connect(room) for _ in range(connections))))

    def close(self) -> None:
        """Ends every connection."""
        for connection in self._connections:
            connection.end()
        self._connections = []

    async def drive(self, next_request: NextRequest, seconds: float | None = None) -> Driven:
        """Sends until `seconds` have passed, or there is no more; returns when all answers have come.

        Raises BenchError when an answer is not understood, a connection ends or an answer does not come.
        """
        run = _Run(next_request, asyncio.get_running_loop(), len(self._connections))
        for connection in self._connections:
            connection.begin(run)
        await self._sent(run, seconds)
        run.stop()
        await self._answered(run)
        return run.driven

    async def _sent(self, run: "_Run", seconds: float | None) -> None:
        try:
            async with asyncio.timeout(seconds):
                await asyncio.shield(run.ended)
        except TimeoutError:
            return

    async def _answered(self, run: "_Run") -> None:
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT):
                await run.ended
        except TimeoutError as error:
            raise BenchError(f"answers did not come within {ANSWER_TIMEOUT:.0f} s: look at the shop's log") from error

    async def _connect(self, room: asyncio.Semaphore) -> "_Connection":
        try:
            async with room, asyncio.timeout(CONNECT_TIMEOUT):
                loop = asyncio.get_running_loop()
                _, connection = await loop.create_connection(_Connection, self._host, self._port)
        except (OSError, TimeoutError) as error:
            raise BenchError(
                f"{self._host}:{self._port} takes no more connections ({error}): allow more open files (ulimit -n) "
                "or give fewer --buyers"
            ) from error
        return connection


class _Run:
    """One run over all connections."""

    def __init__(self, next_request: NextRequest, loop: asyncio.AbstractEventLoop, connections: int) -> None:
        self.driven = Driven()
        self.clock = time.perf_counter  # uvloop's own clock counts whole milliseconds
        self.began = self.clock()
        self.ended: asyncio.Future[None] = loop.create_future()
        self.next = next_request
        self._busy = connections
        self._stopped = False

    def next_request(self) -> bytes | None:
        return None if self._stopped else self.next()

    def stop(self) -> None:
        if not self._stopped:
            self._stopped = True
            self.driven.seconds = self.clock() - self.began
            self.driven.in_time = self.driven.answers

    def idle(self) -> None:
        self._busy -= 1
        if self._busy == 0:
            self.stop()
            if not self.ended.done():
                self.ended.set_result(None)

    def fail(self, why: str) -> None:
        if not self.ended.done():
            self.ended.set_exception(BenchError(why))

    def answered(self, status: int, body: bytes, seconds: float) -> None:
        driven = self.driven
        driven.latencies.append(seconds)
        driven.statuses[status] += 1
        driven.answer_bytes += len(body)
        if driven.statuses[status] <= MAX_EXAMPLES:
            driven.examples.setdefault(status, []).append(body)


class _Connection(asyncio.Protocol):
    """One connection: at most one request is under way."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._run: _Run | None = None
        self._buffer = b""
        self._sent_at = 0.0
        self._ending = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none of asyncio's classes

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._run is not None and not self._ending:
            self._run.fail(f"the server ended a connection ({exc or 'closed'}): look at its log")

    def data_received(self, data: bytes) -> None:
        self._buffer = self._buffer + data if self._buffer else data
        head = self._buffer.find(b"\r\n\r\n")
        if head < 0:
            if len(self._buffer) > MAX_HEAD:
                self._fail("an answer's head does not end")
            return
        length = _content_length(self._buffer[:head])
        if length is None or length > MAX_BODY:
            self._fail(f"an answer without a usable Content-Length: {self._buffer[:100]!r}")
            return
        end = head + 4 + length
        if len(self._buffer) == end:
            self._answered(int(self._buffer[9:12]), self._buffer[head + 4 :])
        elif len(self._buffer) > end:
            self._fail("more came than was asked for")

    def begin(self, run: _Run) -> None:
        self._run = run
        self._send_next(run)

    def end(self) -> None:
        self._ending = True
        if self._transport is not None:
            self._transport.close()

    def _answered(self, status: int, body: bytes) -> None:
        run = self._run
        assert run is not None, "the server speaks without being asked"
        run.answered(status, body, run.clock() - self._sent_at)
        self._buffer = b""
        self._send_next(run)

    def _send_next(self, run: _Run) -> None:
        request = run.next_request()
        if request is None:
            self._run = None
            run.idle()
        elif self._transport is None:
            run.fail("the server ended a connection: look at its log")
        else:
            self._sent_at = run.clock()
            self._transport.write(request)

    def _fail(self, why: str) -> None:
        if self._run is not None:
            self._run.fail(f"{why}: this is no server that the bench knows")


def _content_length(head: bytes) -> int | None:
    lowered = head.lower()
    begin = lowered.find(b"\r\ncontent-length:")
    if begin < 0:
        return None
    end = lowered.find(b"\r\n", begin + 2)
    value = lowered[begin + 17 : end if end > 0 else len(lowered)].strip()
    return int(value) if value.isdigit() else None
