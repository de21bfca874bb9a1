"""Alipay's own SDK (alipay-sdk-python) as the referee of the sandbox."""

import http.client
import json
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from makegood.keys import load_private_key
from tests.oracles.wheels import only, wheels
from tests.support.sandbox import SandboxProcess, running_sandbox

REQUIREMENTS = Path(__file__).with_name("alipay-sdk.txt")


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    """A running sandbox."""
    with running_sandbox(tmp_path_factory.mktemp("official")) as process:
        yield process


@pytest.fixture(scope="module")
def sdk(sandbox: SandboxProcess) -> Iterator[Any]:
    """The SDK as the merchant."""
    with only("alipay", wheels(REQUIREMENTS)):
        yield client(sandbox.alipay)


def client(own: dict[str, str]) -> Any:
    """The SDK's client; its connections cannot have a port, so ours are put in."""
    config: Any = import_module("alipay.aop.api.AlipayClientConfig").AlipayClientConfig()
    key = load_private_key(own["merchant_private_key"])
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()
    config.server_url, config.app_id = own["gateway"], own["app_id"]
    config.app_private_key = "".join(pem.splitlines()[1:-1])
    config.alipay_public_key = "".join(own["platform_public_key"].splitlines()[1:-1])
    web: Any = import_module("alipay.aop.api.util.WebUtils")
    web.get_http_connection = connection
    return import_module("alipay.aop.api.DefaultAlipayClient").DefaultAlipayClient(config)


def connection(url: str, query: str, timeout: float) -> tuple[str, http.client.HTTPConnection]:
    """What the SDK asks, and where: the same as its own, but for the port."""
    parts = urlsplit(url)
    return f"{parts.path}?{query}", http.client.HTTPConnection(parts.netloc, timeout=timeout)


def ask(sdk: Any, name: str, content: dict[str, str]) -> dict[str, Any]:
    """What the SDK makes of an answer, whose signature it verified."""
    request: Any = getattr(import_module(f"alipay.aop.api.request.{name}"), name)()
    request.biz_content = content
    return json.loads(sdk.execute(request))


def test_payment_from_code_to_refund(sdk: Any) -> None:
    """Precreate, pay, query, refund, query of the refund, and close, as the SDK expects them."""
    wanted = {"out_trade_no": "official", "total_amount": "8.88", "subject": "苹果"}
    made = ask(sdk, "AlipayTradePrecreateRequest", wanted)
    httpx.post(made["qr_code"], data={"action": "pay"}).raise_for_status()
    paid = ask(sdk, "AlipayTradeQueryRequest", {"out_trade_no": "official"})
    assert (paid["trade_status"], paid["total_amount"]) == ("TRADE_SUCCESS", "8.88")
    refund = {"out_trade_no": "official", "refund_amount": "8.88", "out_request_no": "r1"}
    assert ask(sdk, "AlipayTradeRefundRequest", refund)["fund_change"] == "Y"
    asked = ask(sdk, "AlipayTradeFastpayRefundQueryRequest", refund)
    assert asked["refund_status"] == "REFUND_SUCCESS"
    closed = ask(sdk, "AlipayTradeCloseRequest", {"out_trade_no": "never_made"})
    assert closed["sub_code"] == "ACQ.TRADE_NOT_EXIST"
