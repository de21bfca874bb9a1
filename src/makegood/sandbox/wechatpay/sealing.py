"""AEAD_AES_256_GCM with the merchant's API v3 key: what notifications and certificates are wrapped in."""

import base64

from cryptography.hazmat.primitives.ciphers.aead import AESGCM


def sealed(key: str, nonce: str, about: str, content: bytes) -> dict[str, str]:
    """Content as it is sent; the nonce has 12 characters, and is used for nothing else."""
    ciphertext = AESGCM(key.encode()).encrypt(nonce.encode(), content, about.encode())
    return {
        "algorithm": "AEAD_AES_256_GCM",
        "ciphertext": base64.b64encode(ciphertext).decode(),
        "nonce": nonce,
        "associated_data": about,
    }
