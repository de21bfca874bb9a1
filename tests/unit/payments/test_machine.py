"""Whatever happens in whatever order: no fen is lost, none is counted twice, and everything is decided in the end."""

import asyncio
from typing import Any

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from makegood.shop.payments import audit, contracts
from tests.unit.payments.desk import UNPAID, Desk
from tests.unit.payments.platform import Account, Platform

ORDERS = st.integers(1, 3)
PICK = st.integers(0, 1_000)


class Shop(RuleBasedStateMachine):
    """Buyers, platforms, operators, clock and faults act on payments; orders does what its contract says."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.desk = Desk()
        self.paid_by: dict[int, int] = {}
        self.cancelled: set[int] = set()
        self.heard = 0

    def teardown(self) -> None:
        """Faults stop, everything is delivered, and the books of all are compared."""
        try:
            self._drain()
            self._compare()
        finally:
            self.runner.close()

    @initialize()
    def orders(self) -> None:
        """Three orders wait to be paid, on two channels."""
        for order_id in (1, 2, 3):
            self.desk.add_order(order_id, 1_000 * order_id)
            self.open(order_id, "testpay")
            self.open(order_id, "otherpay")

    @rule(order_id=ORDERS, channel=st.sampled_from(["testpay", "otherpay"]))
    def open(self, order_id: int, channel: str) -> None:
        """A buyer asks to pay."""
        self._run(self.desk.open(order_id, channel))

    @rule(pick=PICK, wrong=st.sampled_from([False, False, False, True]), arrives=st.booleans())
    def pay(self, pick: int, wrong: bool, arrives: bool) -> None:
        """A buyer pays at the platform, which may take a wrong amount; its notification arrives now, or later."""
        trades = [(platform, number) for platform in self._platforms() for number in platform.trades]
        if trades:
            platform, number = trades[pick % len(trades)]
            body = platform.pay(number, amount=1 if wrong else None)
            if body is not None and arrives:
                self._run(self.desk.notify(body, platform.channel))

    @rule(pick=PICK)
    def deliver(self, pick: int) -> None:
        """Any notification arrives, again or for the first time."""
        notices = [(platform, body) for platform in self._platforms() for body in platform.notices]
        if notices:
            platform, body = notices[pick % len(notices)]
            self._run(self.desk.notify(body, platform.channel))

    @rule(order_id=ORDERS)
    def cancel(self, order_id: int) -> None:
        """Orders wants to cancel an order, and does only when payments has closed it."""
        if order_id not in self.paid_by and self._run(self.desk.close(order_id)) == "closed":
            self.cancelled.add(order_id)

    @rule()
    def hear(self) -> None:
        """Orders hears the events of payments."""
        for event in self.desk.published[self.heard :]:
            self.heard += 1
            if isinstance(event, contracts.Succeeded):
                self._succeeded(event)

    @precondition(lambda self: self.paid_by)
    @rule(pick=PICK, amount=st.integers(1, 3_000))
    def refund_part(self, pick: int, amount: int) -> None:
        """An operator refunds a part."""
        payment_id = list(self.paid_by.values())[pick % len(self.paid_by)]
        self.desk.refund_part(payment_id, amount, str(pick))

    @precondition(lambda self: self.paid_by)
    @rule(pick=PICK)
    def refund(self, pick: int) -> None:
        """A buyer gets all of it back."""
        order_id = list(self.paid_by)[pick % len(self.paid_by)]
        self.desk.refund_whole(self.paid_by[order_id], order_id)

    @rule(seconds=st.sampled_from([1, 40, 200]))
    def clock(self, seconds: int) -> None:
        """Time passes, and what is due is done."""
        self.desk.world.advance(seconds * 1000)
        self._run(self._tick())

    @rule(fault=st.sampled_from(["before", "after"]), other=st.booleans())
    def fault(self, fault: Any, other: bool) -> None:
        """The next call to a platform is lost, or its answer is."""
        (self.desk.other if other else self.desk.platform).faults.append(fault)

    @rule(status=st.sampled_from(["succeeded", "processing", "failed"]))
    def refunds(self, status: Any) -> None:
        """A platform changes its mind about refunds."""
        self.desk.platform.refund_status = status

    @rule(pick=PICK)
    def deliver_in_vain(self, pick: int) -> None:
        """A notification arrives while the database is away, and is not taken."""
        self.desk.database_away = True
        platform = self._platforms()[pick % 2]
        for body in platform.notices[:1]:
            assert self._run(self.desk.notify(body, platform.channel)).status == 400
        self.desk.database_away = False

    @invariant()
    def never_more_than_captured(self) -> None:
        """At every moment the audit is content, and no payment is told of twice."""
        checked = self.desk.database.read(lambda reader: audit.audit(reader, self.desk.settings))
        assert [one for one in checked if one.count] == []
        told = [event.payment_id for event in self.desk.said(contracts.Succeeded)]
        assert len(told) == len(set(told))

    def _platforms(self) -> list[Platform]:
        return [self.desk.platform, self.desk.other]

    def _run(self, work: Any) -> Any:
        return self.runner.run(work)

    async def _tick(self) -> None:
        self.desk.sweep()
        await self.desk.work()

    def _succeeded(self, event: contracts.Succeeded) -> None:
        assert event.amount == 1_000 * event.order_id
        if event.order_id not in self.cancelled and event.order_id not in self.paid_by:
            self.paid_by[event.order_id] = event.payment_id
        elif self.paid_by.get(event.order_id) != event.payment_id:
            self.desk.refund_whole(event.payment_id, event.order_id, "second")

    def _drain(self) -> None:
        for platform in self._platforms():
            platform.faults.clear()
            platform.refund_status = "succeeded"
        self.desk.world.advance(UNPAID)
        for _ in range(6):
            self.hear()
            self._run(self._tick())
            self.desk.world.advance(3_600_000)
        for platform in self._platforms():
            for body in list(platform.notices):
                assert self._run(self.desk.notify(body, platform.channel)).status == 200
        self.hear()
        self._run(self._tick())

    def _compare(self) -> None:
        self.never_more_than_captured()
        assert self.desk.tasks == {}
        for platform in self._platforms():
            for number, trade in platform.trades.items():
                self._compare_trade(trade, self.desk.payment(int(number)))

    def _compare_trade(self, trade: Account, payment: contracts.Payment) -> None:
        whole = trade.paid_at is not None and trade.amount == payment.amount
        assert payment.state == ("PAID" if whole else "CLOSED")
        assert payment.captured == (payment.amount if whole else 0)
        assert payment.refunded == trade.refunded
        if trade.paid_at is not None and not whole:
            assert "amount_mismatch" in self.desk.breaks()
        told = [event for event in self.desk.said(contracts.Refunded) if event.payment_id == payment.payment_id]
        assert sum(event.amount for event in told) == trade.refunded
        assert [event.cumulative for event in told] == sorted(event.cumulative for event in told)
        if whole and self.paid_by.get(payment.order_id) != payment.payment_id:
            failed = any(refund.state == "FAILED" for refund in payment.refunds)
            assert payment.refunded == payment.captured or failed


TestShop = Shop.TestCase
TestShop.settings = settings(
    max_examples=80, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
