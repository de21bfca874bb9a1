"""The platform in one process with its shop's adapter, on a loop of virtual time: no thread, no socket."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

import apsw
import httpx
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from makegood.engine.executor import InlineExecutor
from makegood.keys import private_pem
from makegood.sandbox.alipay.merchant import Account, Keys, Merchant
from makegood.sandbox.alipay.signing import Signer
from makegood.sandbox.clock import Clock
from makegood.sandbox.database import over
from makegood.sandbox.faults import Faults
from makegood.sandbox.platform import Surroundings, build
from makegood.sandbox.store import Store
from makegood.shop.payments.gateways.alipay import Alipay, AlipayKeys, AlipaySettings
from tests.support.virtual_time import VirtualWorld
from tests.unit.sandbox.letters import Letters

T = TypeVar("T")

CASHIER = "http://platform.test/cashier/"
NOTIFY = "http://127.0.0.1/notify"
KEYS = Keys(*(generate_private_key(public_exponent=65537, key_size=1024) for _ in range(2)))
ACCOUNT = Account("2021000000000001", "2088000000000002", "123456", *(private_pem(key) for key in KEYS))


async def inline(work: Callable[[], T]) -> T:
    """Runs work at once."""
    return work()


class Process:
    """A running platform; `die` ends its tasks, and its connection stays."""

    def __init__(self, world: VirtualWorld, disk: apsw.Connection, letters: Letters, senders: int = 2) -> None:
        clock, merchant = Clock.at_world_time(world), Merchant(ACCOUNT, KEYS)
        store = Store(over(disk, inline), clock)
        signer = Signer(merchant.platform_key, inline)
        around = Surroundings(CASHIER, senders=senders, max_sleep=3600)
        self.platform = build(store, clock, merchant, signer, letters.post, Faults(), around)
        self.heard: list[bytes] = []
        self._world = world
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begins to commit and to notify."""
        for work in (self.platform.store.run(), self.platform.notifier.run()):
            self._tasks.append(asyncio.create_task(work))

    def die(self) -> None:
        """Does nothing any more."""
        for task in self._tasks:
            task.cancel()

    def alipay(self) -> Alipay:
        """A shop's adapter that speaks to it."""
        own = AlipaySettings("http://platform.test/gateway.do", ACCOUNT.app_id, ACCOUNT.seller_id, "", "")
        keys = AlipayKeys(KEYS.merchant, KEYS.platform.public_key())
        http = httpx.AsyncClient(transport=httpx.MockTransport(self._answer))
        return Alipay(own, http, self._world.now, InlineExecutor().run, keys=keys)

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        raw = await self.platform.gateway.answer(request.url.query, request.content)
        self.heard.append(raw)
        return httpx.Response(200, content=raw)


def tables(disk: apsw.Connection, name: str) -> list[tuple[Any, ...]]:
    """The rows of a table, as they lie on the disk."""
    return disk.execute(f"SELECT * FROM {name} ORDER BY 1").fetchall()
