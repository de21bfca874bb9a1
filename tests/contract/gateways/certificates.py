"""The sandbox's next certificate, as WeChat Pay hands its certificates out: sealed with the API v3 key."""

from typing import Any

import msgspec

from makegood.engine.executor import InlineExecutor
from makegood.engine.world import SystemWorld
from makegood.shop.payments.gateways.http import platform_client
from makegood.shop.payments.gateways.wechatpay import WechatPaySettings
from makegood.shop.payments.gateways.wechatpay_client import WechatPayClient
from makegood.shop.payments.gateways.wechatpay_signing import Sealed, unsealed


async def further_certificate(settings: WechatPaySettings) -> str:
    """In PEM, the last of those there are."""
    async with platform_client(1) as http:
        client = WechatPayClient(settings, http, SystemWorld().now, InlineExecutor().run, lambda: "nonce")
        told = await client.get("/v3/certificates", dict[str, Any])
    sealed = msgspec.convert(told["data"][-1]["encrypt_certificate"], Sealed)
    return unsealed(sealed, client.keys.api_v3).decode()
