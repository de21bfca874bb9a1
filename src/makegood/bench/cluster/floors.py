"""Runs the floor of a cluster's rows in a process of its own, against the same MariaDB."""

import shutil
from pathlib import Path

import msgspec

from makegood.bench.children import child, wait_for_file
from makegood.bench.cluster.floor import READY, SCHEMAS, URL
from makegood.bench.cluster.plan import planned_rows
from makegood.bench.cluster.results import ServerFloor
from makegood.bench.cluster.site import Site
from makegood.bench.floors import LONGEST
from makegood.bench.plan import FloorFigures, Plan

MODULE = "makegood.bench.cluster.floor"


async def server_floor(folder: Path, site: Site, plan: Plan) -> ServerFloor:
    """Writes what the plan says. Raises BenchError."""
    place = Path(plan.folder)
    place.mkdir()
    given, result, log = place / "plan", place / "result", folder / "floor.log"
    given.write_bytes(msgspec.msgpack.encode(plan))
    server = site.program("mariadb")
    try:
        async with child(MODULE, [str(given), str(result)], log, {URL: site.database_of(SCHEMAS)}) as process:
            await wait_for_file(place / READY, process, log, LONGEST)
            before = server.usage()
            assert process.stdin is not None
            process.stdin.write(b"\n")
            await wait_for_file(result, process, log, LONGEST)
            used = server.usage().since(before)
            figures = msgspec.msgpack.decode(result.read_bytes(), type=FloorFigures)
    finally:
        shutil.rmtree(place)
    return ServerFloor(
        orders=figures.orders,
        per_second=figures.orders / figures.seconds,
        client_us=figures.cpu / figures.orders * 1e6,
        server_us=used.cpu / figures.orders * 1e6,
        rows=planned_rows(plan),
        commits={service: count / figures.orders for service, count in figures.commits.items()},
    )
