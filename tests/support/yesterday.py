"""A shop that really ran yesterday, with its sandbox, and runs on today: for what happens when a day is over.

Shop and sandbox are the programs that people start. The first time their clock is set back to noon of the day before by
China's clock, as on a machine of that day; then they are stopped, and started again with the clock as it is.
"""

import contextlib
from collections.abc import AsyncGenerator, Callable, Generator
from datetime import date
from pathlib import Path
from typing import TypeVar

import httpx
import msgspec

from makegood.embedded.sandbox import SandboxFile
from makegood.engine.world import SystemWorld
from makegood.shop.payments.bill_days import DAY, begin_of, date_of, day_of
from makegood.shop.payments.gateways.alipay import Alipay
from makegood.shop.payments.gateways.port import OpenPayment, RefundPayment, RefundState
from tests.support.shop_client import Json, ShopClient, good
from tests.support.shop_process import ShopProcess, running_shop

T = TypeVar("T")
SET_BACK = Path(__file__).parent / "set_back"
NOON = DAY // 2


class Yesterday:
    """The shop, how far its clock is behind (milliseconds), and which day it is there."""

    def __init__(self, process: ShopProcess, file: Path, behind: int) -> None:
        self.process = process
        self._file = file
        self._behind = behind

    @property
    def day(self) -> date:
        """The day that is over once the shop lives today, by China's clock."""
        return date_of(day_of(self.now()))

    def now(self) -> int:
        """The shop's time, ms UTC."""
        return SystemWorld().now() - self._behind

    def becomes_today(self) -> None:
        """The shop is stopped, and started the day after."""
        self._file.unlink()
        assert self.process.stop() == 0, self.process.log()
        self.process.start()


@contextlib.contextmanager
def shop_of_yesterday(tmp: Path) -> Generator[Yesterday]:
    """A shop of the day before, until the block ends."""
    now = SystemWorld().now()
    behind = now - begin_of(day_of(now) - 1) - NOON
    file = tmp / "set-back"
    file.write_text(str(behind))
    with running_shop(tmp, {"PYTHONPATH": str(SET_BACK), "SET_BACK": str(file)}) as process:
        yield Yesterday(process, file, behind)


class AnotherSystem:
    """Something else that has the merchant's keys of Alipay, as a company's older shop has."""

    def __init__(self, shop: ShopClient, http: httpx.AsyncClient, clock: Callable[[], int]) -> None:
        about = (shop.process.data / "sandbox" / "sandbox.json").read_bytes()
        settings = msgspec.json.decode(about, type=SandboxFile).alipay
        self._shop = shop
        self._page = Alipay(settings, http, clock, _compute, product="page")
        self._clock = clock

    @property
    def account(self) -> str:
        """How the shop calls the merchant."""
        return self._page.account

    async def takes(self, number: str, amount: int) -> None:
        """A buyer pays so many fen for something with this number, and Alipay tells the shop."""
        notify = f"{self._shop.process.url}/api/payments/notify/alipay_page"
        payment = OpenPayment(number, amount, "Elsewhere", self._clock() + 600_000, notify)
        opened = await self._page.open(payment)
        await at_cashier(self._shop, opened.pay_url)

    async def gives_back(self, number: str, amount: int, captured: int) -> RefundState:
        """A part of a payment is refunded, by hand as it were."""
        return await self._page.refund(RefundPayment(number, f"hand{number}", amount, "by hand", captured))


@contextlib.asynccontextmanager
async def another_system(shop: ShopClient, clock: Callable[[], int]) -> AsyncGenerator[AnotherSystem]:
    """It, with connections of its own."""
    async with httpx.AsyncClient(trust_env=False) as http:
        yield AnotherSystem(shop, http, clock)


async def at_cashier(shop: ShopClient, pay_url: str) -> None:
    """A buyer follows the way to pay, and pays."""
    page = await shop.http.get(pay_url, follow_redirects=True)
    assert page.status_code == 200, page.text
    answer = await shop.at_cashier(str(page.url))
    assert answer.status_code == 200, answer.text


async def until_break(shop: ShopClient, kind: str, number: str) -> Json:
    """The break of this kind and number, once it is listed."""
    while True:
        for one in good(await shop.ops("GET", "/api/ops/breaks?limit=1000"))["breaks"]:
            if (one["kind"], one["number"]) == (kind, number):
                return one


async def _compute(work: Callable[[], T]) -> T:
    return work()
