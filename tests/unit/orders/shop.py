"""A small shop to place orders in."""

from collections.abc import Sequence
from typing import Literal, TypeVar

from makegood.engine.contracts import Event
from makegood.engine.deadline import Deadline
from makegood.shop.accounts.service import Accounts
from makegood.shop.accounts.tables import ACCOUNTS, ENTRIES, AccountRow, EntryRow
from makegood.shop.coupons import contracts as coupons
from makegood.shop.coupons.service import Coupons
from makegood.shop.orders import contracts, steps
from makegood.shop.orders.cancelling import ask_cancel
from makegood.shop.orders.contracts import Changed, ChangeOrder, Order, Placed, PlaceOrder
from makegood.shop.orders.service import Orders
from makegood.shop.orders.settings import OrdersSettings
from makegood.shop.payments import contracts as payments
from makegood.shop.stock import contracts as stock
from makegood.shop.stock.service import Stock
from makegood.shop.types import Line
from tests.support.world import ManualWorld
from tests.unit.orders.bills import Bills
from tests.unit.orders.house import House

E = TypeVar("E")

TEA, POT = Line("tea", 2, 1_000), Line("pot", 1, 5_000)
BALANCE = 100_000
PATIENT = OrdersSettings(decide_within=4.0, attempt_timeout=0.15, cancel_wait=4.0)
"""For tests in which all ends well, also on a busy machine."""
HASTY = OrdersSettings(decide_within=0.2, attempt_timeout=0.05, cancel_wait=0.1)
"""For tests that wait until time is over."""
OVERDUE = 4_001
"""Milliseconds after which an order of either shop is past its deadline."""


def wanted(
    key: str = "k1",
    user: str = "alice",
    lines: Sequence[Line] = (TEA,),
    coupon_id: str | None = None,
    discount: int = 0,
    balance: int = 0,
    fee: int | None = None,
    due: int | None = None,
) -> PlaceOrder:
    """An order as an honest buyer sends it, unless told otherwise."""
    goods = sum(line.quantity * line.unit_price for line in lines)
    shipping = (0 if goods >= 9_900 else 600) if fee is None else fee
    amount_due = goods + shipping - discount - balance if due is None else due
    return PlaceOrder(user, key, tuple(lines), coupon_id, balance, shipping, amount_due)


class Shop(House):
    """Orders and whom it talks to, with goods, balances and coupons."""

    def __init__(self, settings: OrdersSettings = PATIENT) -> None:
        self.orders, self.stock, self.coupons, self.accounts = Orders(settings), Stock(), Coupons(), Accounts()
        self.bills = Bills()
        super().__init__(ManualWorld(), [self.orders, self.stock, self.coupons, self.accounts, self.bills])
        self._load()

    async def place(self, request: PlaceOrder, seconds: float = 5.0) -> Placed:
        """Places an order."""
        return await self.call(contracts.PLACE, request, Deadline.after(seconds))

    async def confirmed(self, request: PlaceOrder | None = None) -> Order:
        """An order that was confirmed; its events are delivered."""
        placed = await self.place(request or wanted())
        assert placed.outcome == "confirmed"
        assert placed.order is not None
        self.deliver()
        return placed.order

    async def paid(self, request: PlaceOrder | None = None) -> Order:
        """An order that was paid by payment 71, unless nothing was due."""
        order = await self.confirmed(request)
        if order.amount_due:
            self.succeed(order, 71)
        self.deliver()
        return self.order(order.order_id)

    def succeed(self, order: Order, payment_id: int, amount: int | None = None) -> None:
        """Payments says that a payment of the order was captured."""
        captured = order.amount_due if amount is None else amount
        self.tell(payments.SUCCEEDED, succeeded(order, payment_id, captured))

    def refund(self, order: Order, payment_id: int, amount: int, cumulative: int, captured: int) -> None:
        """Payments says that a platform gave money back."""
        event = payments.Refunded(payment_id, cumulative, order.order_id, order.user, amount, cumulative, captured, 0)
        self.tell(payments.REFUNDED, event)

    def bill(self, order_id: int, state: Literal["PAID", "SILENT"] | None) -> None:
        """From now on payments says this when it is asked to close the order; PAID is by payment 71."""
        amount = self.order(order_id).amount_due
        self.rooms["payments"].transact(lambda tx: self.bills.say(tx, order_id, state, 71, amount))

    def order(self, order_id: int, user: str | None = None) -> Order:
        """An order that is there."""
        order = self.find(order_id, user)
        assert order is not None
        return order

    def find(self, order_id: int, user: str | None = None) -> Order | None:
        """An order, or None."""
        question = contracts.FindOrder(order_id, user)
        [found] = self.rooms["orders"].database.read(lambda reader: self.orders.find(reader, [question]))
        return found.order

    def change(self, what: Literal["ship", "receive", "refund"], order_id: int, user: str | None = None) -> Changed:
        """Asks for a change of an order."""
        function = {"ship": self.orders.ship, "receive": self.orders.receive, "refund": self.orders.refund}[what]
        [changed] = self.rooms["orders"].transact(lambda tx: function(tx, [ChangeOrder(order_id, user)]))
        return changed

    def ask_cancel(self, order_id: int) -> Changed:
        """The first step of a buyer's cancel."""
        [changed] = self.rooms["orders"].transact(lambda tx: ask_cancel(tx, [ChangeOrder(order_id)]))
        return changed

    def open(self, *requests: PlaceOrder) -> list[steps.Opened]:
        """The first step alone, all requests in one batch."""
        return self.run_open([steps.Open(one) for one in requests])

    def run_open(self, batch: Sequence[steps.Open]) -> list[steps.Opened]:
        """One run of the first step's batch."""
        return self.rooms["orders"].transact(lambda tx: self.orders.open(tx, batch))

    def settle(self, *requests: steps.Settle) -> list[Order]:
        """The last step alone, all requests in one batch."""
        settled = self.rooms["orders"].transact(lambda tx: self.orders.settle(tx, requests))
        return [one.order for one in settled]

    def on_hand(self, sku: str = "tea") -> int:
        """How many pieces stock has."""
        question = stock.FindGoods((sku,))
        [found] = self.rooms["stock"].database.read(lambda reader: self.stock.find(reader, [question]))
        return found.goods[0].stock

    def balance(self, user: str = "alice") -> int:
        """What is on the user's account, in fen."""
        rows = self.rooms["accounts"].database.read(lambda reader: reader.select(ACCOUNTS, [user]))
        return rows[user].balance

    def usable_coupons(self, user: str = "alice") -> list[str]:
        """The ids of the coupons the user can use."""
        question = coupons.CouponsOfUser(user)
        [found] = self.rooms["coupons"].database.read(lambda reader: self.coupons.of_user(reader, [question]))
        return [coupon.coupon_id for coupon in found.coupons]

    def rows(self, service: str, table: str) -> int:
        """How many rows a table has."""
        [(count,)] = self.rooms[service].database.connection.execute(f"SELECT count(*) FROM {table}")
        assert isinstance(count, int)
        return count

    def order_rows(self) -> int:
        """How many orders there are, decided or not."""
        return self.rows("orders", "orders")

    def said(self, event: Event[E]) -> list[E]:
        """What was published of this event and not delivered."""
        return [one.payload for one in self.events if one.event == event]  # pyright: ignore[reportReturnType]

    def _load(self) -> None:
        goods = tuple(stock.LoadGood(line.sku, line.sku, line.unit_price, 1_000) for line in (TEA, POT))
        self.rooms["stock"].transact(lambda tx: self.stock.load(tx, [stock.LoadGoods(goods, apply=True)]))
        tomorrow = self.world.now() + 86_400_000
        given = tuple(
            coupons.LoadCoupon(f"{user}-{value}", user, value, 0, tomorrow)
            for user in ("alice", "bob")
            for value in (300, 700)
        )
        self.rooms["coupons"].transact(lambda tx: self.coupons.load(tx, [coupons.LoadCoupons(given, apply=True)]))
        for user in ("alice", "bob"):
            account = AccountRow(user, BALANCE, BALANCE, 1, None)
            entry = EntryRow(user, "load:1", BALANCE, self.world.now())
            self.rooms["accounts"].transact(lambda tx, row=account: tx.insert(ACCOUNTS, [row]))
            self.rooms["accounts"].transact(lambda tx, row=entry: tx.insert(ENTRIES, [row]))


def succeeded(order: Order, payment_id: int, amount: int) -> payments.Succeeded:
    """The event of a captured payment."""
    return payments.Succeeded(payment_id, order.order_id, order.user, "alipay", amount, 0)


def whys(order: Order) -> list[str]:
    """Why the order changed, one by one."""
    return [change.why for change in order.changes]
