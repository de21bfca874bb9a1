"""What merchants configure: keys however they are given, products, hosts; what is refused quotes no key."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from makegood.config import Config, ConfigError
from makegood.engine.executor import InlineExecutor
from makegood.engine.world import SystemWorld
from makegood.keys import private_pem, public_pem
from makegood.shop.assembly import configured_gateways
from makegood.shop.payments.gateways.alipay import Alipay, AlipayKeys
from makegood.shop.payments.gateways.configured import Surroundings
from makegood.shop.payments.gateways.port import Gateway
from makegood.shop.payments.gateways.secret import MAX_FILE, needed, secret
from makegood.shop.payments.gateways.wechatpay_settings import WechatPayKeys

from .platform import APP, MERCHANT_KEY, NOW, PLATFORM_KEY, STRANGERS_KEY, settings
from .wechat import API_V3_KEY, APPID, MCHID, MERCHANT_SERIAL, SERIAL, own

MERCHANT_PEM, PLATFORM_PEM = private_pem(MERCHANT_KEY), public_pem(PLATFORM_KEY.public_key())
ALIPAY = {"gateway": "https://x.test/gateway.do", "app-id": APP}
WECHATPAY = {"mchid": MCHID, "appid": APPID, "merchant-serial": MERCHANT_SERIAL, "platform-public-key-id": SERIAL}


def channels(config: Config) -> dict[str, Gateway]:
    """Those of a configuration."""
    around = Surroundings(httpx.AsyncClient(), SystemWorld(), InlineExecutor().run, "https://shop.test/")
    return configured_gateways(config, around)


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """Files with one key each."""
    texts = {"merchant": MERCHANT_PEM, "platform": PLATFORM_PEM, "api_v3": API_V3_KEY + "\n"}
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    return {name: str(tmp_path / name) for name in texts}


def test_channels_of_every_platform(files: dict[str, str]) -> None:
    """A platform is used when it has a section, with each product a channel; its channels share the merchant."""
    alipay = ALIPAY | {"merchant-private-key-file": files["merchant"], "platform-public-key": PLATFORM_PEM}
    wechatpay = WECHATPAY | {
        "merchant-private-key": MERCHANT_PEM,
        "platform-public-key-file": files["platform"],
        "api-v3-key-file": files["api_v3"],
    }
    stripe = {"api-key": "sk_1", "webhook-secret": "whsec_1", "account": "acct_1"}
    found = channels(Config({"alipay": alipay, "wechatpay": wechatpay, "stripe": stripe}))
    assert {name: gateway.account for name, gateway in found.items()} == {
        "alipay": f"alipay:{APP}",
        "alipay_page": f"alipay:{APP}",
        "wechatpay": f"wechatpay:{MCHID}",
        "wechatpay_h5": f"wechatpay:{MCHID}",
        "stripe": "stripe:acct_1",
    }
    assert [*channels(Config({"alipay": alipay | {"products": "page"}}))] == ["alipay_page"]


def test_keys_from_the_environment() -> None:
    """A platform may be configured by the environment alone."""
    environment = {"MAKEGOOD_STRIPE_API_KEY": "sk_1", "MAKEGOOD_STRIPE_WEBHOOK_SECRET": "whsec_1"}
    found = channels(Config.load(None, environment))
    assert [*found] == ["stripe"]


@pytest.mark.parametrize(
    ("sections", "says"),
    [
        ({}, "no payment platform"),
        ({"alipay": ALIPAY}, "merchant-private-key is missing"),
        ({"alipay": ALIPAY | {"merchant-private-key": MERCHANT_PEM[:80], "platform-public-key": "x"}}, "private key"),
        ({"alipay": ALIPAY | {"products": "wap"}}, "precreate, page"),
        ({"alipay": ALIPAY | {"return-url": "shop"}}, "return_url"),
        ({"wechatpay": WECHATPAY | {"merchant-private-key": MERCHANT_PEM}}, "keys of the platform"),
        ({"wechatpay": WECHATPAY | {"mchid": "1 2"}}, "mchid"),
        ({"wechatpay": WECHATPAY | {"gateway": "https://a https://b https://c https://d"}}, "at most 3"),
        ({"stripe": {"api-key": "sk_1"}}, "webhook-secret is missing"),
        ({"stripe": {"api-key": "sk_1", "webhook-secret": "x", "account": "a b"}}, "account"),
        ({"stripe": {"api-key": "sk_1", "webhook-secret": "x", "timeout": 61}}, "timeout"),
        ({"stripe": {"api-key-file": "/nowhere/key", "webhook-secret": "x"}}, "/nowhere/key cannot be read"),
    ],
)
def test_settings_refused(sections: dict[str, Any], says: str) -> None:
    """What cannot work stops the shop from starting, and says which setting it is."""
    with pytest.raises(ConfigError, match=says):
        channels(Config(sections))


@pytest.mark.parametrize("length", [0, 31, 33])
def test_api_v3_key_of_another_length(length: int) -> None:
    """An API v3 key has 32 bytes; the message does not quote it."""
    with pytest.raises(ValueError, match="api-v3-key") as caught:
        WechatPayKeys.of(own(api_v3_key="Z" * length))
    assert "ZZ" not in str(caught.value)


def test_secret_in_a_file(tmp_path: Path) -> None:
    """A file holds one secret, with or without a line's end; given twice, too large, or no text it is refused."""
    file = tmp_path / "key"
    file.write_text(" geheim \n")
    assert (secret("", file, "x key"), secret(" a ", None, "x key")) == ("geheim", "a")
    with pytest.raises(ValueError, match="twice"):
        secret("b", file, "x key")
    for content in (b"\xff\xfe geheim", b"g" * (MAX_FILE + 1)):
        file.write_bytes(content)
        with pytest.raises(ValueError, match="x key-file") as caught:
            secret("", file, "x key")
        assert "geheim" not in repr(caught.value)
        assert caught.value.__context__ is None or caught.value.__suppress_context__
    with pytest.raises(ValueError, match="missing"):
        needed("", None, "x key")


def test_keys_of_an_adapter_stay_hidden() -> None:
    """Neither settings nor adapters print what they hold."""
    for held in (settings(), own(), AlipayKeys.of(settings())):
        assert "PRIVATE KEY" not in repr(held)
        assert API_V3_KEY not in repr(held)


def certificate(key: Any = STRANGERS_KEY) -> tuple[str, str]:
    """A certificate in PEM, and its serial number as the platform writes it."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Tenpay.com Root CA")])
    moment = datetime.fromtimestamp(NOW / 1000, UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(0x5157F09EFDC096DE15EBE81A47057A7232F1B8E2)
        .not_valid_before(moment)
        .not_valid_after(moment + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM).decode(), "5157F09EFDC096DE15EBE81A47057A7232F1B8E2"


def test_several_keys_of_the_platform() -> None:
    """Certificates are known by their serial, public keys by the line before them; the first is preferred."""
    pem, serial = certificate()
    further = f"{pem}\nPUB_KEY_ID_2\n{PLATFORM_PEM}"
    known = WechatPayKeys.of(own(platform_keys=further))
    assert [*known.platform] == [SERIAL, serial, "PUB_KEY_ID_2"]
    assert known.preferred == SERIAL
    alone = WechatPayKeys.of(own(platform_keys=pem, platform_public_key="", platform_public_key_id=""))
    assert alone.preferred == serial


@pytest.mark.parametrize(
    "text",
    [
        PLATFORM_PEM,
        "what is this?",
        f"PUB_KEY_ID_2\n{PLATFORM_PEM}\nand more",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----",
        certificate(ec.generate_private_key(ec.SECP256R1()))[0],
        "PUB_KEY_ID_2\n" + PLATFORM_PEM.replace("A", "B"),
    ],
)
def test_keys_of_the_platform_refused(text: str) -> None:
    """A key without a name, what is no key, and what is no RSA key."""
    with pytest.raises(ValueError, match=r"platform-keys|public key"):
        WechatPayKeys.of(own(platform_keys=text))


@given(st.text(max_size=200), st.binary(max_size=200))
def test_any_key_text(text: str, raw: bytes) -> None:
    """Whatever stands for keys is read, or refused with ValueError."""
    pem = f"-----BEGIN CERTIFICATE-----\n{raw.hex()}\n-----END CERTIFICATE-----"
    for given_text in (text, pem, f"PUB_KEY_ID_3\n{pem.replace('CERTIFICATE', 'PUBLIC KEY')}"):
        if given_text.strip():
            with pytest.raises(ValueError, match=r"platform-keys|public key"):
                WechatPayKeys.of(own(platform_keys=given_text))


def test_channel_of_a_second_merchant() -> None:
    """A second merchant can stand beside the first, under a name of its own."""
    http = httpx.AsyncClient()
    page = Alipay(settings(), http, lambda: NOW, InlineExecutor().run, product="page")
    second = Alipay(settings(), http, lambda: NOW, InlineExecutor().run, product="page", channel="alipay_page_2")
    assert (page.channel, second.channel) == ("alipay_page", "alipay_page_2")
