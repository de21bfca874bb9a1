"""The rules of accounts."""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial

from makegood.engine.database.transaction import Reader, Transaction
from makegood.engine.deadline import Deadline
from makegood.engine.errors import DeadlineExceeded, Overloaded
from makegood.engine.service import async_operation, operation, query
from makegood.shop.accounts import contracts
from makegood.shop.accounts.ledger import ORDER, RETURN, Ledger
from makegood.shop.accounts.loading import CheckedUsers, HashedUsers, check_users, take_in_users
from makegood.shop.accounts.passwords import SALT_BYTES, hash_password, verify_password
from makegood.shop.accounts.tables import ACCOUNTS, RESERVATIONS, SCHEMA, Taken
from makegood.shop.participant import Participant
from makegood.shop.reservation_contracts import ReservationFound, ReservationOf
from makegood.shop.reservation_query import find_reservations

MAX_SIGNING_IN = 64
"""Most sign-ins that wait at once in one process: two seconds of hashing."""


class Accounts(Participant[Taken, contracts.BalanceDeducted]):
    """Who buys, and the balance they pay with; it never falls below zero."""

    name = "accounts"
    schema = SCHEMA
    participant = "accounts"
    reservations = RESERVATIONS

    def __init__(self) -> None:
        self._signing_in = 0

    @operation(contracts.DEDUCT)
    def deduct(self, tx: Transaction, requests: Sequence[contracts.DeductBalance]) -> list[contracts.BalanceDeducted]:
        """Takes an amount off the balance of each order's user, or nothing."""
        taking = self.reservations.begin(tx, requests)
        ledger = Ledger(tx, [request.user for request in taking])
        for request in taking:
            account = ledger.accounts.get(request.user)
            if account is None or account.balance < request.amount:
                taking.refuse(request, "insufficient_balance")
            else:
                ledger.enter(account, ORDER, request.order_id, -request.amount)
                taking.accept(request, Taken(request.user, request.amount))
        ledger.store()
        return taking.answers()

    def put_back(self, tx: Transaction, returned: Mapping[int, Taken]) -> None:
        """Enters what each order took into its user's balance again."""
        ledger = Ledger(tx, [taken.user for taken in returned.values()])
        for order_id, taken in returned.items():
            ledger.enter(ledger.accounts[taken.user], RETURN, order_id, taken.amount)
        ledger.store()

    @query(contracts.FIND)
    def find(self, reader: Reader, requests: Sequence[contracts.FindAccount]) -> list[contracts.Account]:
        """The users' balances."""
        rows = reader.select(ACCOUNTS, [request.user for request in requests])
        return [
            contracts.Account(
                request.user, rows[request.user].balance if request.user in rows else 0, request.user in rows
            )
            for request in requests
        ]

    @query(contracts.RESERVATION)
    def reservation(self, reader: Reader, requests: Sequence[ReservationOf]) -> list[ReservationFound]:
        """What an order holds, or held."""
        return find_reservations(self.reservations, reader, requests)

    @async_operation(contracts.SIGN_IN)
    async def sign_in(self, request: contracts.SignIn, deadline: Deadline) -> contracts.SignedIn:
        """Whether the password is the user's; raises Overloaded, DeadlineExceeded."""
        if self._signing_in >= MAX_SIGNING_IN:
            raise Overloaded("too many users are signing in: ask again in two seconds", retry_after=2.0)
        self._signing_in += 1
        try:
            async with asyncio.timeout_at(deadline.at):
                return await self._verify(request)
        except TimeoutError as late:
            raise DeadlineExceeded("the password was not checked in time: ask again") from late
        finally:
            self._signing_in -= 1

    @async_operation(contracts.LOAD)
    async def load(self, request: contracts.LoadUsers, deadline: Deadline) -> contracts.Loaded:
        """Checks a load file's users, and takes them in if asked to; raises DeadlineExceeded with nothing taken in."""
        [checked] = await self.engine.read(self.check, [request])
        if checked.problems or not request.apply:
            return contracts.Loaded(problems=checked.problems)
        hashes = await self._hash(checked.passwords, deadline)
        [loaded] = await self.engine.write(self.take_in, [HashedUsers(request.users, hashes)])
        return loaded

    def password_hashes(self, reader: Reader, users: Sequence[str]) -> list[str | None]:
        """What passwords are verified against; None where there is none."""
        rows = reader.select(ACCOUNTS, users)
        return [rows[user].password_hash if user in rows else None for user in users]

    def check(self, reader: Reader, requests: Sequence[contracts.LoadUsers]) -> list[CheckedUsers]:
        """Looks at a load file's users without taking them in."""
        return [check_users(reader, request.users) for request in requests]

    def take_in(self, tx: Transaction, requests: Sequence[HashedUsers]) -> list[contracts.Loaded]:
        """Takes in a load file's users, all of them or none."""
        return [take_in_users(tx, request) for request in requests]

    def salts(self, tx: Transaction, counts: Sequence[int]) -> list[list[bytes]]:
        """As many salts as asked for."""
        return [[tx.random_bytes(SALT_BYTES) for _ in range(count)] for count in counts]

    async def _verify(self, request: contracts.SignIn) -> contracts.SignedIn:
        [stored] = await self.engine.read(self.password_hashes, [request.user])
        accepted = await self.engine.compute(partial(verify_password, request.password, stored))
        return contracts.SignedIn(accepted)

    async def _hash(self, passwords: Mapping[str, str], deadline: Deadline) -> dict[str, str]:
        """Hashes one after the other, so that sign-ins find room in the pool between them."""
        if not passwords:
            return {}
        [salts] = await self.engine.write(self.salts, [len(passwords)])
        hashes: dict[str, str] = {}
        for (user, password), salt in zip(passwords.items(), salts, strict=True):
            if deadline.passed:
                raise DeadlineExceeded("the load takes too long: load fewer users with new passwords at a time")
            hashes[user] = await self.engine.compute(partial(hash_password, password, salt))
        return hashes
