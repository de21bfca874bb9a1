"""What the migrations make is what the tables say, so that a file and a database in memory are alike."""

from pathlib import Path

import apsw
import pytest

from makegood.engine.database.creation import create_tables
from makegood.engine.database.migrations import migrate
from makegood.engine.service import Service
from makegood.shop.assembly import CLASSES, migrations_of


def shape_of(connection: apsw.Connection) -> dict[str, object]:
    """Every table's columns and every index's, with what makes them differ in use."""
    names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    shape: dict[str, object] = {}
    for name in sorted(str(name) for name in names if name != "alembic_version"):
        shape[name] = list(connection.execute("SELECT * FROM pragma_table_xinfo(?)", (name,)))
        shape[f"{name} rowid"] = list(connection.execute("SELECT wr FROM pragma_table_list WHERE name = ?", (name,)))
        indexes = connection.execute("SELECT name, \"unique\" FROM pragma_index_list(?) WHERE origin = 'c'", (name,))
        for index, unique in sorted(indexes, key=str):
            columns = connection.execute("SELECT name FROM pragma_index_info(?)", (index,))
            shape[str(index)] = (unique, list(columns))
    return shape


@pytest.mark.parametrize("service", CLASSES, ids=lambda service: service.name)
def test_migrations_make_what_the_tables_say(service: type[Service], tmp_path: Path) -> None:
    """A migrated file has the tables, columns, keys and indexes of the metadata; migrating again does nothing."""
    url = f"sqlite:///{tmp_path / 'service.db'}"
    assert migrate(url, service.schema, migrations_of(service))
    assert not migrate(url, service.schema, migrations_of(service))
    memory = apsw.Connection(":memory:")
    create_tables(memory, service.schema)
    shape = shape_of(memory)
    assert "outbox" in shape
    assert shape_of(apsw.Connection(str(tmp_path / "service.db"))) == shape
