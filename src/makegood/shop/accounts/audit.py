"""Checks accounts' promise in one snapshot, from the entries and the orders' reservations."""

from collections.abc import Iterator, Sequence

from makegood.engine.database.transaction import Reader
from makegood.engine.reservations import Reservation
from makegood.shop.accounts.ledger import LOAD, ORDER, RETURN
from makegood.shop.accounts.tables import ACCOUNTS, ENTRIES, RESERVATIONS, AccountRow, EntryRow
from makegood.shop.audit_types import Check, Checked, pages, stream
from makegood.shop.reservation_query import held as held_orders


def audit(reader: Reader) -> list[Checked]:
    """P3: no balance is below zero, each is the sum of its entries, and orders and entries agree."""
    check = Check("P3")
    _check_balances(reader, check)
    for rows in pages(reader, RESERVATIONS.table):
        _check_reservations(reader, rows, check)
    for entries in pages(reader, ENTRIES):
        _check_entries(reader, [entry for entry in entries if not entry.source.startswith(LOAD)], check)
    return [check.checked()]


def held(reader: Reader, after: int | None = None) -> Iterator[int]:
    """The orders that hold a part of a balance, by order id, behind `after`."""
    return held_orders(RESERVATIONS, reader, after)


def _check_balances(reader: Reader, check: Check) -> None:
    """Accounts and entries stream side by side, both in the order of their users."""
    entries = stream(reader, ENTRIES)
    entry = next(entries, None)
    for account in stream(reader, ACCOUNTS):
        check.examined += 1
        balance = loaded = 0
        while entry is not None and entry.user <= account.user:
            if entry.user < account.user:
                check.broken(entry.user, f"entry {entry.source} is of no account")
            else:
                balance += entry.amount
                loaded += entry.amount if entry.source.startswith(LOAD) else 0
            entry = next(entries, None)
        _check_account(account, balance, loaded, check)
    while entry is not None:
        check.broken(entry.user, f"entry {entry.source} is of no account")
        entry = next(entries, None)


def _check_account(account: AccountRow, balance: int, loaded: int, check: Check) -> None:
    if account.balance < 0:
        check.broken(account.user, f"the balance is {account.balance} fen")
    if account.balance != balance:
        check.broken(account.user, f"the balance is {account.balance} fen, its entries come to {balance}")
    if account.loaded != loaded:
        check.broken(account.user, f"{account.loaded} fen were loaded, the entries of loads come to {loaded}")


def _check_reservations(reader: Reader, rows: Sequence[Reservation], check: Check) -> None:
    """What an order took, and gave back, is entered."""
    wanted: list[tuple[str, str]] = []
    for row in rows:
        kinds = {"TAKEN": [ORDER], "RETURNED": [ORDER, RETURN]}.get(row.state, [])
        wanted.extend((RESERVATIONS.taken(row).user, f"{kind}:{row.order_id}") for kind in kinds)
    entered = reader.select(ENTRIES, wanted)
    for user, source in wanted:
        if (user, source) not in entered:
            check.broken(user, f"entry {source} is missing")


def _check_entries(reader: Reader, entries: Sequence[EntryRow], check: Check) -> None:
    """What is entered for an order is what it took, or gave back."""
    holders = reader.select(RESERVATIONS.table, [_order_of(entry) for entry in entries])
    for entry in entries:
        row = holders.get(_order_of(entry))
        if row is None or row.state not in _states_of(entry):
            check.broken(entry.user, f"entry {entry.source} is of an order that did not do so")
            continue
        taken = RESERVATIONS.taken(row)
        expected = taken.amount if _is_return(entry) else -taken.amount
        if (entry.user, entry.amount) != (taken.user, expected):
            check.broken(entry.user, f"entry {entry.source} is {entry.amount} fen, not {expected} of {taken.user}")


def _order_of(entry: EntryRow) -> int:
    return int(entry.source.partition(":")[2])


def _is_return(entry: EntryRow) -> bool:
    return entry.source.startswith(RETURN)


def _states_of(entry: EntryRow) -> tuple[str, ...]:
    return ("RETURNED",) if _is_return(entry) else ("TAKEN", "RETURNED")
