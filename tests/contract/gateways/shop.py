"""A merchant of the running sandbox, through any of its channels, and whoever pays there."""

import asyncio
import queue
import threading
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import NamedTuple

import httpx
import msgspec

from makegood.engine.executor import ThreadExecutor
from makegood.engine.world import SystemWorld
from makegood.shop.payments.gateways.alipay import AlipaySettings
from makegood.shop.payments.gateways.configured import Merchants, Surroundings, gateways_of
from makegood.shop.payments.gateways.http import platform_client
from makegood.shop.payments.gateways.port import (
    Answer,
    Gateway,
    Notice,
    NoticeKind,
    OpenPayment,
    RefundPayment,
    RefundState,
    Rejected,
    Trade,
)
from makegood.shop.payments.gateways.stripe import StripeSettings
from makegood.shop.payments.gateways.wechatpay import WechatPaySettings
from tests.support.sandbox import SandboxProcess

CHANNELS = ("alipay", "alipay_page", "wechatpay", "wechatpay_h5", "stripe")
NOTICE_SECONDS = 20.0
SETTLED = 10.0
PAUSE = 0.25
LOOK = 0.01
NUMBERS = count(1)


class Arrived(NamedTuple):
    """A notification as it came; header names in lower case."""

    headers: dict[str, str]
    body: bytes


class Inbox:
    """Where notifications arrive, answered as the gateway says."""

    def __init__(self) -> None:
        self.arrived: queue.Queue[Arrived] = queue.Queue()
        self.gateway: Gateway | None = None
        self.url = ""


@contextmanager
def inbox() -> Generator[Inbox]:
    """A web server that takes notifications."""
    box = Inbox()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            assert box.gateway is not None
            answer = _answered(box.gateway, Arrived(headers, body))
            box.arrived.put(Arrived(headers, body))
            self.send_response(answer.status)
            self.send_header("content-type", answer.content_type)
            self.send_header("content-length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, format: str, *args: object) -> None:
            """Keeps the test's output quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    box.url = f"http://127.0.0.1:{server.server_port}/notify"
    yield box
    server.shutdown()
    thread.join()
    server.server_close()


def _answered(gateway: Gateway, arrived: Arrived) -> Answer:
    try:
        gateway.read_notification(arrived.body, arrived.headers)
    except Rejected:
        return gateway.rejected
    return gateway.accepted


class Shop(NamedTuple):
    """A merchant with a gateway, and where the platform's notifications arrive."""

    gateway: Gateway
    http: httpx.AsyncClient
    inbox: Inbox

    def payment(self, amount: int = 8880, seconds: float = 900) -> OpenPayment:
        """A new payment, payable for some seconds, with a number as the shop gives them."""
        now = SystemWorld().now()
        number = f"{now * 1000 + next(NUMBERS):019d}"
        return OpenPayment(number, amount, "Tea 茶叶", now + int(seconds * 1000), self.inbox.url, "192.0.2.7")

    async def press(self, pay_url: str, action: str = "pay") -> int:
        """A button of the page to which the buyer is led: the status of its answer."""
        page = await self.http.get(pay_url, follow_redirects=True)
        assert page.status_code == 200, page.text
        return (await self.http.post(page.url, data={"action": action})).status_code

    async def pay(self, payment: OpenPayment) -> tuple[Notice, str]:
        """The buyer pays, and the platform tells us; with the number to be kept with the payment."""
        opened = await self.gateway.open(payment)
        assert await self.press(opened.pay_url) == 200
        return await self.told("captured"), opened.trade_no

    async def told(self, kind: NoticeKind) -> Notice:
        """The next notification of this kind, others passed over."""
        while True:
            notice = self.read(await self.next())
            if notice.kind == kind:
                return notice

    async def next(self) -> Arrived:
        """The next notification as it came."""
        async with asyncio.timeout(NOTICE_SECONDS):
            while self.inbox.arrived.empty():
                await asyncio.sleep(LOOK)
        return self.inbox.arrived.get()

    def read(self, arrived: Arrived) -> Notice:
        """Proves and reads it."""
        return self.gateway.read_notification(arrived.body, arrived.headers)

    async def settled(self, refund: RefundPayment) -> RefundState:
        """What becomes of a refund in the end, as its task asks for it."""
        async with asyncio.timeout(SETTLED):
            while (state := await self.gateway.refund(refund)).status == "processing":
                await asyncio.sleep(PAUSE)
        return state

    async def query(self, payment: OpenPayment, trade_no: str) -> Trade:
        """What the platform says of it."""
        return await self.gateway.query(payment.payment_id, trade_no)


def merchants(sandbox: SandboxProcess) -> Merchants:
    """What the sandbox's merchants agreed with it."""
    told = sandbox.config
    return Merchants(
        msgspec.convert(told["alipay"], AlipaySettings),
        msgspec.convert(told["wechatpay"], WechatPaySettings),
        msgspec.convert(told["stripe"], StripeSettings),
    )


@asynccontextmanager
async def shop_of(known: Merchants, channel: str, box: Inbox) -> AsyncGenerator[Shop]:
    """The real adapter of a channel, on the real client, signing on a worker thread."""
    signing = ThreadExecutor("signing")
    async with platform_client(8) as http, httpx.AsyncClient() as browser:
        around = Surroundings(http, SystemWorld(), signing.run, "http://shop.test/")
        gateway = gateways_of(known, around)[channel]
        box.gateway = gateway
        async with _listening(known, channel, browser, box):
            yield Shop(gateway, browser, box)
    signing.close()


@asynccontextmanager
async def _listening(known: Merchants, channel: str, http: httpx.AsyncClient, box: Inbox) -> AsyncGenerator[None]:
    """Stripe is told in its dashboard where it calls back, the others in every request."""
    if channel != "stripe":
        yield
        return
    assert known.stripe is not None
    endpoints = f"{known.stripe.gateway}/v1/webhook_endpoints"
    key = {"authorization": f"Bearer {known.stripe.api_key}"}
    made = await http.post(endpoints, data={"url": box.url, "enabled_events[]": "*"}, headers=key)
    assert made.status_code == 200, made.text
    yield
    await http.delete(f"{endpoints}/{made.json()['id']}", headers=key)
