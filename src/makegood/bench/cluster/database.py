"""What MySQL's performance_schema says of the shop's tables, and what the shop has stored in them."""

from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from makegood.bench.cluster.written import RowsByTable, RowsOf
from makegood.bench.errors import BenchError
from makegood.engine.database.mysql import MysqlAddress, sqlalchemy_url
from makegood.shop.assembly import CLASSES

COUNTED = sa.text(
    "SELECT object_schema, object_name, count_fetch, count_insert, count_update, count_delete"
    " FROM performance_schema.table_io_waits_summary_by_table WHERE object_schema IN :schemas"
).bindparams(sa.bindparam("schemas", expanding=True))
STORED = sa.text("SELECT decision, count(*) FROM orders WHERE order_id > :after GROUP BY decision")
LAST = sa.text("SELECT coalesce(max(order_id), 0) FROM orders")
SETTINGS = (
    "performance_schema=on, its instrument wait/io/table/sql/handler (as deploy/local/cluster sets them), and "
    "GRANT SELECT ON performance_schema.* for the shop's user"
)


class ReadTables:
    """The shop's databases. Every method raises BenchError when MySQL does not answer."""

    def __init__(self, url: str) -> None:
        self._engine = sa.create_engine(sqlalchemy_url(url, "orders"))
        self._schemas = {MysqlAddress.parse(url, service.name).schema: service.name for service in CLASSES}

    @classmethod
    def open(cls, url: str) -> Self:
        """Of the databases to which this setting leads. Raises BenchError."""
        try:
            return cls(url)
        except ValueError as error:
            raise BenchError(str(error)) from error

    def close(self) -> None:
        """Closes its connections."""
        self._engine.dispose()

    def rows(self) -> RowsByTable:
        """What was done since the server's start."""
        found: RowsByTable = {}
        for schema, table, *counts in self._query(COUNTED, schemas=list(self._schemas)):
            found.setdefault(self._schemas[schema], {})[table] = RowsOf(*map(int, counts))
        if not any(any(counts) for tables in found.values() for counts in tables.values()):
            raise BenchError(f"the database does not count rows: it needs {SETTINGS}")
        return found

    def last_order(self) -> int:
        """The newest order's id."""
        return int(self._query(LAST)[0][0])

    def stored(self, after: int) -> dict[str, int]:
        """How the orders behind this one were decided."""
        rows = self._query(STORED, after=after)
        return {bytes(decision).decode(): int(count) for decision, count in rows}

    def _query(self, statement: sa.TextClause, **values: Any) -> list[tuple[Any, ...]]:
        try:
            with self._engine.connect() as connection:
                return [tuple(row) for row in connection.execute(statement, values)]
        except SQLAlchemyError as error:
            raise BenchError(
                f"the database does not answer ({error.__cause__ or error}): it needs {SETTINGS}"
            ) from error
