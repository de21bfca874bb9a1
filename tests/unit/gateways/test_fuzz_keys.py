"""Keys, certificates and settings with something wrong with them: taken and then usable, or refused with ValueError."""

import base64
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa, x25519
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from makegood.engine.executor import InlineExecutor
from makegood.keys import InvalidKeyError, load_private_key, load_public_key, private_pem, public_pem
from makegood.shop.payments.gateways.alipay import Alipay, AlipaySettings
from makegood.shop.payments.gateways.port import Gateway, GatewayError, Rejected
from makegood.shop.payments.gateways.stripe import Stripe, StripeSettings
from makegood.shop.payments.gateways.wechatpay import WechatPay
from makegood.shop.payments.gateways.wechatpay_settings import WechatPayKeys
from tests.support.mutated import TEXTS, spoilt

from . import platform, wechat

TEXT_OF_SETTINGS = (
    *TEXTS[::3],
    "\udcff",
    "sk_\n1",
    "sk_1\r\nHost: elsewhere",
    "sk_é",
    "https://a.test:0/",
    "//a.test",
    "https:///",
)
PRIVATE = private_pem(platform.MERCHANT_KEY)
PUBLIC = public_pem(platform.PLATFORM_KEY.public_key())
MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Tenpay.com Root CA")])
P256_OID, NO_CURVE_OID = bytes.fromhex("06082a8648ce3d030107"), bytes.fromhex("06082a8648ce3d03017f")
RSA_OID, NO_OID = bytes.fromhex("06092a864886f70d010101"), bytes.fromhex("06092a864886f70d01017f")


def certificate(key: Any) -> bytes:
    """A certificate of that key, in DER."""
    builder = x509.CertificateBuilder().subject_name(NAME).issuer_name(NAME).serial_number(5)
    dated = builder.not_valid_before(MOMENT).not_valid_after(MOMENT + timedelta(days=1))
    made = dated.public_key(key.public_key()).sign(platform.STRANGERS_KEY, hashes.SHA256())
    return made.public_bytes(serialization.Encoding.DER)


def pem(der: bytes, kind: str = "CERTIFICATE") -> str:
    """Its PEM."""
    return f"-----BEGIN {kind}-----\n{base64.encodebytes(der).decode()}-----END {kind}-----\n"


OWN = certificate(platform.STRANGERS_KEY)
CURVE = certificate(ec.generate_private_key(ec.SECP256R1()))
STRANGE = {
    "elliptic": CURVE,
    "a curve there is not": CURVE.replace(P256_OID, NO_CURVE_OID),
    "ed25519": certificate(ed25519.Ed25519PrivateKey.generate()),
    "ed448": certificate(ed448.Ed448PrivateKey.generate()),
    "x25519": certificate(x25519.X25519PrivateKey.generate()),
    "dsa": certificate(dsa.generate_private_key(1024)),
    "short": certificate(rsa.generate_private_key(65537, 1024)),
    "an algorithm there is not": OWN.replace(RSA_OID, NO_OID),
    "cut off": OWN[:-1],
    "doubled": OWN + OWN,
    "nothing": b"",
}


@pytest.mark.parametrize("what", STRANGE)
def test_strange_certificates(what: str) -> None:
    """A certificate of any other key, or of none, is refused, and the message says which setting it is."""
    with pytest.raises(ValueError, match="platform-keys"):
        WechatPayKeys.of(wechat.own(platform_keys=pem(STRANGE[what])))


@settings(max_examples=60)
@given(st.integers(0, len(OWN)), st.integers(0, 255), st.integers(0, 4))
def test_spoilt_certificates(at: int, byte: int, how: int) -> None:
    """A certificate with a byte changed holds an RSA key, or is refused."""
    try:
        keys = WechatPayKeys.of(wechat.own(platform_keys=pem(spoilt(OWN, at, byte, how))))
    except ValueError:
        return
    assert all(key.key_size >= 2048 for key in keys.platform.values())


def spoilt_keys(text: str) -> Iterator[str]:
    """A key's PEM and bare base64, changed in ways that people and machines change them."""
    bare = "".join(text.splitlines()[1:-1])
    yield from (bare[:-4], bare + "A", bare[::-1], bare.replace("A", "*"), bare + "é", bare + "\udcff", bare + "\0")
    yield from (text[:-20], text[20:], text.replace("\n", ""), text.replace("-----END", "-----BEGIN"), text + "\0")
    yield from (text.replace("KEY", "KEYS"), text.replace("BEGIN", "BEGIN ENCRYPTED"), f"é{text}", f"\udcff{text}")
    yield from (f"{text}{text}", text.replace("M", "N"), text.lower(), "-----BEGIN", "-----BEGIN -----END", "=", "AAAA")
    yield from (value for value in TEXTS if value.strip())


@pytest.mark.parametrize(("text", "load"), [(PRIVATE, load_private_key), (PUBLIC, load_public_key)])
def test_keys_that_are_none(text: str, load: Callable[[str], object]) -> None:
    """What is no key is InvalidKeyError."""
    for wrong in spoilt_keys(text):
        with suppress(InvalidKeyError):
            assert load(wrong)


@pytest.mark.parametrize("load", [load_private_key, load_public_key])
def test_keys_of_another_kind(load: Callable[[str], object]) -> None:
    """Other algorithms, short keys and encrypted ones are InvalidKeyError."""
    kinds: list[Any] = [
        *(ec.generate_private_key(ec.SECP384R1()), ed25519.Ed25519PrivateKey.generate()),
        *(x25519.X25519PrivateKey.generate(), rsa.generate_private_key(65537, 1024)),
    ]
    encoding, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    for key in kinds:
        private = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, plain).decode()
        public = key.public_key().public_bytes(encoding, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
        for text in (private, public):
            with pytest.raises(InvalidKeyError):
                load(text)
    sealed = platform.MERCHANT_KEY.private_bytes(
        encoding, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"secret")
    ).decode()
    with pytest.raises(InvalidKeyError):
        load(sealed)


DERS: dict[Callable[[str], Any], bytes] = {
    load_private_key: base64.b64decode("".join(PRIVATE.splitlines()[1:-1])),
    load_public_key: base64.b64decode("".join(PUBLIC.splitlines()[1:-1])),
}


@settings(max_examples=80)
@given(st.sampled_from([*DERS]), st.integers(0, 1_300), st.integers(0, 255), st.integers(0, 4), st.booleans())
def test_spoilt_keys(load: Callable[[str], Any], at: int, byte: int, how: int, bare: bool) -> None:
    """A key with a byte changed is an RSA key, or InvalidKeyError."""
    der = spoilt(DERS[load], at, byte, how)
    kind = "PRIVATE KEY" if load is load_private_key else "PUBLIC KEY"
    try:
        key = load(base64.b64encode(der).decode() if bare else pem(der, kind))
    except InvalidKeyError:
        return
    assert key.key_size >= 2048


class Deaf(httpx.AsyncBaseTransport):
    """A platform that has nothing to say."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Looks whether the request can be written, and refuses it."""
        assert all(name.decode("ascii").isprintable() for name, _ in request.headers.raw)
        assert all(b"\r" not in value and b"\n" not in value for _, value in request.headers.raw)
        return httpx.Response(404, content=b"{}")


HTTP = httpx.AsyncClient(transport=Deaf())
NOW = platform.NOW


def alipay(**changed: Any) -> Gateway:
    """The adapter with these settings."""
    own: dict[str, Any] = {"gateway": "https://platform.test/", "app_id": platform.APP, "seller_id": platform.SELLER}
    keys: dict[str, Any] = {"merchant_private_key": PRIVATE, "platform_public_key": PUBLIC}
    return Alipay(AlipaySettings(**{**own, **keys, **changed}), HTTP, lambda: NOW, InlineExecutor().run)


def wechatpay(**changed: Any) -> Gateway:
    """The adapter with these settings."""
    return WechatPay(wechat.own(**changed), HTTP, lambda: NOW, InlineExecutor().run, lambda: "nonce")


def stripe(**changed: Any) -> Gateway:
    """The adapter with these settings."""
    own: dict[str, Any] = {"api_key": "sk_1", "webhook_secret": "whsec_1", "gateway": "https://platform.test"}
    return Stripe(StripeSettings(**{**own, **changed}), HTTP, lambda: NOW, "https://shop.test/")


SIGNED = {**wechat.signed(b"{}"), "stripe-signature": f"t={NOW // 1000},v1=00"}
SETTINGS = [
    *((alipay, name) for name in ("gateway", "app_id", "seller_id", "return_url", "products")),
    *((wechatpay, name) for name in ("gateway", "mchid", "appid", "merchant_serial", "return_url", "products")),
    *((wechatpay, name) for name in ("api_v3_key", "platform_public_key_id", "platform_keys")),
    *((stripe, name) for name in ("gateway", "api_key", "webhook_secret", "account", "return_url")),
]


@pytest.mark.parametrize(("adapter", "name"), SETTINGS)
async def test_settings(adapter: Callable[..., Gateway], name: str) -> None:
    """A setting that cannot be is ValueError at the start; with any other, no call ends but as the port says."""
    for text in TEXT_OF_SETTINGS:
        try:
            by = adapter(**{name: text})
        except ValueError:
            continue
        with pytest.raises(GatewayError):
            await by.query("1", "cs_1")
        with pytest.raises(Rejected):
            by.read_notification(b"{}", SIGNED)
