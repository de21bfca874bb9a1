"""One connection to one schema: it comes about when it is needed, and again when it was lost."""

import logging
from contextlib import suppress
from typing import Any, NamedTuple

import MySQLdb
from MySQLdb.constants import FIELD_TYPE, FLAG

from makegood.engine.database.mysql.address import TIMEOUT, MysqlAddress
from makegood.engine.database.mysql.errors import Translating, is_lost
from makegood.engine.errors import DatabaseUnavailable
from makegood.engine.world import World

ANSWER = 10
"""Seconds to wait for an answer: longer than any lock is waited for, and than a busy disk takes for a commit."""
LOCK_WAIT = 3
"""Seconds to wait for a row that another transaction holds."""
IDLE = 10
"""Seconds after which the server ends a connection that says nothing: a process that was cut off keeps its locks no
longer. One that lives renews its lease more often."""
PING_AFTER = 5_000
"""Milliseconds of silence after which a connection is tried before it is used."""
LEAST_PACKET = 4 * 1024 * 1024
"""Bytes that the server must take at once: a row with a message of 1 MiB, all of it escaped, and others."""
_MODE = "STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,ERROR_FOR_DIVISION_BY_ZERO"

Rows = tuple[tuple[Any, ...], ...]
log = logging.getLogger(__name__)


class Session(NamedTuple):
    """What a connection is for. `answer` and `idle` in seconds."""

    isolation: str
    answer: int = ANSWER
    idle: int = IDLE

    def settings(self) -> bytes:
        """The statements that begin it. Transactions begin by themselves, and nothing is committed unless asked."""
        return (
            f"SET SESSION TRANSACTION ISOLATION LEVEL {self.isolation};"
            f"SET SESSION autocommit = 0, sql_mode = '{_MODE}', wait_timeout = {self.idle},"
            f" innodb_lock_wait_timeout = {LOCK_WAIT}, lock_wait_timeout = {LOCK_WAIT};"
            "SELECT @@max_allowed_packet"
        ).encode()


WRITER = Session("READ COMMITTED")
READER = Session("REPEATABLE READ")
SURVEYOR = Session("REPEATABLE READ", answer=120, idle=600)


def _conversions() -> dict[int, Any]:
    """Numbers are int; text with a length is VARBINARY and arrives as VAR_STRING; TEXT and BLOB differ by a flag."""
    by_flag = [(FLAG.BINARY, bytes), (None, str)]
    blobs = (FIELD_TYPE.TINY_BLOB, FIELD_TYPE.MEDIUM_BLOB, FIELD_TYPE.LONG_BLOB, FIELD_TYPE.BLOB)
    numbers = (FIELD_TYPE.TINY, FIELD_TYPE.SHORT, FIELD_TYPE.INT24, FIELD_TYPE.LONG, FIELD_TYPE.LONGLONG)
    texts = (FIELD_TYPE.VAR_STRING, FIELD_TYPE.VARCHAR, FIELD_TYPE.STRING)
    return {**dict.fromkeys(blobs, by_flag), **dict.fromkeys(numbers, int), **dict.fromkeys(texts, str)}


class MysqlConnection:
    """Used on one thread at a time. Methods raise DatabaseUnavailable or DuplicateKey; what is neither is a bug."""

    def __init__(self, address: MysqlAddress, session: Session, world: World) -> None:
        self._address, self._session, self._world = address, session, world
        self._translating = Translating(str(address))
        self._raw: MySQLdb.Connection | None = None
        self._used_at = 0
        self._most = LEAST_PACKET

    def ready(self) -> None:
        """Connects if there is no connection, or the one there is does not answer after a silence."""
        if self._raw is not None and self._world.now() - self._used_at > PING_AFTER:
            self._ping(self._raw)
        if self._raw is None:
            with self._translating:
                self._raw = self._connect()
        self._used_at = self._world.now()

    def execute(self, packet: bytes) -> list[Rows]:
        """Runs statements, divided by semicolons, in one round trip; the rows of those that give any.

        After an error the later statements were not run. Raises ValueError for what is larger than a packet.
        """
        if len(packet) > self._most:
            raise ValueError(f"{len(packet)} bytes of SQL: the server takes {self._most} (max_allowed_packet)")
        if self._raw is None:
            raise DatabaseUnavailable(f"MySQL at {self._address}: the connection was lost")
        with self._translating:
            try:
                return _run(self._raw, packet)
            except MySQLdb.Error as error:
                if is_lost(error):
                    self.close()
                raise

    def rollback(self) -> None:
        """Ends the transaction without effect; a connection that cannot even do that is given up."""
        if self._raw is not None:
            try:
                _run(self._raw, b"ROLLBACK")
            except MySQLdb.Error as error:
                log.warning("MySQL at %s: a roll-back failed, the connection is given up: %s", self._address, error)
                self.close()

    def close(self) -> None:
        """Closes the connection; it can be used again."""
        raw, self._raw = self._raw, None
        if raw is not None:
            with suppress(MySQLdb.Error):  # it is gone, as it shall be
                raw.close()

    def _ping(self, raw: MySQLdb.Connection) -> None:
        try:
            raw.ping()
        except MySQLdb.Error:
            self.close()

    def _connect(self) -> MySQLdb.Connection:
        raw = MySQLdb.connect(
            host=self._address.host,
            port=self._address.port,
            user=self._address.user,
            password=self._address.password,
            database=self._address.schema,
            charset="utf8mb4",
            conv=_conversions(),
            use_unicode=False,  # else it replaces these conversions by its own
            connect_timeout=TIMEOUT,
            read_timeout=self._session.answer,
            write_timeout=self._session.answer,
        )
        [[(self._most,)]] = _run(raw, self._session.settings())
        if self._most < LEAST_PACKET:
            raw.close()
            text = f"max_allowed_packet is {self._most}: make it {LEAST_PACKET} or more"
            raise DatabaseUnavailable(f"MySQL at {self._address}: {text}")
        return raw


def _run(raw: MySQLdb.Connection, packet: bytes) -> list[Rows]:
    raw.query(packet)
    found: list[Rows] = []
    while True:
        result = raw.store_result()
        if result is not None:
            found.append(result.fetch_row(0))
        if raw.next_result() != 0:
            return found
