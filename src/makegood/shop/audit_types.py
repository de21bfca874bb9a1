"""What the services' audits have in common: findings, their count, and rows that stream by in key order."""

from collections.abc import Iterator
from typing import Any, TypeVar

import msgspec

from makegood.engine.database.table import Table
from makegood.engine.database.transaction import Reader

MAX_FINDINGS = 1_000
"""Most findings of a promise that are kept, so that two looks can be compared; all of them are counted."""
PAGE = 1_000
"""Rows in memory at a time."""

R = TypeVar("R", bound=msgspec.Struct)
K = TypeVar("K", bound="str | int | tuple[Any, ...]")


class Finding(msgspec.Struct, frozen=True):
    """A promise (P1 to P12) is broken: for which SKU, coupon, user or order, and how."""

    promise: str
    subject: str
    detail: str


class Checked(msgspec.Struct, frozen=True):
    """A promise was checked on `examined` rows and found broken `count` times; the first 1,000 findings."""

    promise: str
    examined: int
    count: int
    findings: tuple[Finding, ...]


class Check:
    """Collects what breaks one promise while rows stream by."""

    def __init__(self, promise: str) -> None:
        self.promise = promise
        self.examined = 0
        self._count = 0
        self._findings: list[Finding] = []

    def broken(self, subject: str, detail: str) -> None:
        """Notes one way in which the promise is broken."""
        self._count += 1
        if len(self._findings) < MAX_FINDINGS:
            self._findings.append(Finding(self.promise, subject, detail))

    def checked(self) -> Checked:
        """What came of it."""
        return Checked(self.promise, self.examined, self._count, tuple(self._findings))


def pages(reader: Reader, table: Table[R, K], after: K | None = None) -> Iterator[list[R]]:
    """The whole table in key order behind `after`, at most 1,000 rows at a time, none of them empty."""
    while rows := reader.page(table, after=after, limit=PAGE):
        yield rows
        after = table.key_of(rows[-1])


def stream(reader: Reader, table: Table[R, K], after: K | None = None) -> Iterator[R]:
    """The same, row by row."""
    for rows in pages(reader, table, after):
        yield from rows
