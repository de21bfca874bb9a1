"""The payments service: what talks to the platforms. What it decides stands in the modules it calls."""

import logging
from collections.abc import Mapping, Sequence

from makegood.engine.database.transaction import Reader, Transaction
from makegood.engine.deadline import Deadline
from makegood.engine.errors import EngineError
from makegood.engine.service import Later, Service, TaskResult, async_operation, listener, operation, query, sweep, task
from makegood.shop.orders import contracts as orders
from makegood.shop.payments import (
    asking,
    bill_contracts,
    comparing,
    contracts,
    reconciliations,
    refunding,
    trail,
    views,
)
from makegood.shop.payments.bill_days import day_number, day_of
from makegood.shop.payments.comparing import Compared
from makegood.shop.payments.gateways.port import (
    Answer,
    Gateway,
    GatewayError,
    GatewayUnavailable,
    Notice,
    OpenPayment,
    RefundPayment,
    RefundState,
    Rejected,
)
from makegood.shop.payments.opening import (
    Begin,
    StorePayUrl,
    Trade,
    begin_closing,
    begin_payments,
    forget_bills,
    payable,
    store_pay_urls,
)
from makegood.shop.payments.reconciliations import Wanted
from makegood.shop.payments.reconciling import RECONCILE_TASK, Reconcile
from makegood.shop.payments.recording import REFUND_TASK, Fact, RefundJob, record
from makegood.shop.payments.refund_outcomes import record_refunds
from makegood.shop.payments.refusals import RateLimit, Refusal, record_refusals
from makegood.shop.payments.settings import PaymentsSettings
from makegood.shop.payments.tables import NOTIFICATIONS, REFUSALS, SCHEMA

log = logging.getLogger(__name__)


class Payments(Service):
    """Takes money through third-party platforms, and gives it back."""

    name = "payments"
    schema = SCHEMA

    def __init__(self, settings: PaymentsSettings, gateways: Mapping[str, Gateway]) -> None:
        self.settings = settings
        self._gateways = gateways
        self._refusals = RateLimit(settings.refusals_per_minute)

    @async_operation(contracts.OPEN)
    async def open_payment(self, request: contracts.OpenPayment, deadline: Deadline) -> contracts.PaymentOpened:
        """Opens a payment of an order at a platform, or gives the one that is open."""
        gateway = self._gateways.get(request.channel)
        if gateway is None:
            return contracts.PaymentOpened("unknown_channel")
        found = await self.engine.call(orders.FIND, orders.FindOrder(request.order_id, request.user), deadline)
        if found.order is None:
            return contracts.PaymentOpened("not_found")
        if not payable(found.order, self.engine.now()):
            return contracts.PaymentOpened("not_payable")
        [begun] = await self.engine.write(begin_payments, [self._beginning(found.order, request.channel)])
        if begun.refusal or begun.pay_url:
            return begun
        return await self._open_at_platform(gateway, found.order, begun.payment_id, request.client_ip)

    @async_operation(contracts.NOTIFY)
    async def notify(self, request: contracts.Notify, deadline: Deadline) -> contracts.Notified:
        """Takes a platform's callback; success is answered only for what is stored.

        A proven notice that does not fit our payment is stored on the list of breaks and answered with success
        too: the platform has done its part, and saying it again would change nothing.
        """
        gateway = self._gateways.get(request.channel)
        if gateway is None:
            return contracts.Notified(404, "text/plain; charset=utf-8", b"unknown channel")
        try:
            notice = gateway.read_notification(request.body, request.headers)
        except Rejected as rejected:
            await self._note_refusal(request, rejected)
            return _notified(gateway.rejected)
        return _notified(gateway.accepted if await self._stored(gateway, notice, deadline) else gateway.rejected)

    @async_operation(contracts.CLOSE)
    async def close_order(self, request: contracts.CloseOrder, deadline: Deadline) -> contracts.OrderClosed:
        """Sees to it that no payment of the order succeeds any more, or says that one has."""
        [closing] = await self.engine.write(begin_closing, [request])
        states = {trade: await self._close_trade(trade, deadline) for trade in closing.open}
        paid = closing.paid or next((trade for trade, state in states.items() if state == "PAID"), None)
        if paid is not None:
            return contracts.OrderClosed("paid", paid.payment_id, paid.amount)
        return contracts.OrderClosed("unknown" if "OPEN" in states.values() else "closed")

    @operation(contracts.REFUND)
    def refund(self, tx: Transaction, requests: Sequence[contracts.RefundPart]) -> list[contracts.PartRefunded]:
        """Begins what operators ask to refund."""
        return refunding.refund_parts(tx, requests)

    @listener(orders.REFUND_REQUESTED, idempotent=True)
    def refund_whole(self, tx: Transaction, events: Sequence[orders.RefundRequested]) -> None:
        """Begins to refund what is left of payments whose order does not keep them."""
        refunding.refund_whole(tx, events)

    @task(REFUND_TASK)
    async def make_refund(self, job: RefundJob) -> RefundState:
        """Has the platform give the money back; it does so once, for the refund's number is fixed."""
        wanted = (str(job.payment_id), str(job.refund_id), job.amount, job.reason, job.captured)
        refund = RefundPayment(*wanted, job.trade_no, self.settings.notify_url(job.channel))
        try:
            return await self._gateway(job.channel).refund(refund)
        except GatewayUnavailable as error:
            return RefundState("waiting", str(error))

    @make_refund.done
    def record_refunds(
        self, tx: Transaction, results: Sequence[TaskResult[RefundJob, RefundState]]
    ) -> list[Later | None]:
        """Writes down what came of refunds."""
        return record_refunds(tx, self.settings, results)

    @sweep(every=5.0)
    def ask_due(self, tx: Transaction, limit: int) -> int:
        """Has the platforms asked about payments nobody has heard of."""
        return asking.ask_due(tx, self.settings, limit)

    @task(asking.ASK_TASK)
    async def ask_trade(self, job: asking.AskTrade) -> Fact | None:
        """Asks the platform about a payment; a platform that does not answer is asked again by the sweep."""
        gateway = self._gateway(job.channel)
        try:
            return await (asking.close if job.close else asking.ask)(gateway, job.payment_id, job.trade_no)
        except GatewayUnavailable as error:
            log.warning("payment %d is asked about again later: %s", job.payment_id, error)
            return None

    @ask_trade.done
    def record_asked(
        self, tx: Transaction, results: Sequence[TaskResult[asking.AskTrade, Fact | None]]
    ) -> list[Later | None]:
        """Writes down what the platforms said, as if they had called."""
        self.record(tx, [result.outcome for result in results if result.outcome is not None])
        return [None for _ in results]

    def record(self, tx: Transaction, facts: Sequence[Fact]) -> list[contracts.PaymentState | None]:
        """Writes down what platforms say; the state of each payment after it, None for one that is not ours."""
        return record(tx, facts, self.settings)

    @query(contracts.OF_ORDER)
    def of_order(self, reader: Reader, requests: Sequence[contracts.PaymentsOfOrder]) -> list[contracts.Payments]:
        """All payments of an order."""
        return views.of_orders(reader, requests)

    @query(contracts.FIND)
    def find(self, reader: Reader, requests: Sequence[contracts.FindPayments]) -> list[contracts.Payments]:
        """Payments by their ids."""
        return views.find_payments(reader, requests)

    @query(contracts.TRAIL)
    def trail(self, reader: Reader, requests: Sequence[contracts.TrailOfOrder]) -> list[contracts.Trail]:
        """How we learnt of an order's payments."""
        return trail.trails(reader, requests)

    @query(contracts.LIST)
    def list_payments(self, reader: Reader, requests: Sequence[contracts.ListPayments]) -> list[contracts.PaymentsPage]:
        """All payments, page by page."""
        return views.list_payments(reader, requests)

    @query(contracts.BREAKS)
    def list_breaks(self, reader: Reader, requests: Sequence[contracts.ListBreaks]) -> list[contracts.BreaksPage]:
        """What a person has to settle, page by page."""
        return views.list_breaks(reader, requests)

    @async_operation(bill_contracts.RECONCILE)
    async def reconcile(
        self, request: bill_contracts.ReconcileBill, deadline: Deadline
    ) -> bill_contracts.ReconciliationBegun:
        """Begins to compare a day's bill of a platform with what we have."""
        gateway, day = self._gateways.get(request.channel), day_number(request.day)
        if gateway is None:
            return bill_contracts.ReconciliationBegun("unknown_channel")
        if day is None:
            return bill_contracts.ReconciliationBegun("no_such_day")
        if day >= day_of(self.engine.now()):
            return bill_contracts.ReconciliationBegun("day_not_over")
        channels = tuple(one.channel for one in self._gateways.values() if one.account == gateway.account)
        wanted = reconciliations.Begin(gateway.account, request.channel, channels, day)
        [begun] = await self.engine.write(reconciliations.begin, [wanted], deadline)
        return bill_contracts.ReconciliationBegun("", begun)

    @task(RECONCILE_TASK)
    async def compare_bill(self, job: Reconcile) -> Compared:
        """Fetches a bill and compares it; a platform that does not answer is asked again."""
        return await comparing.run(self.engine, self._gateways.get(job.channel), self.settings, job)

    @compare_bill.done
    def record_compared(
        self, tx: Transaction, results: Sequence[TaskResult[Reconcile, Compared]]
    ) -> list[Later | None]:
        """Writes down how far comparisons are."""
        return reconciliations.record_compared(tx, results)

    @query(bill_contracts.RECONCILIATION)
    def find_reconciliation(
        self, reader: Reader, requests: Sequence[bill_contracts.FindReconciliation]
    ) -> list[bill_contracts.ReconciliationFound]:
        """How far the comparison of a day is."""
        wanted = [Wanted(self._account(one.channel), day_number(one.day) or 0) for one in requests]
        rows = reconciliations.find(reader, wanted)
        return [bill_contracts.ReconciliationFound(reconciliations.view(row) if row else None) for row in rows]

    @query(bill_contracts.RECONCILIATIONS)
    def list_reconciliations(
        self, reader: Reader, requests: Sequence[bill_contracts.ListReconciliations]
    ) -> list[bill_contracts.ReconciliationsPage]:
        """Comparisons of bills, page by page."""
        return reconciliations.pages(reader, requests)

    @query(bill_contracts.DIFFERENCES)
    def list_differences(
        self, reader: Reader, requests: Sequence[bill_contracts.ListDifferences]
    ) -> list[bill_contracts.DifferencesPage]:
        """In what platforms' bills and we differ, page by page."""
        return reconciliations.differences(reader, requests)

    @query(bill_contracts.OF_ORDER)
    def bills_of_order(
        self, reader: Reader, requests: Sequence[bill_contracts.BillsOfOrder]
    ) -> list[bill_contracts.BillsFound]:
        """What bills say of orders."""
        accounts = {channel: gateway.account for channel, gateway in self._gateways.items()}
        return reconciliations.of_orders(reader, requests, accounts)

    @query(contracts.REFUSED_NOTICES)
    def list_refusals(
        self, reader: Reader, requests: Sequence[contracts.ListRefusedNotices]
    ) -> list[contracts.RefusedNoticesPage]:
        """Refused callbacks, page by page."""
        return views.list_refusals(reader, requests)

    @sweep(every=60.0)
    def forget_bills(self, tx: Transaction, limit: int) -> int:
        """Forgets orders that were closed without a payment."""
        return forget_bills(tx, limit)

    @sweep(every=60.0)
    def forget_notifications(self, tx: Transaction, limit: int) -> int:
        """Forgets notifications that no platform repeats any more."""
        rows = tx.due(NOTIFICATIONS, "at", self._oldest(tx), limit)
        tx.delete(NOTIFICATIONS, tx.lock(NOTIFICATIONS, [(row.channel, row.notify_id) for row in rows]))
        return len(rows)

    @sweep(every=60.0)
    def forget_refusals(self, tx: Transaction, limit: int) -> int:
        """Forgets refused callbacks of long ago."""
        rows = tx.due(REFUSALS, "at", self._oldest(tx), limit)
        tx.delete(REFUSALS, tx.lock(REFUSALS, [row.refusal_id for row in rows]))
        return len(rows)

    @sweep(every=60.0)
    def fail_stuck_reconciliations(self, tx: Transaction, limit: int) -> int:
        """Ends comparisons that nobody works at any more."""
        return reconciliations.fail_stuck(tx, limit)

    @sweep(every=60.0)
    def forget_reconciliations(self, tx: Transaction, limit: int) -> int:
        """Forgets comparisons of long ago, and in what the bills and we differed."""
        return reconciliations.forget(tx, tx.now - int(self.settings.keep_bills * 1000), limit)

    def _oldest(self, tx: Transaction) -> int:
        return tx.now - int(self.settings.keep_notifications * 1000)

    def _gateway(self, channel: str) -> Gateway:
        if channel not in self._gateways:
            raise LookupError(f"there is no gateway for {channel!r}: configure the channel, then replay this task")
        return self._gateways[channel]

    def _account(self, channel: str) -> str:
        gateway = self._gateways.get(channel)
        return gateway.account if gateway is not None else ""

    def _beginning(self, order: orders.Order, channel: str) -> Begin:
        ask_at = self.engine.now() + asking.pause(self.settings, 0)
        return Begin(order.order_id, order.user, channel, order.amount_due, order.pay_by, ask_at)

    async def _open_at_platform(
        self, gateway: Gateway, order: orders.Order, payment_id: int, client_ip: str
    ) -> contracts.PaymentOpened:
        payment = OpenPayment(
            payment_id=str(payment_id),
            amount=order.amount_due,
            subject=f"Order {order.order_id}",
            expires_at=order.pay_by,
            notify_url=self.settings.notify_url(gateway.channel),
            client_ip=client_ip,
        )
        try:
            opened = await gateway.open(payment)
        except GatewayError as error:
            log.warning("payment %d could not be opened: %s", payment_id, error)
            return contracts.PaymentOpened("platform_unavailable")
        stored = StorePayUrl(payment_id, opened.pay_url, opened.trade_no)
        [answer] = await self.engine.write(store_pay_urls, [stored])
        return answer

    async def _stored(self, gateway: Gateway, notice: Notice, deadline: Deadline) -> bool:
        """Whether the notice is on disk; when nobody knows, the platform has to send it again."""
        if notice.kind == "other" and not notice.payment_id:
            return True  # it is about no payment, so there is nothing to write
        try:
            until = Deadline.after(min(self.settings.notify_timeout, deadline.remaining()))
            await self.engine.write(self.record, [_fact(gateway.channel, notice)], until)
        except EngineError as error:
            log.error("notification %s of %s is not stored: %r", notice.notify_id, gateway.channel, error)
            return False
        return True

    async def _note_refusal(self, request: contracts.Notify, rejected: Rejected) -> None:
        if rejected.reason == "probe":
            log.debug("a probe on %s is refused, as the platform expects", request.channel)
            return
        if self._refusals.allows(self.engine.now()):
            log.warning("a callback of %s is refused: %s", request.channel, rejected)
            refusal = Refusal(request.channel, rejected.reason, rejected.detail, request.body)
            try:
                until = Deadline.after(self.settings.notify_timeout)
                await self.engine.write(record_refusals, [refusal], until)
            except EngineError as error:
                log.error("a refused callback of %s is not written down: %r", request.channel, error)

    async def _close_trade(self, trade: Trade, deadline: Deadline) -> contracts.PaymentState:
        if deadline.passed:
            return "OPEN"
        try:
            fact = await asking.close(self._gateway(trade.channel), trade.payment_id, trade.trade_no)
        except (GatewayError, LookupError) as error:
            log.warning("payment %d is not known to be closed: %s", trade.payment_id, error)
            return "OPEN"
        if fact is None:
            return "OPEN"
        [state] = await self.engine.write(self.record, [fact])
        return state or "OPEN"


def _fact(channel: str, notice: Notice) -> Fact:
    return Fact(
        channel=channel,
        number=notice.payment_id,
        kind=notice.kind,
        source="notice",
        amount=notice.amount,
        trade_no=notice.trade_no,
        occurred_at=notice.occurred_at,
        notify_id=notice.notify_id,
        refund_number=notice.refund_id,
    )


def _notified(answer: Answer) -> contracts.Notified:
    return contracts.Notified(answer.status, answer.content_type, answer.body)
