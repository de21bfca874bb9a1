"""The address where platforms call back, with the real adapters and the real service behind it.

Whatever stands in path, headers or body, the answer is the platform's own, or a problem with a status of 4xx.
"""

import json
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from makegood.engine.contracts import Operation
from makegood.engine.deadline import Deadline
from makegood.shop.payments import contracts as payments
from makegood.web.app import WebApp, build_app
from makegood.web.settings import WebSettings
from tests.support.mutated import spoilt
from tests.unit.gateways.test_fuzz_notifications import LETTERS
from tests.unit.payments.test_fuzz_callbacks import GATEWAYS, desk_with
from tests.unit.web.peer import PeerShop
from tests.unit.web.raw import RawAnswer, ask

Q = TypeVar("Q")
A = TypeVar("A")
PAID = 1_234_567_890_123_456_789
VALUES = (
    *(b"", b"\xff", b"\x00", b"\xe9\xa9", b"x" * 9_000, b"1e9", b"-1", b"9" * 30, b"\xd9\xa1", b"t=1,v1=\xff", b",=,"),
    *(b"WECHATPAY/SIGNTEST/\xff", b"chunked", b"gzip", b"=", b"A", b"a\xc2\xa0b", b"\xf0\x9f\x92\xb0"),
)
PATHS = (
    *("", "/", "x", "alipay/", "alipay/x", "ALIPAY", "alipay\0", "alipay ", "é", "\ud7ff", "x" * 33, "x" * 9_000),
    *("../orders", "%61lipay", "alipay?x", "wechatpay;x", "__class__", "-"),
)


class PaidShop(PeerShop):
    """A shop whose payments are the real ones; one payment is open in each channel."""

    def __init__(self) -> None:
        super().__init__()
        self.desks = {channel: desk_with(channel) for channel in GATEWAYS}

    async def call(self, operation: Operation[Q, A], request: Q, deadline: Deadline) -> A:
        """As any peer, but for callbacks."""
        if isinstance(request, payments.Notify):
            desk = self.desks.get(request.channel, self.desks["alipay"])
            answer: object = await desk.service.notify(request, deadline)
            return answer  # pyright: ignore[reportReturnType] - what this operation answers
        return await super().call(operation, request, deadline)

    def captured(self, channel: str) -> bool:
        """Whether its payment is paid."""
        return self.desks[channel].payment(PAID).state == "PAID"


@pytest.fixture
def shop() -> PaidShop:
    """The shop."""
    return PaidShop()


@pytest.fixture
def app(shop: PaidShop, settings: WebSettings) -> WebApp:
    """Its application."""
    return build_app(shop, settings)


async def call_back(app: WebApp, channel: str, headers: dict[bytes, bytes], body: bytes) -> RawAnswer:
    """A callback, whose answer is a clean one."""
    answer = await ask(app, "POST", f"/api/payments/notify/{channel}", list(headers.items()), [body])
    gateway = GATEWAYS.get(channel)
    if answer.headers["content-type"] == "application/problem+json":
        assert 400 <= answer.status < 500
        assert json.loads(answer.body)["code"]
    elif gateway is not None:
        assert (answer.status, answer.body) in [(one.status, one.body) for one in (gateway.accepted, gateway.rejected)]
    else:
        assert answer.status == 404
    return answer


def sent(channel: str) -> tuple[dict[bytes, bytes], bytes]:
    """A proper callback as it comes."""
    _, letter = LETTERS[channel]
    return {name.encode(): value.encode() for name, value in letter.headers.items()}, letter.body


@pytest.mark.parametrize("channel", LETTERS)
async def test_headers(app: WebApp, shop: PaidShop, channel: str) -> None:
    """A header that matters replaced, left out, or sent twice with another: refused, and nothing is paid."""
    headers, body = sent(channel)
    for name in headers:
        if name == b"wechatpay-signature-type":
            continue
        for value in VALUES:
            await call_back(app, channel, {**headers, name: value}, body)
            twice = [*headers.items(), (name, value)]
            answer = await ask(app, "POST", f"/api/payments/notify/{channel}", twice, [body])
            assert 400 <= answer.status < 500
        await call_back(app, channel, {other: value for other, value in headers.items() if other != name}, body)
    assert not shop.captured(channel)
    for name in (b"content-type", b"content-length", b"transfer-encoding", b"host", b"cookie", b"traceparent", b"\xff"):
        for value in VALUES:
            await call_back(app, channel, {name: value}, b"")
    assert not shop.captured(channel)


async def test_paths(app: WebApp) -> None:
    """A channel that is none is not found."""
    headers, body = sent("wechatpay")
    for path in PATHS:
        assert (await call_back(app, path, headers, body)).status in (404, 405, 414)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(sorted(LETTERS)), st.integers(0, 2_000), st.integers(0, 255), st.integers(0, 4))
async def test_spoilt_bodies(app: WebApp, channel: str, at: int, byte: int, how: int) -> None:
    """A byte changed, added or lost."""
    headers, body = sent(channel)
    changed = spoilt(body, at, byte, how)
    await call_back(app, channel, headers, changed)


async def test_other_channels(app: WebApp, shop: PaidShop) -> None:
    """What one platform signed proves nothing at another's address; at its own it pays."""
    for channel in LETTERS:
        for other in LETTERS:
            if other != channel:
                assert (await call_back(app, other, *sent(channel))).status == 400
    assert not any(shop.captured(channel) for channel in LETTERS)
    for channel in ("wechatpay", "stripe"):
        assert (await call_back(app, channel, *sent(channel))).status == 200
        assert shop.captured(channel)
