"""Brings a service's database to the revisions that its code expects, by Alembic.

A database has two lines of migrations: the engine's, which every service has, and the service's own, which are in the
folder `migrations` beside its tables.
"""

from collections.abc import Generator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from makegood.engine.database.mysql_migrations import alone, translated
from makegood.engine.database.table import Schema
from makegood.engine.errors import DatabaseError

ENGINE = "engine"
"""The name of the engine's own line."""
_ENVIRONMENT = Path(__file__).parent / "alembic"
_ENGINE_SCRIPTS = _ENVIRONMENT / "versions"


def migrate(url: str, schema: Schema, scripts: Path) -> bool:
    """Runs the migrations that are missing; says whether there were any.

    Raises DatabaseError when MySQL refuses or another process migrates for too long, or when the database is newer
    than this program; SQLAlchemyError when a file cannot be used. Killed half way, it is to be run again.
    """
    config = _config(schema, [_ENGINE_SCRIPTS, scripts])
    with _connected(url) as connection:
        if not _missing(connection, config):
            return False
        connection.rollback()  # what it saw may be old once it is alone
        with _exclusively(connection):
            missing = _missing(connection, config)
            if missing:
                config.attributes["connection"] = connection
                command.upgrade(config, "heads")
                connection.commit()
            return bool(missing)


def missing_revisions(url: str, schema: Schema, scripts: Path) -> list[str]:
    """The revisions that this program expects and the database lacks, in the order in which they would run.

    Raises DatabaseError when MySQL refuses, or when the database is newer than this program.
    """
    with _connected(url) as connection:
        return _missing(connection, _config(schema, [_ENGINE_SCRIPTS, scripts]))


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


@contextmanager
def _connected(url: str) -> Generator[sa.Connection]:
    with translated(url) if url.startswith("mysql") else nullcontext():
        engine = sa.create_engine(url, poolclass=sa.NullPool)
        try:
            with engine.connect() as connection:
                yield connection
        finally:
            engine.dispose()


@contextmanager
def _exclusively(connection: sa.Connection) -> Generator[None]:
    if connection.dialect.name == "sqlite":
        # Its driver begins no transaction before CREATE TABLE: killed half way, the file would be neither
        # the old revision nor the new one, and no migration would ever fit it again.
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        yield
    else:
        with alone(connection):
            yield


def _missing(connection: sa.Connection, config: Config) -> list[str]:
    scripts = ScriptDirectory.from_config(config)
    known = [one.revision for one in scripts.walk_revisions()][::-1]
    heads = MigrationContext.configure(connection).get_current_heads()
    unknown = sorted(set(heads) - set(known))
    if unknown:
        text = f"the database is at {', '.join(unknown)}, made by a newer version of this program: update it"
        raise DatabaseError(text)
    done = {one.revision for one in scripts.iterate_revisions(heads, "base")} if heads else set[str]()
    return [revision for revision in known if revision not in done]
