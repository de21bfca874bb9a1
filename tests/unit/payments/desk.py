"""The payments service at work in memory: an engine that runs its functions and tasks, and orders it can find."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar, cast

import msgspec

from makegood.engine.contracts import Operation
from makegood.engine.database.base import BaseTransaction
from makegood.engine.database.transaction import Reader, Transaction
from makegood.engine.deadline import Deadline
from makegood.engine.errors import DatabaseUnavailable
from makegood.engine.service import TaskResult, TaskSpec
from makegood.shop.orders import contracts as orders
from makegood.shop.payments import contracts
from makegood.shop.payments.gateways.port import Gateway
from makegood.shop.payments.service import Payments
from makegood.shop.payments.settings import PaymentsSettings
from makegood.shop.payments.tables import SCHEMA
from tests.support.memory import MemoryDatabase
from tests.support.world import ManualWorld
from tests.unit.payments.platform import Platform

Q = TypeVar("Q")
A = TypeVar("A")

NOW = 1_700_000_000_000
UNPAID = 900_000
"""Milliseconds within which an order must be paid."""


class TaskState(NamedTuple):
    """Durable work that waits: its payload, when it is due (ms UTC), and how often it failed."""

    payload: Any
    due_at: int
    attempt: int


class Desk:
    """Implements `Engine` for one payments service with two platforms."""

    def __init__(self) -> None:
        self.world = ManualWorld(NOW)
        self.database = MemoryDatabase(SCHEMA, self.world)
        self.platform = Platform(self.world)
        self.other = Platform(self.world, "otherpay")
        self.gateways: dict[str, Gateway] = {"testpay": self.platform, "otherpay": self.other}
        self.settings = PaymentsSettings("https://shop.example/")
        self.service = Payments(self.settings, self.gateways)
        self.service.engine = self
        self.orders: dict[int, orders.Order] = {}
        self.published: list[msgspec.Struct] = []
        self.tasks: dict[tuple[str, str], TaskState] = {}
        self.database_away = False
        self.commits_left: int | None = None
        """After how many more commits the database goes away; None for never."""
        self.pace = 0
        """Milliseconds that a transaction takes."""

    def now(self) -> int:
        """The world's time."""
        return self.world.now()

    async def call(self, operation: Operation[Q, A], request: Q, deadline: Deadline) -> A:
        """Finds orders."""
        assert operation is orders.FIND
        assert not deadline.passed
        assert isinstance(request, orders.FindOrder)
        order = self.orders.get(request.order_id)
        mine = order is not None and request.user in (None, order.user)
        return cast("A", orders.FoundOrder(order if mine else None))

    async def write(
        self,
        function: Callable[[Transaction, Sequence[Q]], list[A]],
        requests: Sequence[Q],
        deadline: Deadline | None = None,
    ) -> list[A]:
        """One transaction."""
        assert deadline is None or not deadline.passed, "the caller has gone"
        return self.commit(lambda tx: function(tx, requests))

    async def read(self, function: Callable[[Reader, Sequence[Q]], list[A]], requests: Sequence[Q]) -> list[A]:
        """One snapshot."""
        return self.database.read(lambda reader: function(reader, requests))

    async def compute(self, work: Callable[[], A]) -> A:
        """In line."""
        return work()

    def commit(self, work: Callable[[Transaction], A]) -> A:
        """Runs `work` in a transaction, and takes what leaves with it."""
        if self.database_away or self.commits_left == 0:
            raise DatabaseUnavailable("the disk is on fire")

        def worked(tx: Transaction) -> tuple[A, BaseTransaction]:
            return work(tx), cast("BaseTransaction", tx)

        answer, tx = self.database.write(worked)
        self.commits_left = None if self.commits_left is None else self.commits_left - 1
        self.world.advance(self.pace)
        self.published.extend(said.payload for said in tx.outgoing.events)
        for one in tx.outgoing.tasks:
            known = self.tasks.get((one.task.name, one.key))
            payload = known.payload if known else one.payload
            self.tasks[one.task.name, one.key] = TaskState(payload, self.now() + int(one.delay * 1000), 0)
        return answer

    def add_order(self, order_id: int = 1, amount: int = 10_000, **changes: Any) -> orders.Order:
        """An order that may be paid, but for the `changes`."""
        order = orders.Order(
            order_id=order_id,
            user="alice",
            status="CONFIRMED",
            payment_status="UNPAID",
            shipping_status="UNSHIPPED",
            lines=(),
            goods_amount=amount,
            coupon_id=None,
            discount=0,
            shipping_fee=0,
            balance=0,
            amount_due=amount,
            created_at=self.now(),
            pay_by=self.now() + UNPAID,
            payment_id=None,
            decision="confirmed",
            changes=(),
        )
        self.orders[order_id] = msgspec.structs.replace(order, **changes)
        return self.orders[order_id]

    async def open(self, order_id: int = 1, channel: str = "testpay") -> contracts.PaymentOpened:
        """Alice asks to pay."""
        return await self.service.open_payment(contracts.OpenPayment("alice", order_id, channel), Deadline.after(5))

    async def opened(self, order_id: int = 1, channel: str = "testpay") -> int:
        """The id of a payment that opened."""
        answer = await self.open(order_id, channel)
        assert answer.refusal == ""
        return answer.payment_id

    async def paid(self, order_id: int = 1) -> int:
        """The id of a payment that was captured."""
        payment_id = await self.opened(order_id)
        body = self.platform.pay(str(payment_id))
        assert body is not None
        assert (await self.notify(body)).body == b"thanks"
        return payment_id

    async def notify(self, body: bytes, channel: str = "testpay") -> contracts.Notified:
        """The platform calls back."""
        return await self.service.notify(contracts.Notify(channel, body, {}), Deadline.after(5))

    async def close(self, order_id: int = 1) -> str:
        """Orders asks to close an order; what came of it."""
        answer = await self.service.close_order(contracts.CloseOrder(order_id), Deadline.after(5))
        return answer.outcome

    def refund_whole(self, payment_id: int | None, order_id: int = 1, reason: Any = "asked") -> None:
        """Orders wants a payment refunded."""
        event = orders.RefundRequested(order_id, "alice", payment_id, (), reason)
        self.commit(lambda tx: self.service.refund_whole(tx, [event]))

    def refund_part(self, payment_id: int, amount: int, key: str = "k1") -> contracts.PartRefunded:
        """An operator refunds a part."""
        request = contracts.RefundPart(payment_id, amount, key)
        [answer] = self.commit(lambda tx: self.service.refund(tx, [request]))
        return answer

    def sweep(self) -> int:
        """The clock has the platforms asked about what is due."""
        return self.commit(lambda tx: self.service.ask_due(tx, 100))

    async def work(self) -> int:
        """Runs every task that is due, once, as the engine's workers do; says how many."""
        due = [key for key, state in self.tasks.items() if state.due_at <= self.now()]
        for key in due:
            await self._run(key, self.tasks[key])
        return len(due)

    def payment(self, payment_id: int) -> contracts.Payment:
        """A payment as an operator sees it."""
        request = contracts.ListPayments(payment_id - 1, 1)
        [page] = self.database.read(lambda reader: self.service.list_payments(reader, [request]))
        return page.payments[0]

    def breaks(self) -> list[str]:
        """The kinds on the list of breaks, the oldest first."""
        [page] = self.database.read(lambda reader: self.service.list_breaks(reader, [contracts.ListBreaks()]))
        return [one.kind for one in page.breaks]

    def said(self, kind: type[A]) -> list[A]:
        """The events of one kind that were published."""
        return [one for one in self.published if isinstance(one, kind)]

    async def _run(self, key: tuple[str, str], state: TaskState) -> None:
        specs = cast("list[TaskSpec[Any, Any, Any]]", self.service.specs(TaskSpec))
        spec = next(one for one in specs if one.contract.name == key[0])
        try:
            outcome = await spec.work(self.service, state.payload)
        except Exception:
            self.tasks[key] = state._replace(attempt=state.attempt + 1, due_at=self.now() + 1_000)
            return
        record = spec.record
        assert record is not None
        result = TaskResult(key[1], state.payload, outcome, state.attempt + 1)
        [later] = self.commit(lambda tx: record(self.service, tx, [result]))
        if later is None:
            del self.tasks[key]
        else:
            self.tasks[key] = state._replace(due_at=self.now() + int(later.seconds * 1000))
