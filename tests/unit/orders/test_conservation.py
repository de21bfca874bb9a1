"""Whatever happens in whatever order: what live orders do not hold is where it was, and nothing is held twice."""

import asyncio
from collections.abc import Sequence
from typing import Literal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from makegood.engine.contracts import Operation
from makegood.shop.accounts import audit as accounts_audit
from makegood.shop.accounts import contracts as accounts
from makegood.shop.coupons import audit as coupons_audit
from makegood.shop.coupons import contracts as coupons
from makegood.shop.orders import steps
from makegood.shop.orders.contracts import Order
from makegood.shop.orders.settings import OrdersSettings
from makegood.shop.stock import audit as stock_audit
from makegood.shop.stock import contracts as stock
from makegood.shop.types import Line
from tests.unit.orders.shop import BALANCE, Shop, wanted

RUSHED = OrdersSettings(decide_within=0.02, attempt_timeout=0.01, cancel_wait=0.02)
ASKED: Sequence[Operation[object, object]] = (stock.DEDUCT, coupons.USE, accounts.DEDUCT, steps.SETTLE)  # pyright: ignore[reportAssignmentType]
FAULTS = st.tuples(st.integers(0, 3), st.sampled_from(["lost", "reply", "overload"]), st.sampled_from([1, 99]))

PLACE = st.tuples(
    st.just("place"), st.integers(0, 3), st.sampled_from([0, 300, 700]), st.sampled_from([0, 40_000, 90_000])
)
STEPS = st.lists(
    st.one_of(
        PLACE,
        st.tuples(st.just("break"), FAULTS),
        st.tuples(st.sampled_from(["pay", "pay again", "refunded", "ship", "refund", "cancel"]), st.integers(0, 3)),
        st.tuples(st.sampled_from(["sweep", "work", "deliver", "expire"])),
    ),
    max_size=14,
)


class Story:
    """One shop, and what happens in it."""

    def __init__(self) -> None:
        self.shop = Shop(RUSHED)

    async def happen(self, step: tuple[object, ...]) -> None:
        """One step; those about an order take one that exists, if any does."""
        match step:
            case ("place", int() as key, int() as discount, int() as balance):
                await self._place(key, discount, balance)
            case ("break", (int() as at, str() as fault, int() as times)):
                self.shop.wires.break_next(ASKED[at], *[fault] * times)
            case (str() as what, int() as at) if orders := self._orders():
                self._change(what, orders[at % len(orders)])
            case ("sweep",):
                self.shop.world.advance(30)
                self.shop.sweep("orders")
            case ("expire",):
                self.shop.world.advance(900_000)
                self.shop.sweep("orders")
            case ("work",):
                await self.shop.work()
            case ("deliver",):
                self.shop.deliver(times=2)
            case _:
                pass

    async def end(self) -> None:
        """Faults stop, every queue drains."""
        for _ in range(3):
            self.shop.world.advance(30)
            self.shop.sweep("orders")
            await self.shop.work()
            self.shop.deliver()

    def check(self) -> None:
        """The promises P1, P2, P3, P6 and P10."""
        for name, audit in (("stock", stock_audit), ("coupons", coupons_audit), ("accounts", accounts_audit)):
            for checked in self.shop.rooms[name].database.read(audit.audit):
                assert not checked.findings, checked
            holding = set(self.shop.rooms[name].database.read(lambda reader, audit=audit: list(audit.held(reader))))
            assert holding == self._should_hold(name)
        assert all(order.decision for order in self._orders())
        assert len(self._orders()) == self.shop.order_rows()

    def _should_hold(self, name: str) -> set[int]:
        return {order.order_id for order in self._orders() if _holds(order, name)}

    def _orders(self) -> list[Order]:
        ids = [row[0] for row in self.shop.rooms["orders"].database.connection.execute("SELECT order_id FROM orders")]
        return [self.shop.order(int(str(order_id))) for order_id in ids]

    async def _place(self, key: int, discount: int, balance: int) -> None:
        coupon = f"alice-{discount}" if discount else None
        lines = (Line("tea", 60, 1_000),)
        await self.shop.place(
            wanted(f"k{key}", lines=lines, coupon_id=coupon, discount=discount, balance=min(balance, 59_000))
        )

    def _change(self, what: str, order: Order) -> None:
        asked: dict[str, Literal["ship", "refund"]] = {"ship": "ship", "refund": "refund"}
        if what in asked:
            self.shop.change(asked[what], order.order_id)
        elif what == "cancel":
            self.shop.ask_cancel(order.order_id)
        elif order.decision == "confirmed" and order.amount_due:
            payment_id = order.order_id + (1 if what == "pay again" else 0)
            if what == "refunded":
                self.shop.refund(order, payment_id, order.amount_due, order.amount_due, order.amount_due)
            else:
                self.shop.succeed(order, payment_id)


def _holds(order: Order, participant: str) -> bool:
    """What the order's end means for what it took."""
    used = {"stock": True, "coupons": order.coupon_id is not None, "accounts": order.balance > 0}[participant]
    refunded = order.payment_status in ("REFUNDING", "REFUNDED")
    if refunded:
        return used and participant != "accounts" and order.shipping_status != "UNSHIPPED"
    return used and order.status in ("CONFIRMED", "COMPLETED")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS)
def test_nothing_is_lost_or_held_twice(story: list[tuple[object, ...]]) -> None:
    """Orders, faults, payments, cancels and refunds in any order: in the end only live orders hold anything."""

    async def tell() -> None:
        told = Story()
        for step in story:
            await told.happen(step)
        await told.end()
        told.check()
        assert 0 <= told.shop.balance() <= BALANCE

    asyncio.run(tell())
