"""Placing an order, with real stock, coupons and accounts, over wires that lose calls and replies."""

import asyncio

import pytest

from makegood.engine.deadline import Deadline
from makegood.engine.errors import DeadlineExceeded, Overloaded
from makegood.shop.accounts import contracts as accounts
from makegood.shop.coupons import contracts as coupons
from makegood.shop.orders import steps
from makegood.shop.orders.asking import in_time_for
from makegood.shop.orders.contracts import FIND, PLACE
from makegood.shop.stock import contracts as stock
from makegood.shop.types import Line
from tests.unit.orders.shop import BALANCE, OVERDUE, POT, TEA, Shop, wanted

ALL = wanted(lines=(TEA, POT), coupon_id="alice-700", discount=700, balance=1_000)
"""An order that asks everybody."""


def untouched(shop: Shop) -> bool:
    """Whether nothing is taken of anybody."""
    whole = (1_000, 1_000, BALANCE, ["alice-300", "alice-700"])
    return (shop.on_hand("tea"), shop.on_hand("pot"), shop.balance(), shop.usable_coupons()) == whole


async def test_an_order_takes_what_it_uses_and_is_confirmed(shop: Shop) -> None:
    """Stock, coupon and balance are taken once each, and the answer is the order as it is stored."""
    placed = await shop.place(ALL)
    assert placed.outcome == "confirmed"
    assert placed.order is not None
    assert placed.order == shop.order(placed.order.order_id)
    assert (placed.order.discount, placed.order.amount_due) == (700, 5_900)
    assert (shop.on_hand("tea"), shop.on_hand("pot")) == (998, 999)
    assert shop.balance() == BALANCE - 1_000
    assert shop.usable_coupons() == ["alice-300"]
    assert shop.deliver() == ["orders: confirmed"]


async def test_nobody_is_asked_for_what_an_order_does_not_use(shop: Shop) -> None:
    """A plain order costs three calls: open, deduct, settle."""
    await shop.place(wanted())
    assert shop.wires.called == [str(one) for one in (PLACE, steps.OPEN, stock.DEDUCT, steps.SETTLE)]


async def test_the_participants_are_told_the_orders_deadline(shop: Shop) -> None:
    """By it they refuse what comes too late."""
    await shop.place(ALL)
    asked = dict(shop.wires.asked)
    deadlines = {asked[str(operation)].deadline for operation in (stock.DEDUCT, coupons.USE, accounts.DEDUCT)}
    assert deadlines == {shop.world.now() + 4_000}


async def test_a_sold_out_order_asks_nobody_else(shop: Shop) -> None:
    """Stock refuses, so coupons and accounts are not asked, nothing is taken, and no event is said."""
    placed = await shop.place(
        wanted(lines=(Line("tea", 1_001, 1_000),), coupon_id="alice-700", discount=700, balance=9)
    )
    assert (placed.outcome, placed.refusal) == ("refused", "out_of_stock")
    assert str(coupons.USE) not in shop.wires.called
    assert str(accounts.DEDUCT) not in shop.wires.called
    assert not shop.events
    assert untouched(shop)


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (wanted(lines=(Line("tea", 1, 999),)), "price_changed"),
        (wanted(lines=(Line("rum", 1, 999),)), "unknown_sku"),
        (wanted(coupon_id="bob-700", discount=700), "coupon_unusable"),
        (wanted(user="nobody", balance=1), "insufficient_balance"),
        (wanted(coupon_id="alice-700", discount=699), "amount_mismatch"),
        (wanted(user="nobody", coupon_id="alice-700", discount=700, balance=1), "coupon_unusable"),
    ],
)
async def test_a_refusal_names_its_code_and_leaves_nothing_taken(shop: Shop, request_: object, code: str) -> None:
    """Once the events are delivered nothing stays taken, and a repeat is refused with the same code."""
    placed = await shop.place(request_)  # pyright: ignore[reportArgumentType]
    assert (placed.outcome, placed.refusal) == ("refused", code)
    shop.deliver(times=2)
    assert untouched(shop)
    again = await shop.place(request_)  # pyright: ignore[reportArgumentType]
    assert (again.outcome, again.refusal, again.order) == ("refused", code, placed.order)


async def test_a_repeat_is_answered_by_the_decision_and_drives_nothing(shop: Shop) -> None:
    """A confirmed order's key is answered as the first time, even when the order has gone on since."""
    first = await shop.place(ALL)
    assert first.order is not None
    shop.succeed(first.order, 71)
    calls = len(shop.wires.called)
    again = await shop.place(ALL)
    assert again.outcome == "confirmed"
    assert again.order is not None
    assert again.order.payment_status == "PAID"
    assert shop.wires.called[calls:] == [str(PLACE), str(steps.OPEN)]
    assert shop.on_hand("tea") == 998


async def test_a_key_with_another_body_is_reused(shop: Shop) -> None:
    """It is told apart from a repeat, and no order is shown."""
    await shop.place(wanted())
    placed = await shop.place(wanted(lines=(POT,)))
    assert (placed.outcome, placed.order) == ("key_reused", None)


async def test_equal_orders_at_the_same_time_are_one(shop: Shop) -> None:
    """Ten buyers' clicks with one key: one order, all are told that it is confirmed."""
    placed = await asyncio.gather(*(shop.place(ALL) for _ in range(10)))
    assert {one.outcome for one in placed} == {"confirmed"}
    assert shop.order_rows() == 1
    assert shop.on_hand("tea") == 998
    assert shop.wires.called.count(str(stock.DEDUCT)) == 1


async def test_a_repeat_waits_for_who_drives(shop: Shop) -> None:
    """While the first call is under way, the repeat looks until the order is decided."""
    shop.wires.break_next(stock.DEDUCT, "silence")
    first, again = await asyncio.gather(shop.place(wanted()), shop.place(wanted()))
    assert first.outcome == again.outcome == "confirmed"
    assert str(FIND) in shop.wires.called


async def test_a_repeat_of_an_order_nobody_drives_is_undecided(hasty: Shop) -> None:
    """Its process died: the repeat waits until the deadline, drives nothing, and says that it is not decided."""
    hasty.open(wanted())
    placed = await hasty.place(wanted())
    assert placed.outcome == "undecided"
    assert placed.order is not None
    assert placed.order.status == "OPEN"
    assert str(stock.DEDUCT) not in hasty.wires.called
    hasty.world.advance(OVERDUE)
    hasty.sweep("orders")
    swept = await hasty.place(wanted())
    assert (swept.outcome, swept.refusal) == ("refused", "cancelled")


@pytest.mark.parametrize("fault", ["lost", "reply", "overload", "silence"])
@pytest.mark.parametrize("operation", [stock.DEDUCT, coupons.USE, accounts.DEDUCT, steps.SETTLE])
async def test_a_lost_call_or_reply_is_asked_again(shop: Shop, operation: object, fault: str) -> None:
    """One lost call or reply costs time, never the order, and nothing is taken twice."""
    shop.wires.break_next(operation, fault)  # pyright: ignore[reportArgumentType]
    placed = await shop.place(ALL)
    assert placed.outcome == "confirmed"
    assert shop.wires.called.count(str(operation)) == 2
    assert (shop.on_hand("tea"), shop.balance()) == (998, BALANCE - 1_000)
    assert shop.deliver() == ["orders: confirmed"]


@pytest.mark.parametrize("fault", ["lost", "reply"])
@pytest.mark.parametrize("operation", [stock.DEDUCT, coupons.USE, accounts.DEDUCT, steps.SETTLE])
async def test_without_an_answer_only_the_sweep_decides(hasty: Shop, operation: object, fault: str) -> None:
    """No answer until the deadline leaves the order undecided; then the sweep cancels it and all is put back.

    Unless settling took effect and only its reply was lost: then the order is what it was settled to be.
    """
    hasty.wires.break_next(operation, *[fault] * 99)  # pyright: ignore[reportArgumentType]
    placed = await hasty.place(ALL)
    assert placed.outcome == "undecided"
    assert placed.order is not None
    hasty.world.advance(OVERDUE)
    hasty.sweep("orders")
    hasty.deliver(times=2)
    settled = operation is steps.SETTLE and fault == "reply"
    assert hasty.order(placed.order.order_id).decision == ("confirmed" if settled else "cancelled")
    assert untouched(hasty) != settled


async def test_a_deduction_that_comes_after_the_cancel_takes_nothing(shop: Shop) -> None:
    """The sweep was faster: what arrives behind the event is refused, and nothing hangs."""
    [opened] = shop.open(ALL)
    assert opened.order is not None
    shop.world.advance(OVERDUE)
    shop.sweep("orders")
    shop.deliver()
    late = stock.DeductStock(opened.order.order_id, "alice", ALL.lines, opened.deadline)
    [answer] = shop.rooms["stock"].transact(lambda tx: shop.stock.deduct(tx, [late]))
    assert answer.refusal == "cancelled"
    assert untouched(shop)


async def test_a_refusal_does_not_wait_for_an_answer_that_is_lost(shop: Shop) -> None:
    """Accounts refuses, coupons is silent: the order is refused at once, and coupons gives back what it may have."""
    shop.wires.break_next(coupons.USE, "reply", *["lost"] * 99)
    request = wanted(coupon_id="alice-700", discount=700, balance=1_900, due=0, lines=(TEA,))
    shop.rooms["accounts"].transact(lambda tx: shop.accounts.deduct(tx, [_all_of_alice(shop)]))
    placed = await shop.place(request)
    assert (placed.outcome, placed.refusal) == ("refused", "insufficient_balance")
    assert shop.wires.called.count(str(coupons.USE)) == 1
    shop.deliver()
    assert shop.usable_coupons() == ["alice-300", "alice-700"]
    assert shop.on_hand() == 1_000


async def test_overload_before_anything_is_written_reaches_the_caller(shop: Shop) -> None:
    """The caller is told to come back; the key is not used up."""
    shop.wires.break_next(steps.OPEN, "overload")
    with pytest.raises(Overloaded):
        await shop.place(wanted())
    assert shop.order_rows() == 0
    assert (await shop.place(wanted())).outcome == "confirmed"


async def test_a_lost_open_is_never_driven_by_a_repeat(hasty: Shop) -> None:
    """Nobody knows whether the order was opened, so the caller is told that; the sweep settles what there is."""
    hasty.wires.break_next(steps.OPEN, "reply")
    with pytest.raises(DeadlineExceeded):
        await hasty.place(wanted())
    assert (await hasty.place(wanted())).outcome == "undecided"
    assert untouched(hasty)


async def test_a_caller_with_less_time_is_told_in_time(shop: Shop) -> None:
    """The answer comes before the caller gives up, though the order has more time: 4 s."""
    shop.wires.break_next(stock.DEDUCT, *["lost"] * 99)
    loop = asyncio.get_running_loop()
    began = loop.time()
    placed = await shop.place(wanted(), seconds=0.3)
    assert placed.outcome == "undecided"
    assert loop.time() - began < 2.0
    assert in_time_for(Deadline(10.0)).at < 10.0


def _all_of_alice(shop: Shop) -> accounts.DeductBalance:
    return accounts.DeductBalance(1, "alice", BALANCE, shop.world.now())
