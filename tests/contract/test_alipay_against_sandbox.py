"""The Alipay adapter and the sandbox, two readings of the same protocol, meet over real HTTP."""

import asyncio
import queue
import threading
from collections.abc import AsyncIterator, Generator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import NamedTuple

import httpx
import msgspec
import pytest

from makegood.engine.executor import ThreadExecutor
from makegood.engine.world import SystemWorld
from makegood.keys import generate_private_key, private_pem
from makegood.shop.payments.gateways.alipay import Alipay, AlipaySettings
from makegood.shop.payments.gateways.port import (
    Gateway,
    GatewayRefused,
    GatewayUnavailable,
    Notice,
    OpenPayment,
    RefundPayment,
    RefundState,
    Trade,
)
from tests.support.sandbox import SandboxProcess, running_sandbox

NUMBERS = count(1)
NOTICE_SECONDS = 20.0


class Shop(NamedTuple):
    """A merchant with a gateway, and where the platform's notifications arrive."""

    alipay: Gateway
    http: httpx.AsyncClient
    notify_url: str
    arrived: "queue.Queue[bytes]"

    def payment(self, amount: int = 8880, seconds: int = 900) -> OpenPayment:
        """A new payment, payable for some seconds."""
        expires_at = SystemWorld().now() + seconds * 1000
        return OpenPayment(f"P{next(NUMBERS)}", amount, "Tea 茶叶", expires_at, self.notify_url)

    async def scan(self, payment: OpenPayment) -> str:
        """The buyer opens the payment's page."""
        url = (await self.alipay.open(payment)).pay_url
        assert (await self.http.get(url)).status_code == 200
        return url

    async def pay(self, payment: OpenPayment) -> Notice:
        """The buyer pays, and the platform tells us."""
        url = (await self.alipay.open(payment)).pay_url
        assert (await self.http.post(url, data={"action": "pay"})).status_code == 200
        return await self.notice()

    async def notice(self) -> Notice:
        """The next notification."""
        body = await asyncio.to_thread(self.arrived.get, True, NOTICE_SECONDS)
        return self.alipay.read_notification(body, {})


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Generator[SandboxProcess]:
    """One sandbox for all of these tests."""
    with running_sandbox(tmp_path_factory.mktemp("alipay")) as running:
        yield running


@pytest.fixture
def inbox() -> Generator[tuple[str, "queue.Queue[bytes]"]]:
    """A web server that takes notifications and answers as our gateway says."""
    arrived: queue.Queue[bytes] = queue.Queue()

    class Inbox(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            arrived.put(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(Alipay.accepted.status)
            self.send_header("content-type", Alipay.accepted.content_type)
            self.end_headers()
            self.wfile.write(Alipay.accepted.body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Inbox)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/notify", arrived
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
async def shop(sandbox: SandboxProcess, inbox: tuple[str, "queue.Queue[bytes]"]) -> AsyncIterator[Shop]:
    """A merchant of the sandbox, who signs on a worker thread."""
    signing = ThreadExecutor("signing")
    async with httpx.AsyncClient() as http:
        yield Shop(wired(msgspec.convert(sandbox.alipay, AlipaySettings), http, signing), http, *inbox)
    signing.close()


def wired(settings: AlipaySettings, http: httpx.AsyncClient, signing: ThreadExecutor) -> Gateway:
    """The real adapter."""
    return Alipay(settings, http, SystemWorld().now, signing.run)


async def test_payment_from_open_to_refund(shop: Shop) -> None:
    """A payment is opened, scanned, paid, told, and given back in two parts, each part once."""
    payment = shop.payment()
    assert await shop.alipay.open(payment) == await shop.alipay.open(payment)
    assert await shop.alipay.query(payment.payment_id) == Trade("unknown_trade")
    await shop.scan(payment)
    assert (await shop.alipay.query(payment.payment_id)).state == "unpaid"
    told = await shop.pay(payment)
    assert (told.kind, told.payment_id, told.amount) == ("captured", payment.payment_id, 8880)
    trade = await shop.alipay.query(payment.payment_id)
    assert trade == Trade("paid", told.trade_no, 8880, told.occurred_at)
    for number, amount, so_far in (("R1", 880, 880), ("R2", 8000, 8880)):
        part = RefundPayment(payment.payment_id, number, amount, "broken", 8880)
        assert await shop.alipay.refund(part) == RefundState("succeeded")
        assert await shop.alipay.refund(part) == RefundState("succeeded")
        refunded = await shop.notice()
        assert (refunded.kind, refunded.amount) == ("refund", so_far)
    assert (await shop.alipay.query(payment.payment_id)).state == "closed"
    assert shop.arrived.empty()


async def test_close_of_an_unpaid_trade(shop: Shop) -> None:
    """A trade that was scanned and not paid is closed; closing it again says the same; it cannot be paid."""
    payment = shop.payment()
    url = await shop.scan(payment)
    assert await shop.alipay.close(payment.payment_id) == "closed"
    assert await shop.alipay.close(payment.payment_id) == "closed"
    assert (await shop.http.post(url, data={"action": "pay"})).status_code == 409
    assert (await shop.alipay.query(payment.payment_id)).state == "closed"
    with pytest.raises(GatewayRefused, match="another number"):
        await shop.alipay.open(payment)


async def test_close_of_a_paid_trade(shop: Shop) -> None:
    """A paid trade is not closed, and is known for paid."""
    payment = shop.payment()
    await shop.pay(payment)
    assert await shop.alipay.close(payment.payment_id) == "paid"
    assert (await shop.alipay.query(payment.payment_id)).state == "paid"


async def test_close_before_anybody_scanned(shop: Shop) -> None:
    """An order whose code nobody scanned can be cancelled, and one that was never opened too."""
    payment = shop.payment()
    await shop.alipay.open(payment)
    assert await shop.alipay.close(payment.payment_id) == "closed"
    assert await shop.alipay.close("NEVER") == "closed"


async def test_payment_past_its_deadline(shop: Shop) -> None:
    """The platform takes nothing after the deadline that it was given."""
    payment = shop.payment(seconds=3)
    url = await shop.scan(payment)
    await asyncio.sleep(3.1)
    assert (await shop.http.post(url, data={"action": "pay"})).status_code == 409
    assert (await shop.alipay.query(payment.payment_id)).state == "closed"


async def test_paid_trade_is_not_opened_again(shop: Shop) -> None:
    """Whoever opens a payment that is paid is told so."""
    payment = shop.payment()
    await shop.pay(payment)
    with pytest.raises(GatewayRefused) as caught:
        await shop.alipay.open(payment)
    assert caught.value.code == "ACQ.TRADE_HAS_SUCCESS"


async def test_refund_that_cannot_be(shop: Shop) -> None:
    """A refund of what was not paid, of more than is left, or under a used number has failed."""
    unpaid, paid = shop.payment(), shop.payment(100)
    await shop.scan(unpaid)
    await shop.pay(paid)
    first = RefundPayment(paid.payment_id, "R1", 60, "late", 100)
    assert (await shop.alipay.refund(first)).status == "succeeded"
    for refund in (
        RefundPayment(unpaid.payment_id, "R1", 100, "", 8880),
        RefundPayment(paid.payment_id, "R2", 50, "", 100),
        RefundPayment(paid.payment_id, "R1", 40, "", 100),
        RefundPayment("NEVER", "R1", 100, "", 100),
    ):
        assert (await shop.alipay.refund(refund)).status == "failed"


async def test_wrong_merchant_key(sandbox: SandboxProcess, shop: Shop) -> None:
    """A merchant who signs with another key is refused in so many words, and nothing is opened."""
    signing = ThreadExecutor("signing")
    stranger = replace(
        msgspec.convert(sandbox.alipay, AlipaySettings), merchant_private_key=private_pem(generate_private_key())
    )
    payment = shop.payment()
    with pytest.raises(GatewayRefused, match=r"isv\.invalid-signature"):
        await wired(stranger, shop.http, signing).open(payment)
    signing.close()
    assert await shop.alipay.query(payment.payment_id) == Trade("unknown_trade")


async def test_wrong_application(sandbox: SandboxProcess, shop: Shop) -> None:
    """An error that the platform could not sign decides nothing, and still says what to mend."""
    signing = ThreadExecutor("signing")
    stranger = replace(msgspec.convert(sandbox.alipay, AlipaySettings), app_id="2021000000000009")
    with pytest.raises(GatewayUnavailable, match=r"isv\.invalid-app-id"):
        await wired(stranger, shop.http, signing).open(shop.payment())
    signing.close()


async def test_platform_that_is_gone(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A platform that was killed and came back is asked with the same number and gives the same code."""
    with running_sandbox(tmp_path_factory.mktemp("gone")) as sandbox:
        signing = ThreadExecutor("signing")
        async with httpx.AsyncClient() as http:
            alipay = wired(msgspec.convert(sandbox.alipay, AlipaySettings), http, signing)
            payment = OpenPayment("P1", 100, "Tea", SystemWorld().now() + 900_000, "")
            opened = await alipay.open(payment)
            sandbox.kill9()
            with pytest.raises(GatewayUnavailable, match="out of reach"):
                await alipay.open(payment)
            sandbox.start()
            assert await alipay.open(payment) == opened
        signing.close()
