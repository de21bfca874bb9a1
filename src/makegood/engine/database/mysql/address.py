"""Where a service's tables are: `mysql://user:password@host:3306/prefix`, and its schema `<prefix>_<service>`."""

import re
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import unquote, urlsplit

import MySQLdb
import sqlalchemy as sa

from makegood.engine.database.mysql.errors import Translating

PORT = 3306
PREFIX = "makegood"
TIMEOUT = 5
"""Seconds in which a connection must come about."""
_NAME = re.compile(r"[0-9a-z_]{1,64}\Z")


@dataclass(frozen=True)
class MysqlAddress:
    """One service's schema on one server."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    schema: str

    @classmethod
    def parse(cls, url: str, service: str) -> Self:
        """Of `mysql://user:password@host:port/prefix`, percent-escapes in user and password. Raises ValueError."""
        parts = urlsplit(url)
        if parts.scheme != "mysql" or not parts.hostname or not parts.username:
            raise ValueError("database.url is no MySQL URL: write mysql://user:password@host:3306/makegood")
        if parts.query or parts.fragment:
            raise ValueError(f"database.url has {parts.query or parts.fragment!r} at its end, which nobody reads")
        schema = f"{parts.path.strip('/') or PREFIX}_{service}"
        if not _NAME.match(schema):
            raise ValueError(f"database.url would name a schema {schema!r}: use a-z, 0-9 and _, at most 64 in all")
        return cls(parts.hostname, _port(url), unquote(parts.username), unquote(parts.password or ""), schema)

    def __str__(self) -> str:
        return f"{self.host}:{self.port}/{self.schema}"


def sqlalchemy_url(url: str, service: str) -> str:
    """The same schema as the migrations' URL, password included. Raises ValueError."""
    address = MysqlAddress.parse(url, service)
    return sa.URL.create(
        "mysql+mysqldb",
        username=address.user,
        password=address.password,
        host=address.host,
        port=address.port,
        database=address.schema,
        query={"charset": "utf8mb4", "connect_timeout": str(TIMEOUT)},
    ).render_as_string(hide_password=False)


def create_schema(url: str, service: str) -> None:
    """Creates the service's schema if it is missing. Raises ValueError, DatabaseUnavailable (it says what to grant)."""
    address = MysqlAddress.parse(url, service)
    with Translating(str(address)):
        connection = MySQLdb.connect(
            host=address.host,
            port=address.port,
            user=address.user,
            password=address.password,
            charset="utf8mb4",
            connect_timeout=TIMEOUT,
            read_timeout=TIMEOUT,
            write_timeout=TIMEOUT,
        )
        try:
            if not _exists(connection, address.schema):
                text = f"CREATE DATABASE IF NOT EXISTS `{address.schema}` CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
                connection.query(text)
        finally:
            connection.close()


def _exists(connection: MySQLdb.Connection, schema: str) -> bool:
    """Looks first: who has rights on the schema alone need not be allowed to create one."""
    connection.query(f"SELECT 1 FROM information_schema.schemata WHERE schema_name = '{schema}'")
    result = connection.store_result()
    return bool(result and result.fetch_row(0))


def _port(url: str) -> int:
    try:
        return urlsplit(url).port or PORT
    except ValueError as error:
        raise ValueError("database.url has no usable port: give 1 to 65535") from error
