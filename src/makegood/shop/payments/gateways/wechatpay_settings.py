"""What a merchant agreed with WeChat Pay, and the keys by which either side knows the other."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple, Self

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

from makegood.keys import MINIMUM_BITS, load_private_key, load_public_key
from makegood.shop.payments.gateways.products import checked
from makegood.shop.payments.gateways.secret import needed, secret
from makegood.shop.payments.gateways.wire import check_timeout, check_url, hosts_of

Product = Literal["native", "h5"]
PRODUCTS: tuple[Product, ...] = ("native", "h5")
API_V3_KEY_BYTES = 32
MAX_KEYS = 16
"""Most keys of the platform that are known at once."""
_SERIAL = re.compile(r"[0-9A-Za-z_]{1,64}")
_BLOCK = re.compile(
    r"(?:^[ \t]*([0-9A-Za-z_]{1,64})[ \t]*\r?\n)?[ \t]*"
    r"(-----BEGIN (CERTIFICATE|PUBLIC KEY|RSA PUBLIC KEY)-----[0-9A-Za-z+/=\s]+-----END \3-----)",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class WechatPaySettings:
    """`[wechatpay]`. Raises ValueError for what cannot be; keys are read, and checked, by `WechatPayKeys.of`."""

    mchid: str
    appid: str
    merchant_serial: str
    """The serial number of the merchant's API certificate."""
    merchant_private_key: str = field(default="", repr=False)
    merchant_private_key_file: Path | None = None
    """The key of that certificate (apiclient_key.pem)."""
    api_v3_key: str = field(default="", repr=False)
    api_v3_key_file: Path | None = None
    """32 characters, set in the merchant platform: what notifications are sealed with."""
    platform_public_key_id: str = ""
    """PUB_KEY_ID_… of the platform's public key."""
    platform_public_key: str = field(default="", repr=False)
    platform_public_key_file: Path | None = None
    platform_keys: str = field(default="", repr=False)
    platform_keys_file: Path | None = None
    """Further keys of the platform, for the time in which it changes its own: certificates in PEM, or public keys in
    PEM, each behind a line with its id."""
    gateway: str = "https://api.mch.weixin.qq.com https://api2.mch.weixin.qq.com"
    """Hosts divided by spaces: the second is asked when the first cannot be reached, or answers with 5xx."""
    products: str = "native h5"
    """Which products the merchant has signed for, divided by spaces: each is a channel."""
    return_url: str = ""
    """Where the browser comes back to from an h5 payment; empty: to the page it came from."""
    timeout: float = 5.0
    """Seconds for a whole call."""
    bill_timeout: float = 40.0
    """Seconds for the download of a bill."""

    def __post_init__(self) -> None:
        for name in ("mchid", "appid", "merchant_serial"):
            if not _SERIAL.fullmatch(getattr(self, name)):
                raise ValueError(f"wechatpay {name} {getattr(self, name)!r}: copy it from the merchant platform")
        hosts_of(self.gateway, "wechatpay")
        checked(self.products, PRODUCTS, "wechatpay")
        check_timeout(self.timeout, "wechatpay")
        check_timeout(self.bill_timeout, "wechatpay bill")
        if self.return_url:
            check_url(self.return_url, "wechatpay return_url")


class WechatPayKeys(NamedTuple):
    """The merchant's private key, the key of sealed resources, and the platform's keys by their serials.

    `preferred` is the serial that the platform is asked to sign its answers with.
    """

    merchant: RSAPrivateKey
    api_v3: bytes
    platform: Mapping[str, RSAPublicKey]
    preferred: str

    @classmethod
    def of(cls, settings: WechatPaySettings) -> Self:
        """Those of the settings. Raises ValueError, saying which of them cannot be used."""
        own = needed(
            settings.merchant_private_key, settings.merchant_private_key_file, "wechatpay merchant-private-key"
        )
        platform = _platform_keys(settings)
        return cls(load_private_key(own), _api_v3_key(settings), platform, next(iter(platform)))


def _api_v3_key(settings: WechatPaySettings) -> bytes:
    key = needed(settings.api_v3_key, settings.api_v3_key_file, "wechatpay api-v3-key").encode()
    if len(key) != API_V3_KEY_BYTES:
        raise ValueError(f"wechatpay api-v3-key has {len(key)} bytes: it has {API_V3_KEY_BYTES}")
    return key


def _platform_keys(settings: WechatPaySettings) -> dict[str, RSAPublicKey]:
    known: dict[str, RSAPublicKey] = {}
    name = "wechatpay platform-public-key"
    public = secret(settings.platform_public_key, settings.platform_public_key_file, name)
    if public:
        if not _SERIAL.fullmatch(settings.platform_public_key_id):
            raise ValueError(f"{name}-id is missing: give the PUB_KEY_ID_… that stands beside the key")
        known[settings.platform_public_key_id] = load_public_key(public)
    known.update(_more_keys(secret(settings.platform_keys, settings.platform_keys_file, "wechatpay platform-keys")))
    if not 0 < len(known) <= MAX_KEYS:
        raise ValueError(
            f"{len(known)} keys of the platform: give {name} or wechatpay platform-keys, {MAX_KEYS} at most"
        )
    return known


def _more_keys(text: str) -> dict[str, RSAPublicKey]:
    """The keys of certificates and of named public keys. Raises ValueError for anything between them."""
    found: dict[str, RSAPublicKey] = {}
    for match in _BLOCK.finditer(text):
        serial, pem, kind = match[1], match[2], match[3]
        if kind == "CERTIFICATE":
            certified, key = _certified(pem)
            found[certified] = key
        elif serial:
            found[serial] = load_public_key(pem)
        else:
            raise ValueError("wechatpay platform-keys: a line with its PUB_KEY_ID_… goes before each public key")
    if _BLOCK.sub("", text).strip():
        raise ValueError("wechatpay platform-keys: give certificates in PEM, or PUB_KEY_ID_… lines and public keys")
    return found


def _certified(pem: str) -> tuple[str, RSAPublicKey]:
    """The serial and the key of a certificate. Raises ValueError."""
    try:
        certificate = x509.load_pem_x509_certificate(pem.encode())
        key = certificate.public_key()
        serial = f"{certificate.serial_number:X}"
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ValueError(f"wechatpay platform-keys: this is not a certificate: {error}") from error
    if not isinstance(key, RSAPublicKey) or key.key_size < MINIMUM_BITS:
        raise ValueError(f"wechatpay platform-keys: certificate {serial} holds no RSA key of {MINIMUM_BITS} bits")
    return serial, key
