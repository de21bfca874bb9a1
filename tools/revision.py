"""Writes a migration for a service, or for the engine: python tools/revision.py NAME "what changes"."""

import sys

from makegood.engine.database.migrations import ENGINE, create_revision
from makegood.engine.database.table import Schema
from makegood.engine.tables import EngineTables
from makegood.shop.assembly import CLASSES, migrations_of


def main(name: str, message: str) -> None:
    """Compares the migrations with the tables and writes what is missing."""
    if name == ENGINE:
        schema = Schema(ENGINE)
        EngineTables(schema)
        create_revision(schema, None, message)
        return
    service = next(one for one in CLASSES if one.name == name)
    create_revision(service.schema, migrations_of(service), message)


if __name__ == "__main__":
    main(*sys.argv[1:])
