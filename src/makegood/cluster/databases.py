"""The cluster's databases: a schema for each service, brought to the revision that the code expects, and opened."""

from collections.abc import Iterator
from typing import NamedTuple

from makegood.config import ConfigError
from makegood.engine.database.migrations import migrate, missing_revisions
from makegood.engine.database.mysql import MysqlDatabase, create_schema, sqlalchemy_url
from makegood.engine.executor import Executors
from makegood.engine.service import Service
from makegood.engine.world import World
from makegood.shop.assembly import CLASSES, migrations_of


class Migrated(NamedTuple):
    """What became of a service's schema."""

    service: str
    changed: bool


def migrate_all(url: str) -> Iterator[Migrated]:
    """Creates and migrates each service's schema, one after the other. Raises DatabaseError."""
    for service in CLASSES:
        create_schema(url, service.name)
        changed = migrate(sqlalchemy_url(url, service.name), service.schema, migrations_of(service))
        yield Migrated(service.name, changed)


def open_database(url: str, world: World, service: Service | type[Service]) -> MysqlDatabase:
    """A service's database. Raises DatabaseUnavailable, and ConfigError when its revision is not the code's."""
    kind = service if isinstance(service, type) else type(service)
    missing = missing_revisions(sqlalchemy_url(url, kind.name), kind.schema, migrations_of(kind))
    if missing:
        raise ConfigError(f"the database of {kind.name} lacks {', '.join(missing)}: run `makegood migrate`")
    return MysqlDatabase.open(url, kind.name, world, Executors.threads(kind.name))
