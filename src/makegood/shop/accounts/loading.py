"""Takes in a load file's users: totals ever loaded, so that loading the same again changes nothing."""

from collections.abc import Mapping, Sequence

import msgspec

from makegood.engine.database.transaction import Reader, Transaction
from makegood.shop.accounts.contracts import Loaded, LoadUser
from makegood.shop.accounts.ledger import LOAD, Ledger
from makegood.shop.accounts.tables import ACCOUNTS, AccountRow


class CheckedUsers(msgspec.Struct, frozen=True):
    """What is wrong with the rows; and by user the passwords that have to be hashed."""

    problems: tuple[str, ...]
    passwords: Mapping[str, str]


class HashedUsers(msgspec.Struct, frozen=True):
    """Checked rows; and by user the hashes of those passwords."""

    users: tuple[LoadUser, ...]
    hashes: Mapping[str, str]


def check_users(reader: Reader, users: Sequence[LoadUser]) -> CheckedUsers:
    """Looks at every row without taking it in."""
    known = reader.select(ACCOUNTS, [user.user for user in users])
    passwords = {
        user.user: user.password
        for user in users
        if user.password is not None and _lacks_password(known.get(user.user))
    }
    return CheckedUsers(tuple(_problems(users, known)), passwords)


def take_in_users(tx: Transaction, request: HashedUsers) -> Loaded:
    """Checks every row again, now locked, and takes in all of them or none."""
    ledger = Ledger(tx, [user.user for user in request.users])
    problems = _problems(request.users, ledger.accounts)
    if problems:
        return Loaded(problems=tuple(problems))
    added = changed = 0
    for user in request.users:
        account = ledger.accounts.get(user.user)
        if account is None:
            _change(ledger, ledger.open(user.user), user, request.hashes)
            added += 1
        elif _change(ledger, account, user, request.hashes):
            changed += 1
    ledger.store()
    return Loaded(added=added, changed=changed)


def _lacks_password(there: AccountRow | None) -> bool:
    return there is None or there.password_hash is None


def _problems(users: Sequence[LoadUser], known: Mapping[str, AccountRow]) -> list[str]:
    problems: list[str] = []
    seen: set[str] = set()
    for user in users:
        there = known.get(user.user)
        if user.user in seen:
            problems.append(f"user {user.user}: the user is listed twice; keep one row")
        elif there is not None and there.balance + user.balance - there.loaded < 0:
            spent = there.loaded - there.balance
            problems.append(
                f"user {user.user}: {user.balance} fen ever loaded would leave the balance below zero, "
                f"for {spent} fen are spent"
            )
        seen.add(user.user)
    return problems


def _change(ledger: Ledger, account: AccountRow, user: LoadUser, hashes: Mapping[str, str]) -> bool:
    sets_password = user.password is not None and account.password_hash is None
    if sets_password:
        account.password_hash = hashes[user.user]
        ledger.mark(account)
    difference = user.balance - account.loaded
    if difference:
        account.loaded = user.balance
        account.loads += 1
        ledger.enter(account, LOAD, account.loads, difference)
    return sets_password or difference != 0
