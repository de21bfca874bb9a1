"""Schemas of a test's own on a MySQL server. mysqlclient is imported when one is used: few machines have it."""

from __future__ import annotations

import os
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy as sa

from makegood.engine.executor import Executors
from tests.cluster.servers import MariaDb, mariadb

if TYPE_CHECKING:
    from makegood.engine.database.mysql import MysqlDatabase
    from makegood.engine.database.table import Schema
    from makegood.engine.world import World


class MysqlPlace(NamedTuple):
    """A service's schema on a server."""

    server: MariaDb
    prefix: str
    service: str

    @property
    def url(self) -> str:
        """As in the setting `database.url`."""
        return self.server.url(self.prefix)

    @property
    def sqlalchemy_url(self) -> str:
        """The schema, as migrations want it."""
        from makegood.engine.database.mysql import sqlalchemy_url

        return sqlalchemy_url(self.url, self.service)

    def open(self, world: World, executors: Executors | None = None) -> MysqlDatabase:
        """A database over it."""
        from makegood.engine.database.mysql import MysqlDatabase

        return MysqlDatabase.open(self.url, self.service, world, executors or Executors.threads(self.service))

    def query(self, text: str) -> list[tuple[Any, ...]]:
        """The rows of a statement, run and committed over a connection of its own."""
        engine = sa.create_engine(self.sqlalchemy_url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            result = connection.exec_driver_sql(text)
            return [tuple(row) for row in result] if result.returns_rows else []

    def threads(self) -> list[int]:
        """The server's numbers of the connections to this schema, but for the one that asks."""
        text = "SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()"
        return sorted(number for (number,) in self.query(text))


@contextmanager
def schema_on(server: MariaDb, service: str) -> Generator[MysqlPlace]:
    """An empty schema, dropped in the end."""
    from makegood.engine.database.mysql import create_schema

    place = MysqlPlace(server, f"makegood_test_{os.getpid()}_{os.urandom(3).hex()}", service)
    create_schema(place.url, service)
    try:
        yield place
    finally:
        drop(server, place.prefix, [service])


def drop(server: MariaDb, prefix: str, services: Sequence[str]) -> None:
    """Drops these services' schemas."""
    url = sa.URL.create("mysql+mysqldb", server.user, server.password, server.host, server.port)
    with sa.create_engine(url, poolclass=sa.NullPool).connect() as connection:
        for service in services:
            connection.exec_driver_sql(f"DROP DATABASE IF EXISTS `{prefix}_{service}`")


@contextmanager
def with_tables(schema: Schema, server: MariaDb | None = None) -> Generator[MysqlPlace]:
    """A schema with empty tables, on the shared server unless another is given."""
    with schema_on(server or mariadb(), schema.service) as place:
        engine = sa.create_engine(place.sqlalchemy_url, poolclass=sa.NullPool)
        schema.metadata.create_all(engine)
        yield place
