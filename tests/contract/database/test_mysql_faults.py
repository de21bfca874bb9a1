"""MySQL that goes away: nothing that was answered is lost, nothing happens twice, and the connection comes back."""

import asyncio
import os
import signal
import socket
import threading
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import contextmanager, suppress

import MySQLdb
import pytest

from makegood.engine.database.mysql import MysqlAddress, MysqlDatabase
from makegood.engine.database.mysql.connection import PING_AFTER, MysqlConnection, Session
from makegood.engine.database.mysql.errors import translated
from makegood.engine.database.transaction import Transaction
from makegood.engine.errors import DatabaseUnavailable, DuplicateKey
from makegood.engine.execution import Execution
from makegood.engine.executor import Executors, InlineExecutor
from makegood.engine.world import SystemWorld
from tests.cluster.servers import MariaDb, OwnMariaDb
from tests.contract.database.mysql_server import MysqlPlace, with_tables
from tests.contract.database.tables import COUNTERS, SCHEMA, Counter
from tests.support.world import ManualWorld

pytestmark = pytest.mark.cluster
SECONDS = 60.0


@pytest.fixture
async def database(place: MysqlPlace) -> AsyncGenerator[MysqlDatabase]:
    """A database with its own three connections."""
    database = place.open(SystemWorld())
    yield database
    database.close()


def enter(tx: Transaction, numbers: Sequence[int]) -> list[bool]:
    """Adds counters once; says whether each was new."""
    known = tx.lock(COUNTERS, numbers)
    tx.insert(COUNTERS, [Counter(number, 1) for number in dict.fromkeys(numbers) if number not in known])
    return [number not in known for number in numbers]


async def numbers(database: MysqlDatabase) -> list[int]:
    """The counters that there are."""
    return [row.id for row in await database.read(lambda reader: reader.page(COUNTERS, limit=10_000))]


async def test_connections_killed_between(place: MysqlPlace, database: MysqlDatabase) -> None:
    """After the server has ended every connection, the next use fails once at most, and then they are back."""
    await database.write(lambda tx: enter(tx, [1]))
    assert await numbers(database) == [1]
    assert await database.survey(lambda reader: len(reader.page(COUNTERS, limit=9))) == 1
    for thread in place.threads():
        place.query(f"KILL {thread}")
    for use in (database.write, database.read, database.survey):
        with pytest.raises(DatabaseUnavailable, match="check that it runs"):
            await use(lambda tx: tx.page(COUNTERS, limit=9))
        assert len(await use(lambda tx: tx.page(COUNTERS, limit=9))) == 1
    await database.write(lambda tx: enter(tx, [2]))
    assert await numbers(database) == [1, 2]


async def test_killed_in_a_transaction(place: MysqlPlace, database: MysqlDatabase) -> None:
    """A transaction whose connection is killed half way runs again, and takes effect once."""
    runs: list[int] = []

    def work(tx: Transaction, batch: Sequence[int]) -> list[bool]:
        runs.append(len(runs))
        answers = enter(tx, batch)
        tx.lock(COUNTERS, batch)
        if len(runs) == 1:
            for thread in place.threads():
                place.query(f"KILL {thread}")
        return answers

    assert await Execution(database, SystemWorld(), []).run(work, [1, 2, 3]) == [True, True, True]
    assert len(runs) == 2
    assert await numbers(database) == [1, 2, 3]


async def test_quiet_connection_is_tried_first(place: MysqlPlace) -> None:
    """A connection that the server ended while nobody used it is replaced before it is used: nothing fails."""
    world = ManualWorld()
    database = place.open(world)
    await database.write(lambda tx: enter(tx, [1]))
    for thread in place.threads():
        place.query(f"KILL {thread}")
    world.advance(PING_AFTER + 1)
    assert await database.write(lambda tx: enter(tx, [1, 2])) == [False, True]
    database.close()


class Wire:
    """Carries bytes between a client and the server; `cut` may end the connection at a packet from the client.

    It says, of each packet, None (let it pass), False (lose it) or True (deliver it, and lose the answer).
    """

    def __init__(self, server: MariaDb, cut: Callable[[bytes], bool | None]) -> None:
        self._server, self._cut = server, cut
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._door.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Lets nobody in any more."""
        self._door.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._door.accept()
                server = socket.create_connection((self._server.host, self._server.port))
                lost = threading.Event()
                threading.Thread(target=self._up, args=(client, server, lost), daemon=True).start()
                threading.Thread(target=self._down, args=(server, client, lost), daemon=True).start()

    def _up(self, client: socket.socket, server: socket.socket, lost: threading.Event) -> None:
        with suppress(OSError), client, server:
            while data := client.recv(1 << 20):
                verdict = self._cut(data)
                if verdict is not None:
                    lost.set()
                    if verdict:
                        server.sendall(data)
                        server.recv(1)  # it has done it
                    for end in (client, server):
                        end.shutdown(socket.SHUT_RDWR)
                    return
                server.sendall(data)

    def _down(self, server: socket.socket, client: socket.socket, lost: threading.Event) -> None:
        with suppress(OSError):
            while not lost.is_set() and (data := server.recv(1 << 20, socket.MSG_PEEK)):
                if not lost.is_set():
                    client.sendall(server.recv(len(data)))


@contextmanager
def wired(place: MysqlPlace, cut: Callable[[bytes], bool | None]) -> Generator[MysqlDatabase]:
    """A database behind a wire."""
    wire = Wire(place.server, cut)
    behind = place._replace(server=place.server._replace(port=wire.port))
    database = behind.open(SystemWorld(), Executors.all(InlineExecutor()))
    yield database
    database.close()
    wire.close()


@pytest.mark.parametrize("delivered", [False, True])
async def test_commit_without_an_answer(place: MysqlPlace, delivered: bool) -> None:
    """A commit whose answer was lost runs again and takes effect once, whether the server had it or not."""
    commits: list[bytes] = []

    def cut(packet: bytes) -> bool | None:
        if packet.endswith(b"COMMIT"):
            commits.append(packet)
            return delivered if len(commits) == 1 else None
        return None

    with wired(place, cut) as database:
        answers = await Execution(database, SystemWorld(), []).run(enter, [1, 2])
        assert answers == [not delivered] * 2
        assert len(commits) == 2
        rows = database.look(lambda reader: reader.page(COUNTERS, limit=9))
    assert rows == [Counter(1, 1), Counter(2, 1)]


async def test_answer_that_does_not_come(place: MysqlPlace) -> None:
    """A server that says nothing is given up after the session's time, and another connection is made."""
    world = ManualWorld()
    session = Session("READ COMMITTED", answer=1)
    connection = MysqlConnection(MysqlAddress.parse(place.url, place.service), session, world)
    connection.ready()
    with pytest.raises(DatabaseUnavailable, match="check that it runs"):
        await asyncio.wait_for(asyncio.to_thread(connection.execute, b"SELECT SLEEP(3)"), 2.5)
    with pytest.raises(DatabaseUnavailable, match="connection was lost"):
        connection.execute(b"SELECT 1")
    connection.ready()
    assert connection.execute(b"SELECT 1;SELECT 2") == [((1,),), ((2,),)]
    connection.close()


async def test_server_killed() -> None:
    """kill -9 of the server under load: what was answered is there after its restart, each once, and work goes on."""
    with OwnMariaDb() as own, with_tables(SCHEMA, own.address) as place:
        database = place.open(SystemWorld())
        execution = Execution(database, SystemWorld(), [])
        answered: list[int] = []
        stop = asyncio.Event()

        async def buyer(first: int) -> None:
            for number in range(first, first + 100_000):
                if stop.is_set():
                    return
                with suppress(DatabaseUnavailable):
                    await execution.run_one(enter, number)
                    answered.append(number)

        buyers = [asyncio.create_task(buyer(at * 100_000)) for at in range(8)]
        await asyncio.sleep(0.5)
        await asyncio.to_thread(own.kill, "mariadb")
        before = len(answered)
        with pytest.raises(DatabaseUnavailable, match="check that it runs"):
            await database.read(lambda reader: reader.page(COUNTERS, limit=1))
        await asyncio.to_thread(own.start, "mariadb")
        async with asyncio.timeout(SECONDS):
            while len(answered) < before + 50:
                await asyncio.sleep(0.05)
        stop.set()
        await asyncio.gather(*buyers)
        assert before > 0
        assert set(answered) <= set(await numbers(database))
        database.close()


async def test_server_that_stands_still() -> None:
    """A server that is stopped, not dead, holds a call up no longer than the session's time."""
    with OwnMariaDb() as own, with_tables(SCHEMA, own.address) as place:
        address = MysqlAddress.parse(place.url, place.service)
        connection = MysqlConnection(address, Session("READ COMMITTED", answer=1), ManualWorld())
        connection.ready()
        pid = int((own.site.folder / "mariadb" / "data" / "mariadb.pid").read_text())
        os.kill(pid, signal.SIGSTOP)
        try:
            with pytest.raises(DatabaseUnavailable):
                await asyncio.wait_for(asyncio.to_thread(connection.execute, b"SELECT 1"), 5)
            with pytest.raises(DatabaseUnavailable):
                await asyncio.wait_for(asyncio.to_thread(connection.ready), 20)
        finally:
            os.kill(pid, signal.SIGCONT)
        connection.ready()
        assert connection.execute(b"SELECT 1") == [((1,),)]
        connection.close()


async def test_no_server(place: MysqlPlace) -> None:
    """A server that is not there, or does not let one in, is a database that is away; the password is not told."""
    for url, advice in (
        ("mysql://me:secret@127.0.0.1:1/makegood", "can be reached"),
        (f"mysql://me:secret@127.0.0.1:{place.server.port}/makegood", "check user and password"),
    ):
        database = MysqlDatabase.open(url, "stock", SystemWorld(), Executors.all(InlineExecutor()))
        with pytest.raises(DatabaseUnavailable, match=advice) as refused:
            await database.write(lambda tx: tx.page(COUNTERS, limit=1))
        assert "secret" not in str(refused.value)
        database.close()


async def test_schema_that_is_not_there(place: MysqlPlace) -> None:
    """A schema that was not created says how to create it."""
    database = place._replace(prefix="makegood_absent").open(SystemWorld(), Executors.all(InlineExecutor()))
    with pytest.raises(DatabaseUnavailable, match="makegood migrate"):
        await database.read(lambda reader: reader.page(COUNTERS, limit=1))
    database.close()


def test_kinds_of_errors() -> None:
    """A duplicate key, a database that is away, and a bug are told apart by MySQL's numbers."""

    def kind(error: MySQLdb.Error) -> object:
        return type(translated(error, "here"))

    assert kind(MySQLdb.IntegrityError(1062, "Duplicate entry")) is DuplicateKey
    for number in (1021, 1040, 1053, 1114, 1205, 1213, 1290, 1317, 2002, 2006, 2013, 2055, 3024, 9007):
        assert kind(MySQLdb.OperationalError(number, "x")) is DatabaseUnavailable, number
    assert kind(MySQLdb.InterfaceError(0, "")) is DatabaseUnavailable
    for number in (1048, 1054, 1064, 1146, 1264, 1366, 1406):
        assert kind(MySQLdb.ProgrammingError(number, "x")) is type(None), number


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("postgres://a:b@c/d", "no MySQL URL"),
        ("mysql://host/d", "no MySQL URL"),
        ("mysql://u:p@h:99999/d", "no usable port"),
        ("mysql://u:p@h/d-e", "would name a schema"),
        ("mysql://u:p@h/" + "d" * 60, "at most 64"),
        ("mysql://u:p@h/d?ssl=1", "nobody reads"),
    ],
)
def test_bad_urls(url: str, told: str) -> None:
    """A URL that cannot be meant is refused with what is wrong."""
    with pytest.raises(ValueError, match=told):
        MysqlAddress.parse(url, "stock")


def test_urls() -> None:
    """User and password may be percent-escaped, port and prefix left out, the address an IPv6 one."""
    assert MysqlAddress.parse("mysql://u%40x:p%3A%2Fw@db:3307/shop", "stock") == MysqlAddress(
        "db", 3307, "u@x", "p:/w", "shop_stock"
    )
    assert MysqlAddress.parse("mysql://u@[::1]", "points") == MysqlAddress("::1", 3306, "u", "", "makegood_points")
    assert "secret" not in repr(MysqlAddress.parse("mysql://u:secret@db", "stock"))
