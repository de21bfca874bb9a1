"""Runs the floors in processes of their own, each beside the case that it belongs to."""

import shutil
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec

from makegood.bench.children import child, last_words, wait_for_file
from makegood.bench.errors import BenchError
from makegood.bench.generator import Generator, NextRequest
from makegood.bench.plan import FloorFigures, RowsSeen, plan
from makegood.bench.process import usage
from makegood.bench.results import HttpFloor, SqlFloor
from makegood.web.server import free_port

START = 30.0
"""Seconds that the endpoint may take to listen."""
LONGEST = 300.0
"""Seconds that raw SQL may take."""
WARM = 0.3
"""Seconds of requests before an endpoint is measured."""
OK = 200


async def sql_floor(folder: Path, shop: Path, seen: RowsSeen, commits: Mapping[str, float], orders: int) -> SqlFloor:
    """Writes the same rows in as many commits; the shop is stopped and lends its schema. Raises BenchError."""
    place = folder / "floor"
    place.mkdir()
    given, result, log = place / "plan", place / "result", folder / "floor.log"
    given.write_bytes(msgspec.msgpack.encode(plan(place, shop, seen, commits, orders)))
    try:
        async with child("makegood.bench.floor", [str(given), str(result)], log) as process:
            await wait_for_file(result, process, log, LONGEST)
            figures = msgspec.msgpack.decode(result.read_bytes(), type=FloorFigures)
    finally:
        shutil.rmtree(place)
    return SqlFloor(
        orders=figures.orders,
        per_second=figures.orders / figures.seconds,
        cpu_us=figures.cpu / figures.orders * 1e6,
        rows={file: rows / figures.orders for file, rows in figures.rows.items()},
        commits={file: count / figures.orders for file, count in figures.commits.items()},
    )


async def http_floor(
    folder: Path, request: bytes, status: int, size: int, connections: int, seconds: float
) -> HttpFloor:
    """Drives an empty endpoint with the same request over as many connections. Raises BenchError."""
    empty = f"POST /{status}/{size} ".encode() + request[request.index(b"HTTP/1.1") :]
    async with endpoint(folder) as served:
        return await served.drive(repeated(empty), repeated(empty), connections, seconds, status)


async def verified_floor(
    folder: Path, key: str, requests: Sequence[bytes], warm: int, connections: int, seconds: float
) -> HttpFloor:
    """Drives an endpoint that verifies a callback and stores one row; the first `warm` callbacks are not measured.

    Raises BenchError.
    """
    place = folder / "verified"
    place.mkdir()
    (place / "key").write_text(key)
    try:
        async with endpoint(folder, str(place / "notices.db"), str(place / "key")) as served:
            return await served.drive(
                one_by_one(requests[:warm]), one_by_one(requests[warm:]), connections, seconds, OK
            )
    finally:
        shutil.rmtree(place)


def repeated(request: bytes) -> NextRequest:
    """The same request for ever."""
    return lambda: request


def one_by_one(requests: Sequence[bytes]) -> NextRequest:
    """Each of these once."""
    left = iter(requests)
    return lambda: next(left, None)


@asynccontextmanager
async def endpoint(folder: Path, *arguments: str) -> "AsyncGenerator[Served]":
    """An endpoint in a process of its own, until the block ends."""
    port = free_port("127.0.0.1", 0)
    ready, log = folder / "endpoint.ready", folder / "endpoint.log"
    ready.unlink(missing_ok=True)
    async with child("makegood.bench.endpoint", [str(port), str(ready), *arguments], log) as process:
        await wait_for_file(ready, process, log, START)
        yield Served(f"http://127.0.0.1:{port}", process.pid, log)


class Served(NamedTuple):
    """A floor's endpoint that listens."""

    url: str
    pid: int
    log: Path

    async def drive(
        self, warm: NextRequest, requests: NextRequest, connections: int, seconds: float, status: int
    ) -> HttpFloor:
        """What a request costs; every answer must have this status. Raises BenchError."""
        generator = Generator(self.url)
        try:
            await generator.open(connections)
            await generator.drive(warm, WARM)
            before, client = usage(self.pid), time.process_time()
            driven = await generator.drive(requests, seconds)
            used, client = usage(self.pid).since(before), time.process_time() - client
        finally:
            generator.close()
        if set(driven.statuses) != {status}:
            raise BenchError(f"the floor's endpoint answered {dict(driven.statuses)}: {last_words(self.log)}")
        cpu, client_cpu = used.cpu / driven.answers * 1e6, client / driven.answers * 1e6
        return HttpFloor(driven.per_second, cpu, client_cpu, driven.percentile(0.99) * 1e3)
