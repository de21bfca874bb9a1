"""Buyers, who ask again when they hear nothing and change their minds, and the operators of the shop."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, TypeVar

import msgspec

from makegood.engine.contracts import Operation
from makegood.engine.deadline import Deadline
from makegood.engine.errors import EngineError
from makegood.shop.orders import contracts as orders
from makegood.shop.payments import contracts as payments
from makegood.simulation.attempts import Attempt
from makegood.simulation.house import House
from makegood.simulation.network import INSIDE, Network, Unreachable
from makegood.simulation.plans import Plan, Then
from makegood.simulation.platform import CHANNELS, Platforms
from makegood.simulation.world import World

Q = TypeVar("Q")
A = TypeVar("A")

PLACING = 10.0
"""Seconds a buyer waits for the answer to an order."""
WAITING = 6.0
"""Seconds a buyer waits for any other answer."""
TRIES = 8
"""How often a buyer asks until there is a definite answer."""
FIRST_PAUSE, LONGEST_PAUSE = 0.3, 5.0
"""Seconds between tries, doubling."""
ROUND = 1.5
"""Seconds between the operators' rounds."""


class Town:
    """Everybody who deals with the shop, and what they remember."""

    def __init__(self, world: World, network: Network, house: House, platforms: Platforms) -> None:
        self.world = world
        self.attempts: list[Attempt] = []
        self.withdrawn: set[int] = set()
        """Orders that their buyers wanted cancelled."""
        self.known: dict[int, orders.Order] = {}
        """Confirmed orders, as their buyers first saw them."""
        self._network, self._house, self._platforms = network, house, platforms

    async def ask(self, who: str, operation: Operation[Q, A], request: Q, seconds: float) -> A | None:
        """What the shop answers; None when it fails, or says nothing in time."""
        fronts = self._house.fronts
        front = fronts[int(self.world.chance.random() * len(fronts))]
        until = Deadline.after(seconds)

        async def work(node: Any) -> A:
            return await node.call(
                operation, request, Deadline.after(seconds)
            )  # counted where it arrives, as HTTP does

        try:
            return await self._network.call(None, who, front, INSIDE, str(operation), work, until.at, request)
        except (EngineError, Unreachable):
            return None

    async def place(self, order: orders.PlaceOrder, *, fair: bool) -> orders.Placed | None:
        """Sends an order once."""
        began = self.world.loop.time()
        answer = await self.ask(order.user, orders.PLACE, order, PLACING)
        self.attempts.append(Attempt(order, fair, began, self.world.loop.time(), answer))
        if answer is not None and answer.outcome == "confirmed" and answer.order is not None:
            self.known.setdefault(answer.order.order_id, answer.order)
        return answer

    async def pay(self, user: str, order_id: int, channel: str) -> Callable[[], Coroutine[Any, Any, None]] | None:
        """Opens a payment; what this returns pays it."""
        asked = payments.OpenPayment(user, order_id, channel)
        opened = await self.again(lambda: self.ask(user, payments.OPEN, asked, WAITING), _payment_settled)
        if opened is None or not opened.pay_url:
            return None
        return lambda: self._platforms.pay(user, channel, opened.pay_url)

    async def refund_part(self, order: orders.Order) -> None:
        """Operators give back about a third of what was paid, once."""
        if order.payment_id is not None:
            part = payments.RefundPart(order.payment_id, 1 + order.amount_due // 3, f"part-{order.order_id}")
            await self.ask("operator", payments.REFUND, part, WAITING)

    async def again(self, ask: Callable[[], Coroutine[Any, Any, A | None]], settled: Callable[[A], bool]) -> A | None:
        """Asks until there is a definite answer, or patience is over."""
        answer, pause = None, FIRST_PAUSE
        for _ in range(TRIES):
            answer = await ask()
            if answer is not None and settled(answer):
                break
            await asyncio.sleep(pause * (0.5 + self.world.chance.random()))
            pause = min(LONGEST_PAUSE, 2 * pause)
        return answer


class Buyer:
    """Does what is planned, one order after the other."""

    def __init__(self, town: Town, plans: list[Plan], pay_within: float) -> None:
        self._town = town
        self._plans = plans
        self._pay_within = pay_within

    async def live(self) -> None:
        """All of the plans."""
        for plan in self._plans:
            await asyncio.sleep(plan.wait)
            order = await self._place(plan)
            if order is not None and order.amount_due > 0:
                await self._then(plan, order)
            if order is not None and plan.refund is not None:
                await self._refund(order, plan.refund, ship=plan.ship, part=plan.part)

    async def _place(self, plan: Plan) -> orders.Order | None:
        town, order = self._town, plan.order
        place = partial(town.place, order, fair=plan.fair)
        besides = [place() for _ in range(plan.twins - 1)]
        if plan.rival is not None:
            besides.append(town.again(partial(town.place, plan.rival, fair=True), _placed))
        answer, *_ = await asyncio.gather(town.again(place, _placed), *besides)
        if plan.misuse:
            await town.place(msgspec.structs.replace(order, amount_due=order.amount_due + 7), fair=False)
        if plan.again:
            await place()
        confirmed = answer is not None and answer.outcome == "confirmed"
        return answer.order if answer is not None and confirmed else None

    async def _then(self, plan: Plan, order: orders.Order) -> None:
        await asyncio.sleep(plan.pause)
        match plan.then:
            case Then.PAY:
                await self._pay(order)
            case Then.PAY_AND_CANCEL:
                await asyncio.gather(self._pay(order), self._cancel(order))
            case Then.PAY_TWICE:
                await asyncio.gather(*[self._pay(order, channel) for channel in CHANNELS])
            case Then.CANCEL:
                await self._cancel(order)
            case Then.CANCEL_THEN_PAY:
                await self._pay(order, before=lambda: self._cancel(order))
            case Then.PAY_LATE:
                await self._pay(order, before=lambda: asyncio.sleep(self._pay_within - 0.5 + plan.pause))
            case Then.FORGET:
                pass

    async def _pay(
        self,
        order: orders.Order,
        channel: str = CHANNELS[0],
        before: Callable[[], Coroutine[Any, Any, object]] | None = None,
    ) -> None:
        pay = await self._town.pay(order.user, order.order_id, channel)
        if before is not None:
            await before()
        if pay is not None:
            await pay()

    async def _cancel(self, order: orders.Order) -> None:
        change = orders.ChangeOrder(order.order_id, order.user)
        town = self._town
        town.withdrawn.add(order.order_id)
        await town.again(lambda: town.ask(order.user, orders.CANCEL, change, WAITING), _changed)

    async def _refund(self, order: orders.Order, pause: float, *, ship: bool, part: bool) -> None:
        await asyncio.sleep(pause)
        town, change = self._town, orders.ChangeOrder(order.order_id, order.user)
        found = await town.ask("operator", orders.FIND, orders.FindOrder(order.order_id), WAITING) if part else None
        asking: list[Coroutine[Any, Any, object]] = [town.ask(order.user, orders.REFUND, change, WAITING)]
        if ship:
            asking.append(town.ask("operator", orders.SHIP, orders.ChangeOrder(order.order_id), WAITING))
        if found is not None and found.order is not None:
            asking.append(town.refund_part(found.order))
        await asyncio.gather(*asking)


class Operators:
    """Ship what is paid, refund parts of it, and have dead letters tried again."""

    def __init__(self, town: Town, house: House) -> None:
        self._town = town
        self._house = house
        self._chance = town.world.chance

    async def work(self) -> None:
        """Rounds, for ever."""
        while True:
            await asyncio.sleep(ROUND)
            for order_id in list(self._town.known):
                if self._chance.random() < 0.15:
                    await self._look_after(order_id)
            if self._chance.random() < 0.3:
                await self.replay_dead_letters()

    async def replay_dead_letters(self) -> None:
        """Has each machine's dead letters tried again."""
        for machine in self._house.machines:
            if machine.offers and machine.node is not None:
                await self._house.replay_dead_letters(machine)

    async def _look_after(self, order_id: int) -> None:
        town = self._town
        found = await town.ask("operator", orders.FIND, orders.FindOrder(order_id), WAITING)
        order = None if found is None else found.order
        if order is None or order.payment_status != "PAID":
            return
        change = orders.ChangeOrder(order_id)
        match order.shipping_status:
            case "UNSHIPPED" if self._chance.random() < 0.5:
                await town.ask("operator", orders.SHIP, change, WAITING)
            case "SHIPPED" if self._chance.random() < 0.5:
                await town.ask(order.user, orders.RECEIVE, orders.ChangeOrder(order_id, order.user), WAITING)
            case _ if self._chance.random() < 0.2:
                await town.refund_part(order)
            case _:
                pass


def _placed(answer: orders.Placed) -> bool:
    return answer.outcome != "undecided"


def _changed(answer: orders.Changed) -> bool:
    return not answer.undecided


def _payment_settled(answer: payments.PaymentOpened) -> bool:
    return answer.refusal != "platform_unavailable"
