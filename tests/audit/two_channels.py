"""A shop in memory that takes money through two platforms, each with a ledger of its own."""

from collections.abc import Sequence
from typing import Literal

from makegood.audit import Trade, Trades, look
from makegood.engine.deadline import Deadline
from makegood.shop.accounts.service import Accounts
from makegood.shop.accounts.tables import ACCOUNTS, ENTRIES, AccountRow, EntryRow
from makegood.shop.audit_types import Checked
from makegood.shop.coupons.service import Coupons
from makegood.shop.journal.service import Journal
from makegood.shop.orders import contracts as orders
from makegood.shop.orders.service import Orders
from makegood.shop.orders.settings import OrdersSettings
from makegood.shop.payments import contracts as payments
from makegood.shop.payments.service import Payments
from makegood.shop.payments.settings import PaymentsSettings
from makegood.shop.points.service import Points
from makegood.shop.stock import contracts as stock
from makegood.shop.stock.service import Stock
from makegood.shop.types import Line
from tests.support.world import ManualWorld
from tests.unit.orders.house import House
from tests.unit.payments.platform import Platform

TEA = Line("tea", 2, 10_000)
BALANCE = 1_000_000
USERS = ("alice", "bob", "carol")
PAGE = 3
"""Trades on a page of a ledger: few, so that there are several pages."""

Channel = Literal["testpay", "otherpay"]


class Ledger:
    """Implements `Trades` over a platform's books, in the order in which the trades were opened."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform

    async def __call__(self, after: str | None) -> Sequence[Trade]:
        """The next page."""
        books = list(self.platform.trades.values())
        numbers = [one.number for one in books]
        begin = 0 if after is None else numbers.index(after) + 1
        return [
            Trade(one.number, one.number, one.amount if one.paid_at else 0, one.refunded)
            for one in books[begin : begin + PAGE]
        ]


class TwoChannels(House):
    """The seven services, with tea and three buyers."""

    def __init__(self) -> None:
        world = ManualWorld()
        self.platforms = {"testpay": Platform(world, "testpay"), "otherpay": Platform(world, "otherpay")}
        self.settings = PaymentsSettings("https://shop.example")
        self.stock = Stock()
        shop = [Orders(OrdersSettings()), self.stock, Coupons(), Accounts(), Points(), Journal()]
        super().__init__(world, [*shop, Payments(self.settings, self.platforms)])
        self._load()

    async def place(self, key: str, user: str = "alice") -> orders.Order:
        """An order of two packets of tea, a part of it from the balance."""
        goods = TEA.quantity * TEA.unit_price
        wanted = orders.PlaceOrder(user, key, (TEA,), None, 1_000, 0, goods - 1_000)
        placed = await self.call(orders.PLACE, wanted, Deadline.after(5))
        assert placed.order is not None, placed
        self.deliver()
        return placed.order

    async def pay(self, order: orders.Order, channel: Channel) -> int:
        """The id of a payment that was captured and told to everybody."""
        wanted = payments.OpenPayment(order.user, order.order_id, channel)
        opened = await self.call(payments.OPEN, wanted, Deadline.after(5))
        body = self.platforms[channel].pay(str(opened.payment_id))
        assert body is not None
        await self.call(payments.NOTIFY, payments.Notify(channel, body, {}), Deadline.after(5))
        self.deliver()
        return opened.payment_id

    async def refund(self, order: orders.Order) -> None:
        """The whole order, money given back."""
        changed = await self.call(orders.REFUND, orders.ChangeOrder(order.order_id, order.user), Deadline.after(5))
        assert changed.refusal == ""
        self.deliver()
        assert await self.work() == []
        self.deliver()

    async def look(self, **ledgers: Trades) -> list[Checked]:
        """One look at everything, with the platforms' own ledgers unless others are given."""
        databases = {name: room.database.database for name, room in self.rooms.items()}
        own: dict[str, Trades] = {channel: Ledger(platform) for channel, platform in self.platforms.items()}
        return await look(databases, self.settings, {**own, **ledgers})

    def _load(self) -> None:
        goods = (stock.LoadGood(TEA.sku, TEA.sku, TEA.unit_price, 1_000),)
        self.rooms["stock"].transact(lambda tx: self.stock.load(tx, [stock.LoadGoods(goods, apply=True)]))
        accounts = [AccountRow(user, BALANCE, BALANCE, 1, None) for user in USERS]
        entries = [EntryRow(user, "load:1", BALANCE, self.world.now()) for user in USERS]
        self.rooms["accounts"].transact(lambda tx: tx.insert(ACCOUNTS, accounts))
        self.rooms["accounts"].transact(lambda tx: tx.insert(ENTRIES, entries))
