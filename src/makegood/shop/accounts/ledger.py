"""The ledger: a balance changes by entries, and by nothing else."""

from collections.abc import Iterable

from makegood.engine.database.transaction import Transaction
from makegood.shop.accounts.tables import ACCOUNTS, ENTRIES, AccountRow, EntryRow

ORDER = "order"
"""The source of what an order takes."""
RETURN = "return"
"""The source of what an order gives back."""
LOAD = "load"
"""The source of what is loaded."""


class Ledger:
    """The accounts of one batch, locked once; written once each, with their entries."""

    def __init__(self, tx: Transaction, users: Iterable[str]) -> None:
        self.accounts = tx.lock(ACCOUNTS, users)
        self._tx = tx
        self._opened: dict[str, AccountRow] = {}
        self._changed: dict[str, AccountRow] = {}
        self._entries: list[EntryRow] = []

    def open(self, user: str) -> AccountRow:
        """A new account, with nothing on it."""
        account = AccountRow(user, 0, 0, 0, None)
        self.accounts[user] = self._opened[user] = account
        return account

    def mark(self, account: AccountRow) -> None:
        """The account was changed otherwise than by an entry, so it must be written."""
        if account.user not in self._opened:
            self._changed[account.user] = account

    def enter(self, account: AccountRow, kind: str, number: int, amount: int) -> None:
        """Changes the balance by `amount` fen; `kind` and `number` say why, once for ever."""
        account.balance += amount
        assert account.balance >= 0, f"{kind}:{number} leaves the balance of {account.user} below zero"
        self.mark(account)
        self._entries.append(EntryRow(account.user, f"{kind}:{number}", amount, self._tx.now))

    def store(self) -> None:
        """Writes what changed."""
        self._tx.insert(ACCOUNTS, list(self._opened.values()))
        self._tx.update(ACCOUNTS, self._changed.values())
        self._tx.insert(ENTRIES, self._entries)
