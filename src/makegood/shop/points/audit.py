"""Checks points' promises in one snapshot, from the entries."""

from collections.abc import Iterator

from makegood.engine.database.transaction import Reader
from makegood.shop.audit_types import PAGE, Check, Checked, pages, stream
from makegood.shop.points.tables import BALANCES, ENTRIES, EntryRow


def audit(reader: Reader) -> list[Checked]:
    """P8 inside points: each balance is the sum of its user's entries."""
    check = Check("P8")
    for balance in stream(reader, BALANCES):
        check.examined += 1
        total = _sum_of(reader, balance.user)
        if total != balance.points:
            check.broken(balance.user, f"the balance is {balance.points} points, its entries add up to {total}")
    for rows in pages(reader, ENTRIES):
        known = reader.select(BALANCES, [row.user for row in rows])
        for row in rows:
            if row.user not in known:
                check.broken(row.user, f"an entry for payment {row.payment_id}, and no balance")
    return [check.checked()]


def entries(reader: Reader, after: tuple[int, int] | None = None) -> Iterator[EntryRow]:
    """Every entry, by (payment, refund) behind `after`: the cross-check with payments finds what is missing.

    The entries of a payment must be 0 and its refunds that succeeded, and add up to a hundredth, rounded down, of
    what was captured and not refunded. Memory stays flat.
    """
    return stream(reader, ENTRIES, after)


def _sum_of(reader: Reader, user: str) -> int:
    total = 0
    after: tuple[int, int] | None = None
    while rows := reader.page(ENTRIES, where={"user": user}, after=after, limit=PAGE):
        total += sum(row.points for row in rows)
        after = ENTRIES.key_of(rows[-1])
    return total
