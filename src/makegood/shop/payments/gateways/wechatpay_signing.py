"""WeChat Pay's signatures (SHA256 with RSA, PKCS #1 v1.5, base64) and its sealed resources (AES-256-GCM).

Source: WeChat Pay API v3, signature generation, signature verification, certificate and callback decryption. Whatever
the platform signs, it signs over the raw body, with a time and a nonce; older than five minutes it is not believed.
"""

import base64
import binascii
from collections.abc import Mapping
from typing import NamedTuple

import msgspec
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256

from makegood.shop.payments.gateways.port import Reason

SCHEME = "WECHATPAY2-SHA256-RSA2048"
WINDOW = 300_000
"""Milliseconds by which a signature's time may differ from ours."""
PROBE = "WECHATPAY/SIGNTEST/"
"""How the signatures begin by which the platform tests whether we look at them."""
MAX_NONCE = 128
"""Most characters of the nonce of a signature, and of a sealed resource."""
_LEAST_AES_NONCE = 8
_MAX_DIGITS = 12


class Unproven(Exception):
    """A body that proves nothing; `reason` says in which way."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason: Reason = reason


class Unsealed(ValueError):
    """A resource that cannot be opened: its key is another one, or it is not as documented."""


class Signer(NamedTuple):
    """Who signs a request: the merchant, and the serial of the merchant's certificate."""

    mchid: str
    serial: str
    key: RSAPrivateKey


class Sealed(msgspec.Struct, frozen=True):
    """A sealed resource, as notifications carry it."""

    algorithm: str
    ciphertext: str
    nonce: str
    associated_data: str = ""
    original_type: str = ""


def authorization(signer: Signer, method: str, target: str, body: bytes, seconds: int, nonce: str) -> str:
    """The Authorization header of a request; `target` is its path and query."""
    text = f"{method}\n{target}\n{seconds}\n{nonce}\n".encode() + body + b"\n"
    signature = base64.b64encode(signer.key.sign(text, PKCS1v15(), SHA256())).decode()
    return (
        f'{SCHEME} mchid="{signer.mchid}",nonce_str="{nonce}",signature="{signature}",'
        f'timestamp="{seconds}",serial_no="{signer.serial}"'
    )


def check(body: bytes, headers: Mapping[str, str], keys: Mapping[str, RSAPublicKey], now: int) -> None:
    """Raises Unproven unless the platform signed this body within the window around `now` (ms UTC).

    `headers` have lower-case names.
    """
    signature, nonce = headers.get("wechatpay-signature", ""), headers.get("wechatpay-nonce", "")
    if signature.startswith(PROBE):
        raise Unproven("probe", "a probe of the platform's: it is refused, as it should be")
    stamp, serial = headers.get("wechatpay-timestamp", ""), headers.get("wechatpay-serial", "")
    if not (signature and nonce and stamp and serial) or len(nonce) > MAX_NONCE:
        raise Unproven(
            "bad_signature", "not signed: one of Wechatpay-Signature, -Nonce, -Timestamp, -Serial is missing"
        )
    _check_recent(stamp, now)
    key = keys.get(serial)
    if key is None:
        raise Unproven("unknown_serial", f"signed with key {serial[:64]!r}: add it to platform-keys if it is new")
    try:
        key.verify(base64.b64decode(signature, validate=True), _signed(stamp, nonce, body), PKCS1v15(), SHA256())
    except (InvalidSignature, ValueError) as error:
        raise Unproven("bad_signature", "signed by somebody else, or changed on the way") from error


def unsealed(sealed: Sealed, key: bytes) -> bytes:
    """What was sealed with the API v3 key. Raises Unsealed."""
    if sealed.algorithm != "AEAD_AES_256_GCM":
        raise Unsealed(f"sealed with {sealed.algorithm[:64]!r}: only AEAD_AES_256_GCM is spoken")
    if not _LEAST_AES_NONCE <= len(sealed.nonce) <= MAX_NONCE:
        raise Unsealed(f"a nonce of {len(sealed.nonce)} characters: it has 12")
    try:
        ciphertext = base64.b64decode(sealed.ciphertext, validate=True)
        return AESGCM(key).decrypt(sealed.nonce.encode(), ciphertext, sealed.associated_data.encode())
    except InvalidTag as error:
        raise Unsealed("sealed with another key, or changed: check api-v3-key") from error
    except (binascii.Error, ValueError) as error:
        raise Unsealed(f"not a sealed resource: {error}") from error


def _check_recent(stamp: str, now: int) -> None:
    if not stamp.isascii() or not stamp.isdigit() or len(stamp) > _MAX_DIGITS:
        raise Unproven("bad_signature", f"Wechatpay-Timestamp {stamp[:40]!r} is no time in seconds")
    if abs(now - int(stamp) * 1000) > WINDOW:
        raise Unproven("stale", f"signed at {stamp}, more than {WINDOW // 1000} s from our clock: check it")


def _signed(stamp: str, nonce: str, body: bytes) -> bytes:
    return f"{stamp}\n{nonce}\n".encode() + body + b"\n"
