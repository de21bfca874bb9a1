"""What migrations need on MySQL, where DDL commits by itself: one process at a time, and a half-done one is finished.

A migration that was killed between two statements is not recorded, so the next run begins it again: statements that
find their work done are passed over. For that to be enough, a migration's author keeps to two rules: tables, columns,
indexes and constraints are created and dropped, never renamed; and what changes rows may run twice.
"""

import logging
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from alembic.ddl.mysql import MySQLImpl
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.ddl import DDLElement

from makegood.engine.errors import DatabaseError, DatabaseUnavailable

LOCK_TIMEOUT = 120
"""Seconds to wait for another process that migrates the same schema."""
DONE = frozenset({1050, 1051, 1060, 1061, 1091})
"""The table, column or index is there already, or is gone already."""
LONGEST_LOCK_NAME = 64

log = logging.getLogger(__name__)


class ResumingMySQLImpl(MySQLImpl):
    """Alembic's DDL for MySQL, which passes over what an earlier run has done; defining it makes Alembic use it."""

    __dialect__ = "mysql"

    def _exec(self, construct: Any, *args: Any, **kwargs: Any) -> sa.CursorResult[Any] | None:
        try:
            return super()._exec(construct, *args, **kwargs)
        except DBAPIError as error:
            if not isinstance(construct, DDLElement) or _number(error) not in DONE:
                raise
            log.warning("an earlier run of this migration has done it: %s", error.orig)
            return None


@contextmanager
def alone(connection: sa.Connection) -> Generator[None]:
    """While entered, no other process migrates this schema; a process that dies lets go. Raises DatabaseUnavailable."""
    name = f"migrate {connection.engine.url.database}"[:LONGEST_LOCK_NAME]
    if connection.scalar(sa.text("SELECT GET_LOCK(:name, :timeout)"), {"name": name, "timeout": LOCK_TIMEOUT}) != 1:
        raise DatabaseUnavailable(f"another process has been migrating {name} for {LOCK_TIMEOUT} s: wait for it")
    yield
    connection.scalar(sa.text("SELECT RELEASE_LOCK(:name)"), {"name": name})


@contextmanager
def translated(url: str) -> Generator[None]:
    """A block that raises DatabaseError for SQLAlchemy's errors, with what the server said."""
    try:
        yield
    except DBAPIError as error:
        place = sa.make_url(url).render_as_string(hide_password=True)
        raise DatabaseError(f"{place}: {error.orig}; after mending it, migrate again") from error


def _number(error: DBAPIError) -> int:
    return error.orig.args[0] if error.orig and error.orig.args else 0
