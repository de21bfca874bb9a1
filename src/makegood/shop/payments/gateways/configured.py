"""The channels of a shop: those of every platform of which something is configured, all products of each."""

from collections.abc import Iterator
from typing import NamedTuple

import httpx

from makegood.engine.world import World
from makegood.shop.payments.gateways import alipay_client, wechatpay_settings
from makegood.shop.payments.gateways.alipay import Alipay, AlipaySettings
from makegood.shop.payments.gateways.port import Compute, Gateway
from makegood.shop.payments.gateways.products import checked
from makegood.shop.payments.gateways.stripe import Stripe, StripeSettings
from makegood.shop.payments.gateways.wechatpay import WechatPay, WechatPaySettings

NONCE = 16
"""Random bytes in a request's nonce."""


class Merchants(NamedTuple):
    """What the shop agreed with each platform, None for those it does not use."""

    alipay: AlipaySettings | None = None
    wechatpay: WechatPaySettings | None = None
    stripe: StripeSettings | None = None


class Surroundings(NamedTuple):
    """What adapters need; `home` is the shop's address as buyers reach it."""

    http: httpx.AsyncClient
    world: World
    compute: Compute
    home: str


def gateways_of(merchants: Merchants, around: Surroundings) -> dict[str, Gateway]:
    """A gateway for each channel. Raises ValueError for a key that cannot be used."""
    found = [*_alipay(merchants.alipay, around), *_wechatpay(merchants.wechatpay, around)]
    if merchants.stripe is not None:
        found.append(Stripe(merchants.stripe, around.http, around.world.now, around.home))
    return {gateway.channel: gateway for gateway in found}


def _alipay(settings: AlipaySettings | None, around: Surroundings) -> Iterator[Gateway]:
    if settings is not None:
        wanted = checked(settings.products, alipay_client.PRODUCTS, "alipay")
        for product in alipay_client.PRODUCTS:
            if product in wanted:
                yield Alipay(settings, around.http, around.world.now, around.compute, product=product)


def _wechatpay(settings: WechatPaySettings | None, around: Surroundings) -> Iterator[Gateway]:
    if settings is not None:
        wanted = checked(settings.products, wechatpay_settings.PRODUCTS, "wechatpay")
        for product in wechatpay_settings.PRODUCTS:
            if product in wanted:
                nonce = _Nonce(around.world)
                yield WechatPay(settings, around.http, around.world.now, around.compute, nonce, product=product)


class _Nonce:
    """Texts that nobody can guess."""

    def __init__(self, world: World) -> None:
        self._world = world

    def __call__(self) -> str:
        return self._world.random_bytes(NONCE).hex()
