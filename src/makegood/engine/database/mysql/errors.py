"""Which of MySQL's errors mean what to the engine; what is neither is a bug and passes through.

Numbers are those of MySQL's error reference; 1927 and 1969 are MariaDB's own, 8000 to 9999 TiDB's.
"""

from types import TracebackType

import MySQLdb

from makegood.engine.errors import DatabaseError, DatabaseUnavailable, DuplicateKey

DUPLICATE = frozenset({1022, 1062, 1169, 1586})
"""A key or a unique value that is there already."""
REFUSED = {
    1040: "raise max_connections, or run fewer processes",
    1044: "grant the user all rights on the schema",
    1045: "check user and password in database.url",
    1049: "run `makegood migrate`, which creates it",
    1129: "the server blocks this host: FLUSH HOSTS there",
    1130: "let the user connect from this host",
    1203: "raise max_user_connections, or run fewer processes",
    1205: "another transaction held the row",
    1213: "a deadlock, which the server ended",
    1290: "the server is read-only: it may be a replica",
    1836: "the server is read-only: it may be a replica",
}
"""What to do about those that a person may have to do something about, or need not."""
UNAVAILABLE = frozenset(REFUSED) | {
    1015,  # the file or the row is locked
    1020,  # the row changed since the snapshot
    1021,  # disk full
    1026,  # error writing a file
    1028,  # sort aborted
    1030,  # the storage engine failed
    1037,  # out of memory
    1038,  # out of sort memory
    1041,  # out of resources
    1042,  # no host
    1043,  # bad handshake
    1047,  # Galera: the node is not ready
    1053,  # shutting down
    1077,
    1078,
    1079,
    1080,  # the server closes this thread
    1105,  # TiDB: what has no number, a lost region for one
    1114,  # the table is full
    1152,  # aborted connection
    1158,
    1159,
    1160,
    1161,  # the network, as the server sees it
    1180,
    1181,  # error in COMMIT, in ROLLBACK
    1194,
    1195,  # the table crashed
    1206,  # the lock table is full
    1226,  # a limit of this user
    1317,  # interrupted
    1412,  # the table was altered
    1637,  # too many transactions
    1792,  # the server's transactions are read-only by default
    1927,  # the connection was killed
    1969,  # the statement took too long
    3024,  # the statement took too long
    3100,
    3101,  # group replication gave the commit up
    4031,  # the server ended an idle connection
    8002,
    8004,
    8005,
    8022,
    8027,
    8028,
    8175,  # conflicts, a changed schema, memory
}
CLIENT = range(2_000, 3_000)
"""Errors of the client library: the connection is lost, or was never made."""
STORAGE = range(9_001, 9_100)
"""TiDB: its storage is away, busy, or another was first."""


def is_lost(error: BaseException) -> bool:
    """Whether the connection it came over is of no more use."""
    if isinstance(error, MySQLdb.InterfaceError):
        return True
    number = number_of(error)
    return number in CLIENT or number in {1053, 1077, 1078, 1079, 1080, 1152, 1158, 1159, 1160, 1161, 1927, 4031}


def number_of(error: BaseException) -> int:
    """MySQL's number of it; 0 if it has none."""
    first = error.args[0] if error.args else 0
    return first if isinstance(first, int) else 0


def translated(error: MySQLdb.Error, server: str) -> DatabaseError | None:
    """The engine's error for MySQL's; None for a bug."""
    number, text = number_of(error), str(error.args[1]) if len(error.args) > 1 else str(error)
    if number in DUPLICATE:
        return DuplicateKey(text)
    if number in UNAVAILABLE or number in STORAGE or is_lost(error):
        advice = REFUSED.get(number, "check that it runs and can be reached, and its log")
        return DatabaseUnavailable(f"MySQL at {server}: {text} ({number}); {advice}")
    return None


class Translating:
    """A block that raises the engine's errors for MySQL's; `server` is told in them."""

    __slots__ = ("_server",)

    def __init__(self, server: str) -> None:
        self._server = server

    def __enter__(self) -> None:
        """Nothing to do."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if isinstance(error, MySQLdb.Error):
            known = translated(error, self._server)
            if known is not None:
                raise known from error
