"""Checks the journal's promise in one snapshot: each event is written down once."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from makegood.engine.database.transaction import Reader
from makegood.shop.audit_types import Check, Checked, pages
from makegood.shop.journal.tables import ENTRIES, EntryRow
from makegood.shop.orders.contracts import REFUND_REQUESTED

ASKED_AGAIN = (REFUND_REQUESTED.topic, REFUND_REQUESTED.tag)


class Written(NamedTuple):
    """Which event a row is about; no two rows are about the same."""

    order_id: int
    topic: str
    tag: str
    payment_id: int | None
    refund_id: int | None


def audit(reader: Reader) -> list[Checked]:
    """P8 inside the journal: no event is written down twice. In memory are the rows of 1,000 orders at most."""
    check = Check("P8")
    for rows in pages(reader, ENTRIES):
        check.examined += len(rows)
        here = {row.entry_id for row in rows}
        for order_id, entries in _by_order(reader, {row.order_id for row in rows}):
            # An order's rows may lie on several pages: it is looked at on the first of them alone.
            if entries[0].entry_id in here:
                _check_order(check, order_id, entries)
    return [check.checked()]


def written(reader: Reader, order_ids: Iterable[int]) -> frozenset[Written]:
    """What is written about these orders: the cross-check with orders and payments finds what is missing."""
    return frozenset(_written(row) for row in reader.select_by(ENTRIES, "order_id", order_ids))


def _by_order(reader: Reader, order_ids: Iterable[int]) -> Iterator[tuple[int, list[EntryRow]]]:
    found: dict[int, list[EntryRow]] = {}
    for row in reader.select_by(ENTRIES, "order_id", order_ids):
        found.setdefault(row.order_id, []).append(row)
    yield from found.items()


def _check_order(check: Check, order_id: int, entries: list[EntryRow]) -> None:
    for what, count in Counter(map(_written, entries)).items():
        # Orders asks again for a refund when it hears of its payment again; each asking is an event of its own.
        if count > 1 and (what.topic, what.tag) != ASKED_AGAIN:
            about = f"payment {what.payment_id}, refund {what.refund_id}"
            check.broken(str(order_id), f"{what.topic}: {what.tag} ({about}) is written down {count} times")


def _written(row: EntryRow) -> Written:
    return Written(row.order_id, row.topic, row.tag, row.payment_id, row.refund_id)
