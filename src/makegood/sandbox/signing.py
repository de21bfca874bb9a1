"""SHA256withRSA, base64. Signing costs half a millisecond, so it has its own threads."""

import base64
import binascii
from functools import partial
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

from .threads import Runner, Threads

SIGNING_THREADS: Final = 2


class Signer:
    """Signs as the platform, by `run`, or in a few threads of its own: the waiting requests the server bounds."""

    def __init__(self, key: RSAPrivateKey, run: Runner | None = None) -> None:
        self._key = key
        self._threads = Threads("sandbox-signer", SIGNING_THREADS)
        self._run: Runner = run or self._threads

    async def sign(self, content: bytes, key: RSAPrivateKey | None = None) -> str:
        """The signature, in base64; with another key when one is given."""
        return await self._run(partial(self.signature, content, key))

    def close(self) -> None:
        """Ends its own threads."""
        self._threads.close()

    def signature(self, content: bytes, key: RSAPrivateKey | None = None) -> str:
        """The same, at once: it takes half a millisecond."""
        return base64.b64encode((key or self._key).sign(content, PKCS1v15(), hashes.SHA256())).decode()


def is_signed(content: bytes, signature: str, key: RSAPublicKey) -> bool:
    """Whether the key's owner signed that."""
    try:
        key.verify(base64.b64decode(signature, validate=True), content, PKCS1v15(), hashes.SHA256())
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True
