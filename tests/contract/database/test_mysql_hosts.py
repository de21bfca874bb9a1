"""Two processes of one service on one MySQL schema, with all that the engine writes there beside the service."""

import asyncio
from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path

import pytest

from makegood.engine.broker.embedded import EmbeddedBroker
from makegood.engine.deadline import Deadline
from makegood.engine.executor import InlineExecutor, ThreadExecutor
from makegood.engine.host import Host
from makegood.engine.service import Service
from makegood.engine.world import SystemWorld
from tests.contract.database.mysql_server import MysqlPlace, with_tables
from tests.support.faulty import FaultyDatabase
from tests.unit.engine.tills import BOOKS, ENTRIES, PRINTS, SUMS, TAKE, TILL, Books, Take, Taken, Till

pytestmark = pytest.mark.cluster
NUMBERS = 300
SECONDS = 60.0
Places = dict[str, MysqlPlace]


class SharedBroker(EmbeddedBroker):
    """Goes on when one of its processes stops."""

    async def close(self) -> None:
        """Another process needs it."""


@pytest.fixture
def places() -> Generator[Places]:
    """The schemas of both services."""
    with ExitStack() as stack:
        yield {schema.service: stack.enter_context(with_tables(schema)) for schema in (TILL, BOOKS)}


def host_over(places: Places, broker: EmbeddedBroker, printed: list[int], faults: float) -> Host:
    """One process with both services; so many of its transactions fail."""
    world, till = SystemWorld(), Till()
    till.printer = printed.append

    def database(service: Service) -> FaultyDatabase:
        found = FaultyDatabase(places[service.name].open(world), world)
        found.faults.rate = faults
        return found

    return Host([till, Books()], database=database, broker=broker, world=world, compute=InlineExecutor(), alone=False)


def column(place: MysqlPlace, table: str) -> list[int]:
    """The numbers in a table, in order."""
    return [number for (number,) in place.query(f"SELECT number FROM {table} ORDER BY number")]


@pytest.mark.parametrize("faults", [0.0, 0.05])
async def test_two_processes(places: Places, tmp_path: Path, faults: float) -> None:
    """Numbers that both processes take at once are taken, entered and printed once, and both give one receipt."""
    world, printed = SystemWorld(), list[int]()
    broker = SharedBroker.open(tmp_path / "broker.db", world, ThreadExecutor("broker"))
    hosts = [host_over(places, broker, printed, faults) for _ in range(2)]
    for host in hosts:
        await host.start()

    async def take(host: Host, number: int) -> Taken:
        return await host.call(TAKE, Take(number, number % 10 == 0), Deadline.after(SECONDS))

    numbers = list(range(NUMBERS))
    answers = await asyncio.gather(*(take(host, number) for number in numbers for host in hosts))
    assert [answer.receipt for answer in answers[::2]] == [answer.receipt for answer in answers[1::2]]
    assert len({answer.receipt for answer in answers}) == NUMBERS
    async with asyncio.timeout(SECONDS):
        while len(column(places["books"], ENTRIES.name)) < NUMBERS or len(column(places["till"], PRINTS.name)) < 30:
            await asyncio.sleep(0.1)
    for host in hosts:
        await host.stop()
    await EmbeddedBroker.close(broker)
    assert column(places["till"], SUMS.name) == column(places["books"], ENTRIES.name) == numbers
    assert column(places["till"], PRINTS.name) == sorted(set(printed)) == numbers[::10]
    assert faults or places["till"].query("SELECT message_id FROM outbox") == []
