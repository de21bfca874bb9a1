"""The way of an order: open it, ask stock, ask coupons and accounts, settle it. No transaction is held meanwhile.

Whatever dies on the way, the order stays OPEN until its deadline and a sweep cancels it. Only a definite answer of
every participant, or a definite refusal, settles an order here.
"""

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

import msgspec

from makegood.engine.contracts import Operation
from makegood.engine.deadline import Deadline
from makegood.engine.reservations import Answer
from makegood.engine.service import Engine
from makegood.shop.accounts import contracts as accounts
from makegood.shop.coupons import contracts as coupons
from makegood.shop.orders.asking import Asker, earlier, in_time_for
from makegood.shop.orders.contracts import Order, Placed, PlaceOrder
from makegood.shop.orders.settings import OrdersSettings
from makegood.shop.orders.sold_out import OUT_OF_STOCK, SoldOut
from makegood.shop.orders.steps import OPEN, SETTLE, Open, Settle
from makegood.shop.stock import contracts as stock
from makegood.shop.types import Participant

Q = TypeVar("Q")
A = TypeVar("A", bound=Answer)
Answers = Mapping[Participant, Answer | None]


async def place(
    engine: Engine, settings: OrdersSettings, sold_out: SoldOut, request: PlaceOrder, deadline: Deadline
) -> Placed:
    """Places an order, or tells what came of the same order placed before.

    The caller should wait a little longer than `decide_within`. Raises Overloaded when nothing was written, and
    DeadlineExceeded when opening the order did not succeed in time: the same key may be placed again.
    """
    refusal = await sold_out.refusal(engine, request.lines, deadline) if sold_out.suspects(request.lines) else ""
    until = earlier(deadline, Deadline.after(settings.decide_within))
    opened = await engine.call(OPEN, Open(request, refusal), until)
    if opened.order is None:
        return Placed("key_reused")
    decided_by = Deadline.after((opened.deadline - engine.now()) / 1000)
    asker = Asker(engine, earlier(in_time_for(deadline), decided_by), settings.attempt_timeout)
    if opened.drive:
        order = await _drive(asker, opened.order, opened.deadline)
        if order.decision == OUT_OF_STOCK:
            sold_out.remember(order.lines)
        return _placed(order)
    return _placed(await asker.watch(opened.order, lambda order: order.decision != ""))


def verdict(order_id: int, answers: Answers) -> Settle | None:
    """What the answers mean: None while one is missing and none is a refusal. The first refusal names the code.

    Who did not answer may have taken something, and so has to give it back like those who agreed.
    """
    refusals = [answer.refusal for answer in answers.values() if answer is not None and answer.refusal]
    if not refusals and any(answer is None for answer in answers.values()):
        return None
    used = answers.get("coupons")
    discount = used.discount if isinstance(used, coupons.CouponUsed) else 0
    holders: list[Participant] = [name for name, answer in answers.items() if answer is None or not answer.refusal]
    return Settle(order_id, refusals[0] if refusals else "", discount, tuple(holders))


async def _drive(asker: Asker, order: Order, deadline: int) -> Order:
    taken = await asker.ask(stock.DEDUCT, stock.DeductStock(order.order_id, order.user, order.lines, deadline))
    answers: dict[Participant, Answer | None] = {"stock": taken}
    if taken is not None and not taken.refusal:
        answers |= await _ask_others(asker, order, deadline)
    said = verdict(order.order_id, answers)
    settled = None if said is None else await asker.ask(SETTLE, said)
    return order if settled is None else msgspec.structs.replace(settled.order, lines=order.lines)


async def _ask_others(asker: Asker, order: Order, deadline: int) -> dict[Participant, Answer | None]:
    together = _Together(asker)
    questions: dict[Participant, Coroutine[Any, Any, Answer | None]] = {}
    if order.coupon_id is not None:
        use = coupons.UseCoupon(order.order_id, order.user, order.coupon_id, order.goods_amount, deadline)
        questions["coupons"] = together.ask(coupons.USE, use)
    if order.balance > 0:
        deduct = accounts.DeductBalance(order.order_id, order.user, order.balance, deadline)
        questions["accounts"] = together.ask(accounts.DEDUCT, deduct)
    if len(questions) < 2:  # a task of its own would cost more than the question
        return {name: await question for name, question in questions.items()}
    return dict(zip(questions, await asyncio.gather(*questions.values()), strict=True))


class _Together:
    """Asks several; once one has refused, a lost reply of another is asked for no more."""

    def __init__(self, asker: Asker) -> None:
        self._asker = asker
        self._refused = False

    async def ask(self, operation: Operation[Q, A], question: Q) -> A | None:
        answer = await self._asker.ask(operation, question, pointless=lambda: self._refused)
        self._refused = self._refused or (answer is not None and answer.refusal != "")
        return answer


def _placed(order: Order) -> Placed:
    match order.decision:
        case "":
            return Placed("undecided", order=order)
        case "confirmed":
            return Placed("confirmed", order=order)
        case refusal:
            return Placed("refused", refusal=refusal, order=order)
