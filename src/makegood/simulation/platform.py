"""The third-party platforms of the simulated world: the sandbox's own logic, a merchant and a machine for each channel.

A shop with one kind of platform has a second merchant there as its second channel.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from random import Random
from typing import Any
from urllib.parse import parse_qsl, urlencode

import apsw
import httpx

from makegood.audit.platform import Trade
from makegood.engine.deadline import Deadline
from makegood.engine.errors import DeadlineExceeded, EngineError
from makegood.sandbox import trades
from makegood.sandbox.alipay.merchant import GATEWAY_PATH, Account, Keys, Merchant
from makegood.sandbox.alipay.signing import Signer, signed_content
from makegood.sandbox.clock import Clock
from makegood.sandbox.database import over
from makegood.sandbox.faults import Faults as NoFaults
from makegood.sandbox.platform import Platform, Surroundings, build
from makegood.sandbox.store import Store, Transaction
from makegood.shop.payments import contracts as payments
from makegood.shop.payments.gateways.alipay import Alipay, AlipayKeys, AlipaySettings
from makegood.simulation.broker import MortalExecutor
from makegood.simulation.faults import Fault, Faults
from makegood.simulation.keys import key
from makegood.simulation.life import STORING, Life, Machine
from makegood.simulation.network import FROM_PLATFORM, TO_PLATFORM, Network, Unreachable
from makegood.simulation.world import World

CHANNELS = ("alipay", "otherpay")
ANSWER = 30.0
"""Seconds after which nobody waits for a platform any more; who asks gives up before."""
NOTIFY = 5.0
"""Seconds a platform waits for the answer to a notification."""
CASHIER = 5.0
"""Seconds a buyer waits for the cashier."""
PAGE = 500
CODES_SURVIVE = 0.7
"""How often a platform lets a code be scanned whose trade was closed before, as the real one does."""


class Platforms:
    """Every channel's platform; `fronts` are the shop's machines that they call back."""

    def __init__(self, world: World, network: Network) -> None:
        self.fronts: Sequence[Machine] = ()
        self.misquoted: set[str] = set()
        """Trades of which a notification named another amount, properly signed."""
        self._channels = {channel: _Channel(channel, world, network, self) for channel in CHANNELS}

    def begin(self) -> None:
        """They start."""
        for channel in self._channels.values():
            channel.machine.begin()

    def gateways(self, life: Life) -> dict[str, Alipay]:
        """The shop's adapters, for one of its processes."""
        return {name: channel.gateway(life) for name, channel in self._channels.items()}

    async def pay(self, user: str, channel: str, pay_url: str) -> None:
        """A buyer scans the code and pays; what comes of it the shop is told."""
        await self._channels[channel].pay(user, pay_url)

    def paid(self) -> list[tuple[str, int]]:
        """The number of every trade that was paid, and when by its platform's clock, in ms UTC."""
        statement = "SELECT out_trade_no, paid_at FROM trades WHERE paid_at IS NOT NULL ORDER BY id"
        found: list[tuple[Any, ...]] = []
        for channel in self._channels.values():
            found += channel.connection.execute(statement).fetchall()
        return [(number, at) for number, at in found]

    def ledgers(self) -> dict[str, "_Ledger"]:
        """What each platform has written down, for the audit."""
        return {name: _Ledger(channel.connection) for name, channel in self._channels.items()}


class _Channel:
    """One platform with its machine, whose ledger outlives its processes."""

    def __init__(self, name: str, world: World, network: Network, platforms: Platforms) -> None:
        self.connection = apsw.Connection(":memory:")
        self.machine = Machine(name, world, self._boot, (), STORING)
        self._name, self._world, self._network, self._platforms = name, world, network, platforms
        self._url = f"http://{name}.simulated"
        self._account = Account(f"app_of_{name}", f"seller_of_{name}", f"{CHANNELS.index(name):04d}", "", "")
        self._codes_survive = Random(f"{name} {world.seed}").random() < CODES_SURVIVE
        self._keys = Keys(key(f"merchant of {name}"), key(f"platform {name}"))

    def gateway(self, life: Life) -> Alipay:
        """The shop's adapter, which speaks over the simulated network."""
        http = httpx.AsyncClient(
            transport=_Transport(self._network, life, self.machine, self._world.faults), trust_env=False
        )
        settings = AlipaySettings(
            self._url + GATEWAY_PATH, self._account.app_id, self._account.seller_id, "", "", timeout=3.0
        )
        keys = AlipayKeys(self._keys.merchant, self._keys.platform.public_key())
        return Alipay(settings, http, life.now, _in_line, channel=self._name, keys=keys)

    async def pay(self, user: str, pay_url: str) -> None:
        """The buyer's way through the cashier."""
        code = pay_url.rpartition("/")[2]
        until = self._world.loop.time() + CASHIER

        async def work(platform: Platform) -> str:
            return (await platform.cashier.act(code, "pay")).message

        with suppress(Unreachable, EngineError):
            await self._network.call(None, user, self.machine, TO_PLATFORM, "pay", work, until, pay_url)

    async def _boot(self, life: Life) -> Platform:
        run = MortalExecutor(life).run
        merchant = Merchant(self._account, self._keys)
        clock = Clock.at_world_time(life)
        platform = build(
            Store(over(self.connection, run), clock),
            clock,
            merchant,
            Signer(merchant.platform_key, run),
            partial(self._post, life),
            NoFaults(),
            Surroundings(
                f"{self._url}/cashier/",
                remote_notify=True,
                senders=4,
                max_sleep=30.0,
                codes_survive=self._codes_survive,
            ),
        )
        life.spawn(platform.store.run(), f"store of {life}")
        life.spawn(platform.notifier.run(), f"notifier of {life}")
        return platform

    async def _post(self, life: Life, url: str, _: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        """Calls back; raises OSError when there is no answer. Now and then a false notification goes before."""
        faults = self._world.faults
        if faults.happens(Fault.NOTICE_FALSE, self._name):
            with suppress(OSError):
                await self._call_back(life, *self._falsified(url, body, faults.size(Fault.NOTICE_FALSE)))
        return await self._call_back(life, url, body)

    def _falsified(self, url: str, body: bytes, which: float) -> tuple[str, bytes]:
        """Where it is sent, and what: forged, to another merchant's channel, or with another amount and well signed."""
        fields = dict(parse_qsl(body.decode()))
        if which < 1 / 3:
            other = next(channel for channel in CHANNELS if channel != self._name)
            return url.replace(self._name, other), body
        fields["total_amount"] = "0.01" if fields["total_amount"] != "0.01" else "0.02"
        fields["notify_id"] = f"9{fields['notify_id'][1:]}"
        if which > 2 / 3 and "refund_fee" not in fields:
            self._platforms.misquoted.add(fields["out_trade_no"])
            content = signed_content(fields, frozenset({"sign", "sign_type"}))
            fields["sign"] = Signer(self._keys.platform, _in_line).signature(content)
        return url, urlencode(fields).encode()

    async def _call_back(self, life: Life, url: str, body: bytes) -> tuple[int, bytes]:
        fronts = self._platforms.fronts
        front = fronts[int(self._world.chance.random() * len(fronts))]
        until = self._world.loop.time() + NOTIFY
        headers = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}
        notice = payments.Notify(url.rpartition("/")[2], body, headers)

        async def work(node: Any) -> payments.Notified:
            return await node.call(payments.NOTIFY, notice, Deadline.after(NOTIFY))

        try:
            answer = await self._network.call(life, str(life), front, FROM_PLATFORM, "notify", work, until, body)
        except (Unreachable, EngineError) as error:
            raise ConnectionError(str(error)) from error
        return answer.status, answer.body


class _Transport(httpx.AsyncBaseTransport):
    """The shop's way to a platform."""

    def __init__(self, network: Network, life: Life, machine: Machine, faults: Faults) -> None:
        self._network, self._life, self._machine, self._faults = network, life, machine, faults

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Has the platform answer. Raises httpx's errors."""
        form = request.content

        async def work(platform: Platform) -> bytes:
            return await platform.gateway.answer(b"", form)

        until = self._life.loop_time() + ANSWER
        asker = str(self._life)
        try:
            answer = await self._network.call(
                self._life, asker, self._machine, TO_PLATFORM, "gateway", work, until, form
            )
        except Unreachable as error:
            raise httpx.ReadError(str(error), request=request) from error
        except DeadlineExceeded as error:
            raise httpx.ReadTimeout(str(error), request=request) from error
        if self._faults.happens(Fault.PLATFORM_BROKEN, asker):
            return httpx.Response(502, content=b"Bad Gateway", request=request)
        return httpx.Response(200, content=answer, request=request)


class _Ledger:
    """Implements the audit's `Trades`."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection

    async def __call__(self, after: str | None) -> list[Trade]:
        """The next page."""
        tx = Transaction(self._connection, 0, str)
        page = trades.page(tx, int(after or 0), PAGE)
        return [Trade(str(one.id), one.out_trade_no, one.amount if one.paid_at else 0, one.refunded) for one, _ in page]


async def _in_line(work: Any) -> Any:
    return work()
