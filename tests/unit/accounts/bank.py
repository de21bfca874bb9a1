"""An account service over a database in memory, called as plain functions."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from makegood.engine.contracts import Operation
from makegood.engine.database.transaction import Reader, Transaction
from makegood.engine.deadline import Deadline
from makegood.engine.errors import ServiceUnavailable
from makegood.engine.executor import Executor, InlineExecutor
from makegood.shop.accounts import contracts
from makegood.shop.accounts.audit import audit
from makegood.shop.accounts.loading import HashedUsers
from makegood.shop.accounts.service import Accounts
from makegood.shop.accounts.tables import ACCOUNTS, ENTRIES, SCHEMA
from makegood.shop.audit_types import Finding
from makegood.shop.orders import contracts as orders
from tests.support.memory import MemoryDatabase
from tests.support.world import ManualWorld

Q = TypeVar("Q")
A = TypeVar("A")
PATIENCE = 5_000
"""Milliseconds in which an order is decided."""


class LoneEngine:
    """Implements `Engine` for one service that has no others to ask; hashing never meets an open transaction."""

    def __init__(self, world: ManualWorld, database: MemoryDatabase, pool: Executor) -> None:
        self.computed = 0
        self._world, self._database, self._pool = world, database, pool

    def now(self) -> int:
        """Milliseconds since 1970-01-01 UTC."""
        return self._world.now()

    async def call(self, operation: Operation[Q, A], request: Q, deadline: Deadline) -> A:
        """Nobody else is there."""
        raise ServiceUnavailable(f"{operation} of {request} by {deadline}: this engine has one service only")

    async def write(
        self,
        function: Callable[[Transaction, Sequence[Q]], list[A]],
        requests: Sequence[Q],
        deadline: Deadline | None = None,
    ) -> list[A]:
        """Runs a batch function in a transaction."""
        assert deadline is None or not deadline.passed, "the caller has gone"
        return self._database.write(lambda tx: function(tx, requests))

    async def read(self, function: Callable[[Reader, Sequence[Q]], list[A]], requests: Sequence[Q]) -> list[A]:
        """Runs a batch function on a snapshot."""
        return self._database.read(lambda reader: function(reader, requests))

    async def compute(self, work: Callable[[], A]) -> A:
        """Runs CPU-heavy work."""
        assert not self._database.connection.in_transaction
        self.computed += 1
        return await self._pool.run(work)


class Bank:
    """The service, its world, and what a test asks of them."""

    def __init__(self, pool: Executor | None = None, **balances: int) -> None:
        self.world = ManualWorld()
        self.database = MemoryDatabase(SCHEMA, self.world)
        self.engine = LoneEngine(self.world, self.database, pool or InlineExecutor())
        self.accounts = Accounts()
        self.accounts.engine = self.engine
        self.take_in(**balances)

    def take_in(self, **balances: int) -> contracts.Loaded:
        """Loads users without passwords, as far as the transaction goes."""
        users = tuple(contracts.LoadUser(user, balance) for user, balance in balances.items())
        [loaded] = self.database.write(lambda tx: self.accounts.take_in(tx, [HashedUsers(users, {})]))
        return loaded

    async def load(self, *users: contracts.LoadUser, apply: bool = True, seconds: float = 60.0) -> contracts.Loaded:
        """What came of a load."""
        return await self.accounts.load(contracts.LoadUsers(users, apply), Deadline.after(seconds))

    async def sign_in(self, user: str, password: str, seconds: float = 5.0) -> bool:
        """Whether it was accepted."""
        answer = await self.accounts.sign_in(contracts.SignIn(user, password), Deadline.after(seconds))
        return answer.accepted

    def request(self, order_id: int, user: str, amount: int, deadline: int | None = None) -> contracts.DeductBalance:
        """An order that is to be decided by `deadline` (ms UTC), in five seconds if not given."""
        return contracts.DeductBalance(order_id, user, amount, deadline or self.world.now() + PATIENCE)

    def deduct(self, *requests: contracts.DeductBalance) -> list[str]:
        """The refusals of one batch."""
        return [answer.refusal for answer in self.database.write(lambda tx: self.accounts.deduct(tx, requests))]

    def take(self, order_id: int, user: str, amount: int) -> str:
        """The refusal of one order."""
        [refusal] = self.deduct(self.request(order_id, user, amount))
        return refusal

    def cancel(self, *order_ids: int) -> None:
        """Hears that orders were cancelled."""
        told = [orders.Cancelled(id, "ann", "asked", ("accounts",)) for id in order_ids]
        self.database.write(lambda tx: self.accounts.restore(tx, told))

    def refund(self, *order_ids: int) -> None:
        """Hears that orders are refunded."""
        told = [orders.RefundRequested(id, "ann", None, ("accounts",), "asked") for id in order_ids]
        self.database.write(lambda tx: self.accounts.restore_refunded(tx, told))

    def balances(self) -> dict[str, int]:
        """Fen by user."""
        rows = self.database.read(lambda reader: reader.page(ACCOUNTS, limit=1_000))
        return {row.user: row.balance for row in rows}

    def entries(self, user: str) -> list[tuple[str, int]]:
        """A user's entries: source and amount."""
        rows = self.database.read(lambda reader: reader.page(ENTRIES, limit=1_000))
        return [(row.source, row.amount) for row in rows if row.user == user]

    def findings(self) -> list[Finding]:
        """What the audit finds."""
        return [finding for checked in self.database.read(audit) for finding in checked.findings]

    def corrupt(self, statement: str) -> None:
        """Does to the database what no code of the service would."""
        self.database.connection.execute(statement)
