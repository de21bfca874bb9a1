"""RSA2: SHA256withRSA over sorted parameters, base64. Signing costs half a millisecond, so it has its own threads."""

import asyncio
import base64
import binascii
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

SIGNING_THREADS: Final = 2


class Signer:
    """Signs as the platform, in a bounded pool: the waiting requests are bounded by the server."""

    def __init__(self, key: RSAPrivateKey) -> None:
        self._key = key
        self._pool = ThreadPoolExecutor(SIGNING_THREADS, "sandbox-signer")

    async def sign(self, content: bytes) -> str:
        """The signature, in base64."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._sign, content)

    def close(self) -> None:
        """Ends the threads."""
        self._pool.shutdown()

    def _sign(self, content: bytes) -> str:
        return base64.b64encode(self._key.sign(content, PKCS1v15(), hashes.SHA256())).decode()


def signed_content(parameters: Mapping[str, str], leave_out: frozenset[str]) -> bytes:
    """What a signature covers: `k=v&…`, sorted by key, not URL-encoded, without empty values."""
    chosen = sorted((key, value) for key, value in parameters.items() if value and key not in leave_out)
    return "&".join(f"{key}={value}" for key, value in chosen).encode()


def is_signed(content: bytes, signature: str, key: RSAPublicKey) -> bool:
    """Whether the key's owner signed that."""
    try:
        key.verify(base64.b64decode(signature, validate=True), content, PKCS1v15(), hashes.SHA256())
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True
