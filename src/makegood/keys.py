"""RSA keys as payment platforms hand them out: PEM, or the bare base64 of the same bytes."""

import base64
import binascii

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import (
    RSAPrivateKey,
    RSAPublicKey,
)
from cryptography.hazmat.primitives.asymmetric.rsa import (
    generate_private_key as generate_rsa_private_key,
)

MINIMUM_BITS = 2048


class InvalidKeyError(ValueError):
    """The text is no RSA key of at least 2048 bits: give its PEM, or the base64 the platform shows."""


def generate_private_key() -> RSAPrivateKey:
    """Makes a new RSA-2048 key."""
    return generate_rsa_private_key(public_exponent=65537, key_size=MINIMUM_BITS)


def load_private_key(text: str) -> RSAPrivateKey:
    """Reads a private key (PKCS#1 or PKCS#8; PEM or bare base64), or raises InvalidKeyError."""
    try:
        key = (
            serialization.load_pem_private_key(text.strip().encode(), None)
            if _is_pem(text)
            else serialization.load_der_private_key(_bare(text), None)
        )
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise InvalidKeyError(f"This is not a private key: {error}. {InvalidKeyError.__doc__}") from error
    if not isinstance(key, RSAPrivateKey) or key.key_size < MINIMUM_BITS:
        raise InvalidKeyError(InvalidKeyError.__doc__)
    return key


def load_public_key(text: str) -> RSAPublicKey:
    """Reads a public key (PKCS#1 or SubjectPublicKeyInfo; PEM or bare base64), or raises InvalidKeyError."""
    try:
        key = (
            serialization.load_pem_public_key(text.strip().encode())
            if _is_pem(text)
            else serialization.load_der_public_key(_bare(text))
        )
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise InvalidKeyError(f"This is not a public key: {error}. {InvalidKeyError.__doc__}") from error
    if not isinstance(key, RSAPublicKey) or key.key_size < MINIMUM_BITS:
        raise InvalidKeyError(InvalidKeyError.__doc__)
    return key


def private_pem(key: RSAPrivateKey) -> str:
    """The key as PKCS#8 PEM, not encrypted: keep it in a file only its owner can read."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def public_pem(key: RSAPublicKey) -> str:
    """The key as SubjectPublicKeyInfo PEM."""
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


def _is_pem(text: str) -> bool:
    return "-----BEGIN" in text


def _bare(text: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except binascii.Error as error:
        raise ValueError(f"it is neither PEM nor base64 ({error})") from error
