"""Creates a schema's tables at once, for databases that live in memory; files are migrated instead."""

from functools import lru_cache

import apsw
from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from makegood.engine.database.table import Schema


def create_tables(connection: apsw.Connection, schema: Schema) -> None:
    """Creates every table and index of `schema`, as its migrations would."""
    for statement in _ddl(schema):
        connection.execute(statement)


@lru_cache(maxsize=64)
def _ddl(schema: Schema) -> tuple[str, ...]:
    dialect = sqlite.dialect()
    statements: list[str] = []
    for table in schema.metadata.sorted_tables:
        statements.append(str(CreateTable(table).compile(dialect=dialect)))
        indexes = sorted(table.indexes, key=lambda index: str(index.name))
        statements.extend(str(CreateIndex(index).compile(dialect=dialect)) for index in indexes)
    return tuple(statements)
