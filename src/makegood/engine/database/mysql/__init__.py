"""MySQL, MariaDB and TiDB, through mysqlclient: a schema for each service, three connections for each process.

Only this package imports mysqlclient. Its SQL is what all three servers take: no RETURNING, no SKIP LOCKED, and
READ ONLY is no part of it, which TiDB refuses. What it relies on, apart from SQL, is InnoDB's way (and TiDB's
pessimistic mode): a row that was locked cannot change before the transaction ends.
"""

from makegood.engine.database.mysql.address import MysqlAddress, create_schema, sqlalchemy_url
from makegood.engine.database.mysql.database import MysqlDatabase

__all__ = ["MysqlAddress", "MysqlDatabase", "create_schema", "sqlalchemy_url"]
