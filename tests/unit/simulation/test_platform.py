"""The payment platforms of a world: they take money, tell the shop of it, and outlive their processes."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from makegood.audit.platform import Trade
from makegood.engine.contracts import Operation
from makegood.engine.deadline import Deadline
from makegood.shop.payments import contracts as payments
from makegood.shop.payments.gateways.alipay import Alipay
from makegood.shop.payments.gateways.port import GatewayUnavailable, Notice, OpenPayment, RefundPayment
from makegood.simulation.faults import Fault
from makegood.simulation.life import Life
from makegood.simulation.network import Network
from makegood.simulation.platform import CHANNELS, Platforms
from makegood.simulation.world import World
from tests.unit.simulation.laboratory import live, machine, make, started, sure

DAY = 86_400_000
PATIENCE = 1_200.0
"""Seconds in which a platform has tried to notify a few times."""


class Front:
    """Takes notifications as the shop does: proves them, and answers."""

    def __init__(self, gateways: dict[str, Alipay]) -> None:
        self.notices: list[Notice] = []
        self.deaf = False
        """Whether it answers that it has not understood."""
        self._gateways = gateways

    async def call(self, operation: Operation[Any, Any], request: payments.Notify, deadline: Deadline) -> Any:
        """The answer for the platform."""
        assert (operation, type(deadline)) == (payments.NOTIFY, Deadline)
        gateway = self._gateways[request.channel]
        self.notices.append(gateway.read_notification(request.body, request.headers))
        answer = gateway.rejected if self.deaf else gateway.accepted
        return payments.Notified(answer.status, answer.content_type, answer.body)


class Street:
    """A world with the platforms, and a shop's machine that they call."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.platforms = Platforms(world, Network(world))
        self.machine = machine(world, self._boot, "front")
        self.platforms.fronts = [self.machine]
        self.gateways: dict[str, Alipay] = {}

    async def _boot(self, life: Life) -> Front:
        self.gateways = self.platforms.gateways(life)
        return Front(self.gateways)

    @property
    def front(self) -> Front:
        """The shop's side."""
        return self.machine.node

    async def open(self, payment_id: str, amount: int = 100, channel: str = CHANNELS[0]) -> str:
        """Where a new payment is paid; tries until the platform answers."""
        payment = OpenPayment(payment_id, amount, "tea", self.world.now() + DAY, f"http://shop/notify/{channel}")
        return await self.persist(lambda: self.gateways[channel].open(payment), lambda opened: opened.pay_url)

    async def persist(self, ask: Callable[[], Coroutine[Any, Any, Any]], read: Callable[[Any], str]) -> str:
        """What the platform answers in the end."""
        async with asyncio.timeout(300.0):
            while True:
                try:
                    return read(await ask())
                except GatewayUnavailable:
                    await asyncio.sleep(0.5)

    async def ledger(self, channel: str = CHANNELS[0]) -> list[Trade]:
        """All that the platform has written down."""
        pages, after = list[Trade](), None
        while page := await self.platforms.ledgers()[channel](after):
            pages += page
            after = page[-1].id
        return pages

    async def buy(self, payment_id: str, amount: int = 100, channel: str = CHANNELS[0]) -> None:
        """Opens a payment, and pays it once."""
        await self.platforms.pay("anna", channel, await self.open(payment_id, amount, channel))


def on(world: World, scenario: Callable[[Street], Coroutine[Any, Any, None]]) -> None:
    """Runs it when everything has started."""

    async def runs() -> None:
        street = Street(world)
        street.platforms.begin()
        await started(street.machine)
        await asyncio.sleep(0.5)
        await scenario(street)

    live(world, runs())
    assert world.bugs == []


def test_a_payment_from_its_opening_to_its_refund() -> None:
    """A buyer pays, the shop is told by a proven notification, asks, and gives back a part; the ledger says so."""

    async def scenario(street: Street) -> None:
        gateway = street.gateways["alipay"]
        await street.buy("7001", 250)
        await asyncio.sleep(1.0)
        [notice] = street.front.notices
        assert (notice.payment_id, notice.kind, notice.amount) == ("7001", "captured", 250)
        trade = await gateway.query("7001")
        assert (trade.state, trade.amount) == ("paid", 250)
        assert (await gateway.refund(RefundPayment("7001", "r1", 100, "part", 250))).status == "succeeded"
        assert [(one.number, one.captured, one.refunded) for one in await street.ledger()] == [("7001", 250, 100)]

    on(make(), scenario)


def test_each_channel_is_a_platform_of_its_own() -> None:
    """What is paid through one channel the other knows nothing of."""

    async def scenario(street: Street) -> None:
        await street.buy("7001", 100, "alipay")
        await street.buy("7002", 200, "otherpay")
        assert [one.number for one in await street.ledger("alipay")] == ["7001"]
        assert [one.number for one in await street.ledger("otherpay")] == ["7002"]
        assert (await street.gateways["alipay"].query("7002")).state == "unknown_trade"

    on(make(), scenario)


def test_a_ledger_has_every_page() -> None:
    """Of many trades none is left out and none comes twice; what nobody paid took nothing."""

    async def scenario(street: Street) -> None:
        await asyncio.gather(*[street.buy(str(number)) for number in range(510)])
        assert sorted(int(one.number) for one in await street.ledger()) == list(range(510))

    on(make(), scenario)


def test_a_notification_that_is_lost_comes_again() -> None:
    """A platform notifies until it is heard."""

    async def scenario(street: Street) -> None:
        await street.buy("7001")
        await asyncio.sleep(60.0)
        assert street.front.notices == []
        await asyncio.sleep(PATIENCE)
        assert len(street.front.notices) == 1

    on(make(1, sure(Fault.NOTICE_LOST), "notice_lost-1"), scenario)


def test_a_notification_that_is_not_understood_comes_again() -> None:
    """Whether the shop rejects it or the answer is lost, the same notification is sent until it is accepted."""

    async def scenario(street: Street) -> None:
        street.front.deaf = True
        await street.buy("7001")
        await asyncio.sleep(PATIENCE)
        refused = len(street.front.notices)
        street.front.deaf = False
        await asyncio.sleep(PATIENCE)
        assert refused > 1
        assert len(street.front.notices) > refused
        assert len({notice.notify_id for notice in street.front.notices}) == 1

    on(make(), scenario)
    on(make(1, sure(Fault.NOTICE_UNANSWERED), "notice_unanswered-1", "notice_unanswered-2"), _heard(3))


def test_a_notification_that_comes_twice() -> None:
    """A doubled notification is the same one, twice."""
    on(make(1, sure(Fault.NOTICE_TWICE)), _heard(2))


def _heard(times: int) -> Callable[[Street], Coroutine[Any, Any, None]]:
    async def scenario(street: Street) -> None:
        await street.buy("7001")
        await asyncio.sleep(PATIENCE)
        assert len(street.front.notices) == times
        assert len({notice.notify_id for notice in street.front.notices}) == 1

    return scenario


def test_an_error_after_the_effect() -> None:
    """A platform that takes the money, or gives it back, and says nothing has done it all the same."""

    async def scenario(street: Street) -> None:
        gateway = street.gateways["alipay"]
        pay_url = await street.open("7001")
        await street.platforms.pay("anna", "alipay", pay_url)
        with pytest.raises(GatewayUnavailable):
            await gateway.refund(RefundPayment("7001", "r1", 30, "part", 100))
        assert [(one.captured, one.refunded) for one in await street.ledger()] == [(100, 30)]
        assert (await gateway.refund(RefundPayment("7001", "r1", 30, "part", 100))).status == "succeeded"
        assert [(one.captured, one.refunded) for one in await street.ledger()] == [(100, 30)]

    on(make(1, sure(Fault.PLATFORM_MUTE), "platform_mute-2", "platform_mute-3"), scenario)


def test_a_deaf_platform_does_nothing() -> None:
    """What never reaches the platform has no effect there, and the shop is told that it is unavailable."""

    async def scenario(street: Street) -> None:
        gateway = street.gateways["alipay"]
        payment = OpenPayment("7001", 100, "tea", street.world.now() + DAY, "http://shop/notify/alipay")
        with pytest.raises(GatewayUnavailable):
            await gateway.open(payment)
        assert await street.ledger() == []
        assert (await gateway.open(payment)).pay_url.startswith("http://alipay.simulated/cashier/")

    on(make(1, sure(Fault.PLATFORM_DEAF), "platform_deaf-1"), scenario)


def test_a_call_that_reaches_the_platform_twice() -> None:
    """A doubled payment or refund takes and gives the money once."""

    async def scenario(street: Street) -> None:
        await street.buy("7001")
        await street.gateways["alipay"].refund(RefundPayment("7001", "r1", 30, "part", 100))
        await asyncio.sleep(60.0)
        assert [(one.captured, one.refunded) for one in await street.ledger()] == [(100, 30)]

    on(make(1, sure(Fault.PLATFORM_TWICE)), scenario)


def test_a_ledger_survives_its_process() -> None:
    """Whenever a platform's process dies, what it said is so, and what was paid the shop is told."""
    died = set[str]()
    for seed in range(5, 9):
        world = make(seed, sure(Fault.DEATH), "death-1", "death-2")
        on(world, _paying)
        died |= {noted.who for noted in world.trace.kept if noted.what == "dies"}
    assert "alipay#1" in died


async def _paying(street: Street) -> None:
    for number in range(60):
        await street.buy(str(number))
    street.world.faults.stop()
    await asyncio.sleep(PATIENCE)
    paid = {one.number for one in await street.ledger() if one.captured}
    assert len(paid) > 40
    for number in sorted(paid):
        found = await street.gateways["alipay"].query(number)
        assert (found.state, found.amount) == ("paid", 100)
    assert {notice.payment_id for notice in street.front.notices} == paid


def test_worlds_differ_in_whether_codes_survive() -> None:
    """In some worlds the code of a closed trade can still be paid, as with the real platform; in others not."""
    found = set[bool]()

    async def scenario(street: Street) -> None:
        pay_url = await street.open("7001")
        assert await street.gateways["alipay"].close("7001") in ("closed", "unknown_trade")
        await street.platforms.pay("anna", "alipay", pay_url)
        found.add(bool([one for one in await street.ledger() if one.captured]))

    for seed in range(12):
        on(make(seed), scenario)
    assert found == {True, False}


def test_a_late_notification_has_its_time() -> None:
    """A notification that was long on its way is handled like any other: who serves it counts from its arrival."""
    left: list[float] = []

    async def scenario(street: Street) -> None:
        serve = street.front.call

        async def call(operation: Any, request: Any, deadline: Any) -> Any:
            left.append(deadline.remaining())
            return await serve(operation, request, deadline)

        street.front.call = call
        await street.buy("7001")
        await asyncio.sleep(60.0)
        assert len(left) == 2
        assert min(left) > 0

    on(make(1, sure(Fault.NOTICE_TWICE), "notice_twice-1"), scenario)
