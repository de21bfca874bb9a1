"""The transaction as services see it: a handful of batch verbs, and time, ids and messages that belong to it.

Every verb is one statement for the whole batch. Locks are taken in primary-key order. Only rows that were locked
(or inserted) in this transaction may be updated or deleted, so a decision is never made on a row that another
transaction can change. A verb raises DatabaseError when the database fails; services never catch it.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import msgspec

from makegood.engine.contracts import Event, Task
from makegood.engine.database.table import Table

R = TypeVar("R", bound=msgspec.Struct)
K = TypeVar("K", bound="str | int | tuple[Any, ...]")
E = TypeVar("E", bound=msgspec.Struct)
J = TypeVar("J", bound=msgspec.Struct)


class Reader(Protocol):
    """What a query may do: look, in one snapshot."""

    @property
    def now(self) -> int:
        """When this transaction began: milliseconds since 1970-01-01 UTC, the same for the whole batch."""
        ...

    def select(self, table: Table[R, K], keys: Iterable[K]) -> dict[K, R]:
        """The rows that exist, by key, in key order."""
        ...

    def select_by(self, table: Table[R, K], column: str, values: Iterable[str | int]) -> list[R]:
        """The rows whose (indexed) column has one of these values; in the order of value, then of key."""
        ...

    def page(
        self,
        table: Table[R, K],
        *,
        where: Mapping[str, str | int] | None = None,
        after: K | None = None,
        descending: bool = False,
        limit: int,
    ) -> list[R]:
        """At most `limit` rows in key order behind `after`; `where` columns should be an index's beginning."""
        ...

    def due(
        self,
        table: Table[R, K],
        column: str,
        until: int,
        limit: int,
        where: Mapping[str, str | int] | None = None,
    ) -> list[R]:
        """At most `limit` rows whose `column` is not NULL and at most `until`, the oldest first.

        The columns of `where`, then `column`, should be an index.
        """
        ...


class Transaction(Reader, Protocol):
    """What an operation, a listener or a sweep may do; all of it happens, or nothing."""

    def lock(self, table: Table[R, K], keys: Iterable[K]) -> dict[K, R]:
        """As `select`, and nobody else can change these rows before this transaction ends."""
        ...

    def insert(self, table: Table[R, K], rows: Sequence[R]) -> None:
        """Adds rows; raises DuplicateKey when one exists, whereupon the whole batch runs again."""
        ...

    def update(self, table: Table[R, K], rows: Iterable[R]) -> None:
        """Writes the changing columns of rows that were locked or inserted in this transaction."""
        ...

    def delete(self, table: Table[R, K], keys: Iterable[K]) -> None:
        """Removes rows that were locked in this transaction."""
        ...

    def new_id(self) -> int:
        """An id that is larger than all before it in this process and unique in this service; under 2^63."""
        ...

    def random_bytes(self, count: int) -> bytes:
        """`count` bytes that nobody can guess."""
        ...

    def publish(self, event: Event[E], payload: E, *, key: str = "") -> None:
        """Says what happened, if and only if this transaction commits; `key` is what people search it by."""
        ...

    def send(
        self, topic: str, payload: object, *, key: str = "", tag: str = "", delay: float = 0.0, sequence: str = ""
    ) -> None:
        """Sends str, bytes, a struct or a JSON-able object, if and only if this commits; `delay` in seconds.

        Messages of a topic with the same `sequence` reach listeners that are `ordered` in the order in which this
        process committed them. They have no delay.
        """
        ...

    def enqueue(self, task: Task[J], key: str, payload: J, *, delay: float = 0.0) -> None:
        """Asks for durable work, once for each key: what is there is kept, and runs in `delay` s or once more."""
        ...
