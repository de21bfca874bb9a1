"""Migrations on MySQL, where no transaction holds them together."""

import multiprocessing
import os
import signal
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import event

from makegood.engine.database.migrations import migrate, missing_revisions
from makegood.engine.database.mysql import create_schema, sqlalchemy_url
from makegood.engine.errors import DatabaseError, DatabaseUnavailable
from makegood.engine.service import Service
from makegood.shop.assembly import CLASSES, migrations_of
from makegood.shop.payments.service import Payments
from tests.cluster.servers import mariadb
from tests.contract.database.mysql_server import MysqlPlace, schema_on

pytestmark = pytest.mark.cluster
SERVICE = Payments
SCRIPTS = migrations_of(SERVICE)
REVISIONS = ["payments_0001", "payments_0002", "payments_0003", "engine_0001", "engine_0002"]
STOPS = range(1, 46, 4)
"""Before which of its statements a migration is stopped."""


class Stopped(Exception):
    """The migration was stopped."""


@pytest.fixture
def place() -> Generator[MysqlPlace]:
    """An empty schema."""
    with schema_on(mariadb(), SERVICE.name) as place:
        yield place


@contextmanager
def stopped_before(number: int, kill: bool = False) -> Generator[list[str]]:
    """Whatever runs statements in this process meanwhile is stopped before one of them; gives those that were run."""
    statements: list[str] = []

    def count(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if len(statements) == number - 1:
            if kill:
                os.kill(os.getpid(), signal.SIGKILL)
            raise Stopped
        statements.append(statement)

    event.listen(sa.Engine, "before_cursor_execute", count)
    try:
        yield statements
    finally:
        event.remove(sa.Engine, "before_cursor_execute", count)


def differences(place: MysqlPlace, service: type[Service]) -> list[Any]:
    """What a new migration would have to change."""
    engine = sa.create_engine(place.sqlalchemy_url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return compare_metadata(context, service.schema.metadata)


@pytest.mark.parametrize("service", CLASSES, ids=lambda service: service.name)
def test_migrations_make_what_the_tables_say(service: type[Service]) -> None:
    """A migrated schema has the tables, columns, types and indexes of the metadata; migrating again does nothing."""
    scripts = migrations_of(service)
    with schema_on(mariadb(), service.name) as place:
        missing = missing_revisions(place.sqlalchemy_url, service.schema, scripts)
        assert {"engine_0001", f"{service.name}_0001"} <= set(missing)
        assert migrate(place.sqlalchemy_url, service.schema, scripts)
        assert differences(place, service) == []
        assert missing_revisions(place.sqlalchemy_url, service.schema, scripts) == []
        assert not migrate(place.sqlalchemy_url, service.schema, scripts)


def test_differences_are_seen(place: MysqlPlace) -> None:
    """The comparison of these tests tells a column, its type, whether it may be NULL, and an index."""
    migrate(place.sqlalchemy_url, SERVICE.schema, SCRIPTS)
    for change, kind in (
        ("ALTER TABLE refunds MODIFY amount INT NOT NULL", "modify_type"),
        ("ALTER TABLE refunds MODIFY amount BIGINT NULL", "modify_nullable"),
        ("ALTER TABLE outbox MODIFY body BLOB NOT NULL", "modify_type"),
        ("ALTER TABLE notifications DROP COLUMN amount", "add_column"),
        ("DROP INDEX ix_payments_due_at ON payments", "add_index"),
    ):
        place.query(change)
        assert kind in str(differences(place, SERVICE)), change


@pytest.mark.parametrize("number", STOPS)
def test_stopped_between_statements(place: MysqlPlace, number: int) -> None:
    """A migration that was stopped before any of its statements is finished by the next run."""
    with stopped_before(number) as statements, pytest.raises(Stopped):
        migrate(place.sqlalchemy_url, SERVICE.schema, SCRIPTS)
    assert len(statements) == number - 1
    migrate(place.sqlalchemy_url, SERVICE.schema, SCRIPTS)
    assert differences(place, SERVICE) == []
    assert missing_revisions(place.sqlalchemy_url, SERVICE.schema, SCRIPTS) == []


def test_killed_between_statements(place: MysqlPlace) -> None:
    """A process that was killed while it migrated leaves no lock: the next one finishes what it began."""
    fork = multiprocessing.get_context("fork")
    for number in (12, 46):
        child = fork.Process(target=_migrate_and_die, args=(place.sqlalchemy_url, number))
        child.start()
        child.join(60)
        assert child.exitcode == -signal.SIGKILL
    assert "outbox" in [name for (name,) in place.query("SHOW TABLES")]
    assert missing_revisions(place.sqlalchemy_url, SERVICE.schema, SCRIPTS) == ["engine_0001", "engine_0002"]
    assert migrate(place.sqlalchemy_url, SERVICE.schema, SCRIPTS)
    assert differences(place, SERVICE) == []


def _migrate_and_die(url: str, number: int) -> None:
    with stopped_before(number, kill=True):
        migrate(url, SERVICE.schema, SCRIPTS)


def test_two_at_once(place: MysqlPlace) -> None:
    """Of processes that migrate at the same time one does it, and the others find it done."""
    context = multiprocessing.get_context("fork")
    results = context.SimpleQueue()
    children = [context.Process(target=_migrate, args=(place.sqlalchemy_url, results)) for _ in range(4)]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
    assert sorted(results.get() for _ in children) == [False, False, False, True]
    assert differences(place, SERVICE) == []


def _migrate(url: str, results: Any) -> None:
    results.put(migrate(url, SERVICE.schema, SCRIPTS))


def test_older_and_newer(place: MysqlPlace) -> None:
    """A schema that is behind names what it lacks, in order; one that is ahead is refused and left as it is."""
    assert missing_revisions(place.sqlalchemy_url, SERVICE.schema, SCRIPTS) == REVISIONS
    migrate(place.sqlalchemy_url, SERVICE.schema, SCRIPTS)
    place.query("UPDATE alembic_version SET version_num = 'payments_0001' WHERE version_num LIKE 'payments%%'")
    assert missing_revisions(place.sqlalchemy_url, SERVICE.schema, SCRIPTS) == ["payments_0002", "payments_0003"]
    place.query("UPDATE alembic_version SET version_num = 'payments_9999' WHERE version_num LIKE 'payments%%'")
    for ask in (missing_revisions, migrate):
        with pytest.raises(DatabaseError, match=r"payments_9999.*update it"):
            ask(place.sqlalchemy_url, SERVICE.schema, SCRIPTS)


def test_other_mistakes_are_told(place: MysqlPlace) -> None:
    """What is no half-done work is not passed over: it is an error that says where, without the password."""
    place.query("CREATE TABLE alembic_version (version_num INT NOT NULL PRIMARY KEY)")
    with pytest.raises(DatabaseError, match=r"mysql.*\*\*\*.*migrate again") as refused:
        migrate(place.sqlalchemy_url, SERVICE.schema, SCRIPTS)
    assert place.server.password not in str(refused.value)


def test_creating_a_schema(place: MysqlPlace) -> None:
    """A schema is created once; who may not is told what to do."""
    create_schema(place.url, SERVICE.name)
    with pytest.raises(DatabaseUnavailable, match="grant the user"):
        create_schema(place.server.url("forbidden"), SERVICE.name)
    with pytest.raises(DatabaseUnavailable, match="check user and password"):
        create_schema(place.url.replace(place.server.password, "wrong"), SERVICE.name)
    with pytest.raises(DatabaseUnavailable, match="can be reached"):
        create_schema("mysql://root@127.0.0.1:1/makegood", SERVICE.name)
    with pytest.raises(DatabaseError, match=r"migrate again"):
        missing_revisions(sqlalchemy_url(place.server.url("makegood_absent"), "stock"), SERVICE.schema, SCRIPTS)
