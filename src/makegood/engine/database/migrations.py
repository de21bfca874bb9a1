"""Brings a service's database to the revision that its code expects, by Alembic.

Each service has its own scripts in the folder `migrations` beside its tables, and its own database.
"""

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from makegood.engine.database.table import Schema

_ENVIRONMENT = Path(__file__).parent / "alembic"


def migrate(url: str, schema: Schema, scripts: Path) -> bool:
    """Runs the migrations that are missing; says whether there were any. Raises sqlalchemy.exc.SQLAlchemyError."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    config = _config(schema, scripts)
    try:
        with engine.connect() as connection:
            if _current(connection) == _head(config):
                return False
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            connection.commit()
            return True
    finally:
        engine.dispose()


def create_revision(schema: Schema, scripts: Path, message: str) -> None:
    """Writes a new migration from what the existing ones make to what the tables say now."""
    scripts.mkdir(exist_ok=True)
    engine = sa.create_engine("sqlite://")
    config = _config(schema, scripts)
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        number = len(list(scripts.glob("[0-9]*.py"))) + 1
        command.revision(config, message, autogenerate=True, rev_id=f"{number:04d}")


def _config(schema: Schema, scripts: Path) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_ENVIRONMENT))
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", str(scripts))
    config.attributes["metadata"] = schema.metadata
    return config


def _head(config: Config) -> str | None:
    return ScriptDirectory.from_config(config).get_current_head()


def _current(connection: sa.Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()
