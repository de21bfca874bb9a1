"""What the adapters make of a platform that fails, and of notifications that are false."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from makegood.engine.executor import InlineExecutor
from makegood.engine.world import SystemWorld
from makegood.keys import generate_private_key, private_pem
from makegood.shop.payments.gateways.configured import Merchants, Surroundings, gateways_of
from makegood.shop.payments.gateways.port import (
    GatewayError,
    GatewayRefused,
    GatewayUnavailable,
    Notice,
    OpenPayment,
    Rejected,
)
from tests.support.sandbox import SandboxProcess

from .certificates import further_certificate
from .faults import faults
from .shop import CHANNELS, Inbox, Shop, merchants, shop_of
from .test_every_channel import refund_of

FALSE = {
    "tamper": {"alipay": {"bad_signature", "malformed"}, "wechatpay": {"bad_signature"}, "stripe": {"bad_signature"}},
    "stale": {"wechatpay": {"stale"}, "stripe": {"stale"}},
    "signtest": {"wechatpay": {"probe"}},
    "unknown_serial": {"wechatpay": {"unknown_serial"}},
}
"""For what reason a false notification is refused, by fault and platform; those not named here cannot send it."""
LOST = {
    "refund_abnormal": {"wechatpay": "abnormal", "stripe": "failed"},
    "refund_closed": {"wechatpay": "failed"},
}
"""What becomes of a refund that does not arrive, by fault and platform; Alipay's always do."""


def cases(faults: Mapping[str, Mapping[str, object]]) -> list[tuple[str, str]]:
    """Each fault with each channel of the platforms that can have it."""
    return [
        (fault, one) for fault, platforms in faults.items() for one in CHANNELS if one.partition("_")[0] in platforms
    ]


def platform_of(shop: Shop) -> str:
    """The platform's name in the sandbox."""
    return shop.gateway.channel.partition("_")[0]


@pytest.mark.parametrize(("fault", "shop"), cases(FALSE), indirect=["shop"])
async def test_false_notification(sandbox: SandboxProcess, shop: Shop, fault: str) -> None:
    """It is refused for its own reason, and the true one behind it is taken."""
    async with faults(sandbox.url, {"kind": fault, "platform": platform_of(shop)}):
        opened = await shop.gateway.open(payment := shop.payment())
        assert await shop.press(opened.pay_url) == 200
        refused, told = await first_true(shop)
    assert refused
    assert set(refused) <= FALSE[fault][platform_of(shop)]
    assert told.payment_id == payment.payment_id


async def first_true(shop: Shop) -> tuple[list[str], Notice]:
    """Why notifications are refused, and the first capture that is not."""
    refused: list[str] = []
    while True:
        try:
            notice = shop.read(await shop.next())
        except Rejected as rejected:
            refused.append(rejected.reason)
            continue
        if notice.kind == "captured":
            return refused, notice


async def test_wrong_amount_is_told_as_it_is(sandbox: SandboxProcess, shop: Shop) -> None:
    """A well signed notification of another amount is taken, with that amount: the service compares it."""
    async with faults(sandbox.url, {"kind": "wrong_amount", "platform": platform_of(shop)}):
        opened = await shop.gateway.open(shop.payment())
        assert await shop.press(opened.pay_url) == 200
        amounts = [(await shop.told("captured")).amount]
        while amounts[-1] != 8880:
            amounts.append((await shop.told("captured")).amount)
    assert set(amounts[:-1]) == {1}


@pytest.mark.parametrize("fault", ["server_error", "rate_limited", "answer_lost"])
async def test_call_that_fails(sandbox: SandboxProcess, shop: Shop, fault: str) -> None:
    """Nothing is known of a call without a good answer; made again, it takes effect once."""
    payment = shop.payment()
    calls = shop.gateway.channel != "alipay_page"  # whose opening calls nobody
    async with faults(sandbox.url, {"kind": fault, "platform": platform_of(shop)}):
        if calls:
            with pytest.raises(GatewayUnavailable):
                await shop.gateway.open(payment)
    opened = await opened_again(shop, payment)
    assert await shop.press(opened[0]) == 200
    told = await shop.told("captured")
    refund = refund_of(shop, payment.payment_id, payment.payment_id + "9", 8880, told.trade_no)
    async with faults(sandbox.url, {"kind": fault, "platform": platform_of(shop)}):
        for call in (shop.gateway.refund(refund), shop.query(payment, opened[1] or "cs_test_x")):
            with pytest.raises(GatewayUnavailable):
                await call
    assert (await shop.settled(refund)).status == "succeeded"
    assert (await shop.query(payment, opened[1])).state == "closed"


async def opened_again(shop: Shop, payment: OpenPayment) -> tuple[str, str]:
    """Where it is paid, and its number."""
    opened = await shop.gateway.open(payment)
    return opened.pay_url, opened.trade_no


@pytest.mark.parametrize(("fault", "shop"), cases(LOST), indirect=["shop"])
async def test_refund_that_does_not_arrive(sandbox: SandboxProcess, shop: Shop, fault: str) -> None:
    """A refund that reaches nobody is known as such, and says what a person has to do."""
    told, _ = await shop.pay(payment := shop.payment())
    refund = refund_of(shop, payment.payment_id, payment.payment_id + "9", 8880, told.trade_no)
    async with faults(sandbox.url, {"kind": fault, "platform": platform_of(shop)}):
        state = await shop.settled(refund)
    assert state.status == LOST[fault][platform_of(shop)]
    assert state.detail


@pytest.mark.parametrize("shop", ["wechatpay"], indirect=True)
async def test_refund_without_money(sandbox: SandboxProcess, shop: Shop) -> None:
    """While the merchant's account holds too little the refund is not failed: it succeeds later."""
    told, _ = await shop.pay(payment := shop.payment())
    refund = refund_of(shop, payment.payment_id, payment.payment_id + "9", 8880, told.trade_no)
    async with faults(sandbox.url, {"kind": "not_enough", "platform": "wechatpay"}):
        with pytest.raises(GatewayUnavailable, match="top up"):
            await shop.gateway.refund(refund)
    assert (await shop.settled(refund)).status == "succeeded"


async def test_next_key_of_the_platform(sandbox: SandboxProcess, box: Inbox) -> None:
    """Signed with a key we were not given a notification is refused, and taken once its certificate is configured."""
    known = merchants(sandbox)
    assert known.wechatpay is not None
    certificates = await further_certificate(known.wechatpay)
    both = known._replace(wechatpay=replace(known.wechatpay, platform_keys=certificates))
    known = known._replace(wechatpay=replace(known.wechatpay, platform_keys=""))
    async with faults(sandbox.url, {"kind": "key_rotation", "platform": "wechatpay"}):
        async with shop_of(known, "wechatpay", box) as shop:
            opened = await shop.gateway.open(shop.payment())
            assert await shop.press(opened.pay_url) == 200
            arrived = await shop.next()
            with pytest.raises(Rejected) as caught:
                shop.read(arrived)
            assert caught.value.reason == "unknown_serial"
        async with shop_of(both, "wechatpay", box) as shop:
            assert shop.read(arrived).kind == "captured"


@pytest.mark.parametrize("shop", ["alipay", "alipay_page", "wechatpay"], indirect=True)
async def test_wrong_merchant_key(sandbox: SandboxProcess, shop: Shop, box: Inbox) -> None:
    """A merchant who signs with another key gets nothing done, and is told so."""
    key = private_pem(generate_private_key())
    known = merchants(sandbox)
    assert known.alipay is not None
    assert known.wechatpay is not None
    strangers = Merchants(
        replace(known.alipay, merchant_private_key=key), replace(known.wechatpay, merchant_private_key=key)
    )
    async with shop_of(strangers, shop.gateway.channel, box) as stranger:
        with pytest.raises(GatewayError, match=r"signature|SIGN_ERROR"):
            await stranger.gateway.query(stranger.payment().payment_id)


@pytest.mark.parametrize("shop", ["stripe"], indirect=True)
async def test_wrong_api_key(sandbox: SandboxProcess, shop: Shop) -> None:
    """Another key is refused, with advice that does not quote it."""
    known = merchants(sandbox)
    assert known.stripe is not None
    strangers = Merchants(stripe=replace(known.stripe, api_key="sk_test_of_somebody_else"))
    around = Surroundings(shop.http, SystemWorld(), InlineExecutor().run, "http://shop.test/")
    with pytest.raises(GatewayRefused, match="check api-key") as caught:
        await gateways_of(strangers, around)["stripe"].open(shop.payment())
    assert "somebody" not in str(caught.value)
