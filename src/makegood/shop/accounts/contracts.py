"""What accounts says and hears."""

from typing import Annotated

import msgspec

from makegood.engine.contracts import Operation
from makegood.engine.reservations import Answer
from makegood.shop.reservation_contracts import ReservationFound, ReservationOf
from makegood.shop.types import Fen, Loaded, User

MAX_LOAD = 10_000
"""Most users of one load."""

Password = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]


class DeductBalance(msgspec.Struct, frozen=True):
    """Take `amount` fen of a user's balance for an order. `deadline` in ms UTC."""

    order_id: int
    user: User
    amount: Fen
    deadline: int


class BalanceDeducted(Answer, frozen=True, kw_only=True):
    """Refusals: cancelled, insufficient_balance (also when nobody loaded the user)."""


class FindAccount(msgspec.Struct, frozen=True):
    """Ask for a user's account."""

    user: str


class Account(msgspec.Struct, frozen=True):
    """`balance` in fen; `exists` is False for a user nobody loaded."""

    user: str
    balance: int
    exists: bool


class SignIn(msgspec.Struct, frozen=True):
    """Ask whether this is the user's password; Overloaded when too many ask at once."""

    user: str
    password: str

    def __repr__(self) -> str:
        """Without the password: what fails is logged."""
        return f"SignIn(user={self.user!r})"


class SignedIn(msgspec.Struct, frozen=True):
    """Whether it is; False for a user nobody loaded, or one without a password."""

    accepted: bool


class LoadUser(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A row of a load file: `balance` is the total ever loaded, in fen; the difference to last time is applied.

    A password that is set is never changed. Without one, only the operators can open a session for the user.
    """

    user: User
    balance: Fen
    password: Password | None = None

    def __repr__(self) -> str:
        """Without the password: what fails is logged."""
        return f"LoadUser(user={self.user!r}, balance={self.balance})"


class LoadUsers(msgspec.Struct, frozen=True):
    """Users to check, and with `apply` to take in; each new password takes about 30 ms of the deadline."""

    users: Annotated[tuple[LoadUser, ...], msgspec.Meta(max_length=MAX_LOAD)]
    apply: bool


DEDUCT = Operation("accounts", "Deduct", DeductBalance, BalanceDeducted, route=lambda asked: asked.user)
FIND = Operation("accounts", "Find", FindAccount, Account)
SIGN_IN = Operation("accounts", "SignIn", SignIn, SignedIn)
LOAD = Operation("accounts", "Load", LoadUsers, Loaded)
RESERVATION = Operation("accounts", "Reservation", ReservationOf, ReservationFound)
