"""Brings a service's database to the revisions that its code expects, by Alembic.

A database has two lines of migrations: the engine's, which every service has, and the service's own, which are in the
folder `migrations` beside its tables.
"""

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from makegood.engine.database.table import Schema

ENGINE = "engine"
"""The name of the engine's own line."""
_ENVIRONMENT = Path(__file__).parent / "alembic"
_ENGINE_SCRIPTS = _ENVIRONMENT / "versions"


def migrate(url: str, schema: Schema, scripts: Path) -> bool:
    """Runs the migrations that are missing; says whether there were any. Raises sqlalchemy.exc.SQLAlchemyError."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    config = _config(schema, [_ENGINE_SCRIPTS, scripts])
    try:
        with engine.connect() as connection:
            if set(_current(connection)) == set(ScriptDirectory.from_config(config).get_heads()):
                return False
            if connection.dialect.name == "sqlite":
                # Its driver begins no transaction before CREATE TABLE: killed half way, the file would be neither
                # the old revision nor the new one, and no migration would ever fit it again.
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            config.attributes["connection"] = connection
            command.upgrade(config, "heads")
            connection.commit()
            return True
    finally:
        engine.dispose()


def create_revision(schema: Schema, scripts: Path | None, message: str) -> None:
    """Writes a migration from what the existing ones make to what the tables say; no `scripts` for the engine's."""
    own = scripts or _ENGINE_SCRIPTS
    own.mkdir(exist_ok=True)
    name = schema.service if scripts else ENGINE
    config = _config(schema, [_ENGINE_SCRIPTS, *([scripts] if scripts else [])])
    number = len(list(own.glob(f"{name}_*.py")))
    engine = sa.create_engine("sqlite://")
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "heads")
        command.revision(
            config,
            message,
            autogenerate=True,
            head=f"{name}_{number:04d}" if number else "base",
            rev_id=f"{name}_{number + 1:04d}",
            version_path=str(own),
        )


def _config(schema: Schema, locations: list[Path]) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_ENVIRONMENT))
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", "\n".join(str(location) for location in locations))
    config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    config.attributes["metadata"] = schema.metadata
    return config


def _current(connection: sa.Connection) -> tuple[str, ...]:
    return MigrationContext.configure(connection).get_current_heads()
