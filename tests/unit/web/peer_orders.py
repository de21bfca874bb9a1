"""The peer's orders, payments and journal."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from makegood.shop.accounts import contracts as accounts
from makegood.shop.coupons import contracts as coupons
from makegood.shop.journal import contracts as journal
from makegood.shop.orders import contracts as orders
from makegood.shop.payments import contracts as payments
from makegood.shop.points.contracts import OF_PAYMENTS, Entries, EntriesOfPayments, Entry
from makegood.shop.reservation_contracts import ReservationFound, ReservationOf
from makegood.shop.stock import contracts as stock
from tests.unit.web.peer_bills import BillBook

if TYPE_CHECKING:
    from tests.unit.web.peer import PeerShop

SHIPPING = 600
FIRST_ID = 9_007_199_254_740_993
"""Larger than what JavaScript's numbers hold."""


class Notice(msgspec.Struct):
    """What the peer's platform calls back with."""

    payment_id: int
    amount: int


class OrderBook:
    """Orders by id, keys by user, payments by id. `undecided`: orders stay OPEN."""

    def __init__(self, shop: "PeerShop") -> None:
        self._shop = shop
        self.undecided = False
        self.orders: dict[int, orders.Order] = {}
        self.payments: dict[int, payments.Payment] = {}
        self.notices: list[payments.Notify] = []
        self.breaks: list[payments.Break] = []
        self.bills = BillBook(shop)
        self.refused: list[payments.RefusedNotice] = []
        self._keys: dict[tuple[str, str], tuple[orders.PlaceOrder, orders.Placed]] = {}
        self._refund_keys: dict[str, payments.Refund] = {}
        self._next = FIRST_ID
        self.journal_limit = journal.MAX_ENTRIES

    def answers(self) -> dict[str, Callable[[Any], Any]]:
        """What is answered, by the operation's name."""
        return {
            str(orders.PLACE): self.place,
            str(orders.FIND): self._find,
            str(orders.OF_USER): self._of_user,
            str(orders.QUOTE): self._quote,
            str(orders.CANCEL): lambda request: self._change(request, "UNPAID", "not_cancellable", self.cancel),
            str(orders.REFUND): lambda request: self._change(request, "PAID", "not_refundable", self.refund),
            str(orders.SHIP): lambda request: self._change(request, "PAID", "not_shippable", self.ship),
            str(orders.RECEIVE): lambda request: self._change(request, "PAID", "not_receivable", self.receive),
            str(payments.OPEN): self._open,
            str(payments.NOTIFY): self._notify,
            str(payments.OF_ORDER): self._payments,
            str(payments.FIND): self._find_payments,
            str(payments.TRAIL): self._trail,
            str(OF_PAYMENTS): self._points_entries,
            str(payments.REFUND): self._refund_part,
            str(payments.BREAKS): self._breaks,
            str(payments.REFUSED_NOTICES): lambda _: payments.RefusedNoticesPage(tuple(self.refused)),
            str(journal.OF_ORDER): self._entries,
            str(stock.RESERVATION): self._reservation,
            str(coupons.RESERVATION): lambda _: ReservationFound(),
            str(accounts.RESERVATION): lambda _: ReservationFound(),
            **self.bills.answers(),
        }

    def points(self, user: str) -> int:
        """One for each full 100 fen captured."""
        return sum(one.captured // 100 for one in self.payments.values() if one.user == user)

    def place(self, wanted: orders.PlaceOrder) -> orders.Placed:
        """Once for each key."""
        known = self._keys.get((wanted.user, wanted.key))
        if known is None:
            known = self._keys[wanted.user, wanted.key] = (wanted, self._decide(wanted))
        return known[1] if known[0] == wanted else orders.Placed("key_reused")

    def _decide(self, wanted: orders.PlaceOrder) -> orders.Placed:
        if self.undecided:
            return orders.Placed("undecided", order=self._store(wanted, "OPEN", "", 0))
        refusal, discount = self._refusal(wanted)
        if refusal:
            return orders.Placed("refused", refusal, self._store(wanted, "CANCELLED", refusal, discount))
        for line in wanted.lines:
            good = self._shop.goods[line.sku]
            self._shop.goods[line.sku] = replace(good, stock=good.stock - line.quantity)
        self._shop.balances[wanted.user] -= wanted.balance
        self._shop.coupons.pop(wanted.coupon_id or "", None)
        return orders.Placed("confirmed", order=self._store(wanted, "CONFIRMED", "confirmed", discount))

    def _refusal(self, wanted: orders.PlaceOrder) -> tuple[str, int]:
        for line in wanted.lines:
            good = self._shop.goods.get(line.sku)
            if good is None or good.price != line.unit_price:
                return ("unknown_sku" if good is None else "price_changed"), 0
            if good.stock < line.quantity:
                return "out_of_stock", 0
        coupon = self._shop.coupons.get(wanted.coupon_id or "")
        if wanted.coupon_id and (coupon is None or coupon.user != wanted.user):
            return "coupon_unusable", 0
        discount = coupon.value if coupon else 0
        if self._shop.balances.get(wanted.user, 0) < wanted.balance:
            return "insufficient_balance", 0
        sums = _goods_amount(wanted) + SHIPPING - discount - wanted.balance
        agree = wanted.shipping_fee == SHIPPING and wanted.amount_due == sums
        return ("" if agree else "amount_mismatch"), discount

    def _store(self, wanted: orders.PlaceOrder, status: orders.Status, decision: str, discount: int) -> orders.Order:
        self._next += 1
        now = self._shop.now()
        paid: orders.PaymentStatus = "PAID" if decision == "confirmed" and not wanted.amount_due else "UNPAID"
        opened = orders.Change(now, "OPEN", "UNPAID", "UNSHIPPED", "opened")
        decided = (orders.Change(now, status, paid, "UNSHIPPED", decision),) if decision else ()
        order = orders.Order(
            order_id=self._next,
            user=wanted.user,
            status=status,
            payment_status=paid,
            shipping_status="UNSHIPPED",
            lines=wanted.lines,
            goods_amount=_goods_amount(wanted),
            coupon_id=wanted.coupon_id,
            discount=discount,
            shipping_fee=wanted.shipping_fee,
            balance=wanted.balance,
            amount_due=wanted.amount_due,
            created_at=now,
            pay_by=now + 900_000,
            payment_id=None,
            decision=decision,
            changes=(opened, *decided),
        )
        self.orders[order.order_id] = order
        return order

    def move(self, order_id: int, why: str, **new: Any) -> orders.Order:
        """Gives an order new statuses, and notes the change."""
        order = replace(self.orders[order_id], **new)
        change = orders.Change(self._shop.now(), order.status, order.payment_status, order.shipping_status, why)
        self.orders[order_id] = replace(order, changes=(*order.changes, change))
        return self.orders[order_id]

    def cancel(self, order: orders.Order) -> orders.Order:
        """As the buyer's cancel does."""
        return self.move(order.order_id, "cancelled by the buyer", status="CANCELLED")

    def refund(self, order: orders.Order) -> orders.Order:
        """As the buyer's refund does."""
        return self.move(order.order_id, "refund asked for", payment_status="REFUNDING")

    def ship(self, order: orders.Order) -> orders.Order:
        """As the operators' ship does."""
        return self.move(order.order_id, "shipped", shipping_status="SHIPPED")

    def receive(self, order: orders.Order) -> orders.Order:
        """As the buyer's receive does."""
        return self.move(order.order_id, "received", shipping_status="RECEIVED", status="COMPLETED")

    def _find(self, request: orders.FindOrder) -> orders.FoundOrder:
        order = self.orders.get(request.order_id)
        mine = order is not None and request.user in (None, order.user)
        return orders.FoundOrder(order if mine else None)

    def _of_user(self, request: orders.OrdersOfUser) -> orders.OrdersFound:
        ids = sorted((one.order_id for one in self.orders.values() if one.user == request.user), reverse=True)
        behind = [id for id in ids if request.after is None or id < request.after]
        page = tuple(self.orders[id] for id in behind[: request.limit])
        return orders.OrdersFound(page, page[-1].order_id if len(behind) > request.limit else None)

    def _quote(self, request: orders.Quote) -> orders.Quoted:
        if any(line.sku not in self._shop.goods for line in request.lines):
            return orders.Quoted("unknown_sku")
        goods = sum(self._shop.goods[line.sku].price * line.quantity for line in request.lines)
        held = self._shop.balances.get(request.user, 0)
        balance = min(goods + SHIPPING, held if request.balance is None else request.balance)
        if balance > held:
            return orders.Quoted("insufficient_balance")
        return orders.Quoted("", goods, SHIPPING, 0, balance, goods + SHIPPING - balance)

    def _change(
        self,
        request: orders.ChangeOrder,
        payment_status: str,
        refusal: str,
        change: Callable[[orders.Order], orders.Order],
    ) -> orders.Changed:
        order = self._find(orders.FindOrder(request.order_id, request.user)).order
        if order is None:
            return orders.Changed("not_found")
        if order.status != "CONFIRMED" or order.payment_status != payment_status:
            return orders.Changed(refusal, order=order)
        return orders.Changed(undecided=self.undecided, order=order if self.undecided else change(order))

    def _open(self, request: payments.OpenPayment) -> payments.PaymentOpened:
        order = self._find(orders.FindOrder(request.order_id, request.user)).order
        if order is None:
            return payments.PaymentOpened("not_found")
        if request.channel != "alipay":
            return payments.PaymentOpened("unknown_channel")
        if order.status != "CONFIRMED" or order.payment_status != "UNPAID":
            return payments.PaymentOpened("not_payable")
        self._next += 1
        url = f"http://127.0.0.1:8001/cashier/{self._next}"
        self.payments[self._next] = payments.Payment(
            self._next, order.order_id, order.user, "alipay", order.amount_due, "OPEN", 0, 0, "", url,
            self._shop.now(), None,
        )  # fmt: skip
        return payments.PaymentOpened("", self._next, url)

    def _notify(self, request: payments.Notify) -> payments.Notified:
        self.notices.append(request)
        try:
            notice = msgspec.json.decode(request.body, type=Notice)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return payments.Notified(200, "text/plain", b"failure")
        payment = self.payments.get(notice.payment_id)
        if request.channel != "alipay" or payment is None:
            return payments.Notified(404, "text/plain", b"failure")
        now = self._shop.now()
        self.payments[payment.payment_id] = replace(payment, state="PAID", captured=notice.amount, captured_at=now)
        self.move(payment.order_id, "paid", payment_status="PAID", payment_id=payment.payment_id)
        return payments.Notified(200, "text/plain", b"success")

    def _payments(self, request: payments.PaymentsOfOrder) -> payments.Payments:
        return payments.Payments(tuple(one for one in self.payments.values() if one.order_id == request.order_id))

    def _find_payments(self, request: payments.FindPayments) -> payments.Payments:
        return payments.Payments(tuple(self.payments[id] for id in request.payment_ids if id in self.payments))

    def _trail(self, request: payments.TrailOfOrder) -> payments.Trail:
        mine = [one for one in self.payments.values() if one.order_id == request.order_id]
        numbers = {str(one.payment_id) for one in mine}
        breaks = tuple(one for one in self.breaks if one.number in numbers)
        return payments.Trail(tuple(map(_payment_trail, mine)), tuple(self.refused), breaks)

    def _points_entries(self, request: EntriesOfPayments) -> Entries:
        paid = [self.payments[id] for id in request.payment_ids if self.payments[id].captured_at is not None]
        return Entries(tuple(Entry(one.payment_id, 0, one.captured // 100, one.captured_at or 0) for one in paid))

    def _refund_part(self, request: payments.RefundPart) -> payments.PartRefunded:
        payment = self.payments.get(request.payment_id)
        if payment is None or request.amount > payment.captured - payment.refunded:
            return payments.PartRefunded("not_found" if payment is None else "amount_exceeds_captured")
        if request.refund_key not in self._refund_keys:
            self._next += 1
            now = self._shop.now()
            refund = payments.Refund(self._next, request.amount, "REQUESTED", "operator", now, now)
            self._refund_keys[request.refund_key] = refund
            self.payments[payment.payment_id] = replace(
                payment, refunded=payment.refunded + request.amount, refunds=(*payment.refunds, refund)
            )
        return payments.PartRefunded("", self._refund_keys[request.refund_key])

    def _breaks(self, request: payments.ListBreaks) -> payments.BreaksPage:
        behind = [one for one in self.breaks if one.break_id > (request.after or 0)]
        page = tuple(behind[: request.limit])
        return payments.BreaksPage(page, page[-1].break_id if len(behind) > request.limit else None)

    def _entries(self, request: journal.EntriesOfOrder) -> journal.Entries:
        entries = tuple(
            journal.Entry(number, change.at, "orders", change.why, request.order_id, None, "{}")
            for number, change in enumerate(self._changes(request.order_id), 1)
        )
        return journal.Entries(entries[: self.journal_limit], len(entries) <= self.journal_limit)

    def _changes(self, order_id: int) -> tuple[orders.Change, ...]:
        order = self.orders.get(order_id)
        return order.changes if order else ()

    def _reservation(self, request: ReservationOf) -> ReservationFound:
        order = self.orders.get(request.order_id)
        if order is None or order.decision != "confirmed":
            return ReservationFound()
        returned = order.status == "CANCELLED"
        state = "RETURNED" if returned else "TAKEN"
        return ReservationFound(state, "{}", "{}", order.created_at, order.changes[-1].at)


def _payment_trail(payment: payments.Payment) -> payments.PaymentTrail:
    captured_at = payment.captured_at
    if captured_at is None:
        return payments.PaymentTrail(payment.payment_id, None, payment.created_at, payment.created_at, 2, 1, ())
    told = payments.Notification(
        "alipay", "n1", "t1", "captured", payment.captured, captured_at, captured_at, "captured"
    )
    return payments.PaymentTrail(payment.payment_id, "notice", captured_at, payment.created_at, 0, None, (told,))


def _goods_amount(wanted: orders.PlaceOrder) -> int:
    return sum(line.unit_price * line.quantity for line in wanted.lines)
