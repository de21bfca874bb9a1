"""What Alembic runs for a migration; the connection and the metadata come from `migrations.py`."""

from typing import Any, Literal

from alembic import context

from makegood.engine.database import columns


def render(kind: str, item: Any, autogenerate: Any) -> str | Literal[False]:
    """Writes a column's type by our own name for it; anything else is Alembic's to write."""
    if kind != "type":
        return False
    autogenerate.imports.add("from makegood.engine.database import columns")
    return columns.rendered(item)


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=context.config.attributes["metadata"],
    render_item=render,
)
with context.begin_transaction():
    context.run_migrations()
