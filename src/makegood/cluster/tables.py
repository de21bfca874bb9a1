"""A service's tables on MySQL, for programs without migrations. Needs the extra `cluster`."""

import sqlalchemy as sa

from makegood.config import ConfigError
from makegood.engine.database.mysql import MysqlDatabase, create_schema, sqlalchemy_url
from makegood.engine.database.mysql_migrations import alone, translated
from makegood.engine.executor import Executors
from makegood.engine.service import Service
from makegood.engine.world import World


def mysql(url: str, world: World, service: Service) -> MysqlDatabase:
    """A service's database, created with its tables if they are missing. Raises ConfigError, DatabaseError."""
    try:
        place = sqlalchemy_url(url, service.name)
    except ValueError as error:
        raise ConfigError(f"[database] {error}") from error
    create_schema(url, service.name)
    with translated(place):
        engine = sa.create_engine(place, poolclass=sa.NullPool)
        with engine.begin() as connection, alone(connection):
            service.schema.metadata.create_all(connection)
    return MysqlDatabase.open(url, service.name, world, Executors.threads(service.name))
