"""What accounts owns: the users and their balances, every change of a balance, and what orders hold."""

from typing import Annotated

import msgspec

from makegood.engine.database.table import Schema, Table
from makegood.engine.reservations import Reservations
from makegood.shop.accounts.contracts import BalanceDeducted
from makegood.shop.types import User

SCHEMA = Schema("accounts")


class AccountRow(msgspec.Struct):
    """A user: `balance` and what was `loaded` ever in fen, and how many `loads` changed that.

    `password_hash` is argon2's encoded form, None for a user who cannot sign in by a password.
    """

    user: User
    balance: int
    loaded: int
    loads: int
    password_hash: Annotated[str, msgspec.Meta(max_length=128)] | None


class EntryRow(msgspec.Struct):
    """One change of a balance, in fen with its sign, at `at` (ms UTC).

    `source` is load:NUMBER (counted for each user), order:ID or return:ID, so no change is ever entered twice.
    """

    user: User
    source: Annotated[str, msgspec.Meta(max_length=32)]
    amount: int
    at: int


class Taken(msgspec.Struct, frozen=True):
    """What an order holds: `amount` fen of a user's balance."""

    user: str
    amount: int


ACCOUNTS = Table[AccountRow, str](SCHEMA, "accounts", AccountRow, key=("user",))
ENTRIES = Table[EntryRow, tuple[str, str]](SCHEMA, "entries", EntryRow, key=("user", "source"))
RESERVATIONS = Reservations(SCHEMA, Taken, BalanceDeducted)
