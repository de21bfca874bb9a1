"""One service's schema on a MySQL server, over three connections that come back by themselves."""

from typing import NamedTuple, Self, TypeVar

from makegood.engine.database.ids import IdSource
from makegood.engine.database.mysql.address import MysqlAddress
from makegood.engine.database.mysql.connection import READER, SURVEYOR, WRITER, MysqlConnection
from makegood.engine.database.mysql.transaction import MysqlTransaction
from makegood.engine.database.port import Work
from makegood.engine.executor import Executors
from makegood.engine.world import World

T = TypeVar("T")


class Connections(NamedTuple):
    """The connections to one schema, each used on one thread at a time."""

    writer: MysqlConnection
    reader: MysqlConnection
    surveyor: MysqlConnection


class MysqlDatabase:
    """Implements `Database`. Writes run READ COMMITTED with rows locked by name, reads on a snapshot of their own.

    A commit is on disk if the server flushes at commit, as it does unless told otherwise
    (innodb_flush_log_at_trx_commit = 1).
    """

    def __init__(self, connections: Connections, world: World, executors: Executors) -> None:
        self.ids = IdSource(world)
        self._connections = connections
        self._world = world
        self._executors = executors

    @classmethod
    def open(cls, url: str, service: str, world: World, executors: Executors) -> Self:
        """The service's schema, which has been migrated; connects when it is used. Raises ValueError for a bad URL."""
        address = MysqlAddress.parse(url, service)
        sessions = (MysqlConnection(address, session, world) for session in (WRITER, READER, SURVEYOR))
        return cls(Connections(*sessions), world, executors)

    async def write(self, work: Work[T]) -> T:
        """Runs `work` in a transaction; when this returns its effect is on disk."""
        return await self._executors.write.run(lambda: self.transact(work))

    async def read(self, work: Work[T]) -> T:
        """Runs `work` on a snapshot that sees every commit made before."""
        return await self._executors.read.run(lambda: self.look(work))

    async def survey(self, work: Work[T]) -> T:
        """As `read`, for what takes long: queries do not wait for it."""
        return await self._executors.survey.run(lambda: self._look(self._connections.surveyor, work))

    def transact(self, work: Work[T]) -> T:
        """The same as `write`, on the calling thread."""
        connection = self._connections.writer
        connection.ready()
        tx = MysqlTransaction(connection, self._world, self.ids)
        try:
            answer = work(tx)
            tx.commit()
        except BaseException:
            _abandon(connection, tx)
            raise
        return answer

    def look(self, work: Work[T]) -> T:
        """The same as `read`, on the calling thread."""
        return self._look(self._connections.reader, work)

    def close(self) -> None:
        """Waits for what is running and closes the connections."""
        self._executors.close()
        for connection in self._connections:
            connection.close()

    def _look(self, connection: MysqlConnection, work: Work[T]) -> T:
        connection.ready()
        tx = MysqlTransaction(connection, self._world, self.ids, reads=True)
        try:
            return work(tx)
        finally:
            _abandon(connection, tx)


def _abandon(connection: MysqlConnection, tx: MysqlTransaction) -> None:
    if tx.begun:
        connection.rollback()
