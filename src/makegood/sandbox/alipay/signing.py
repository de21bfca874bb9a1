"""RSA2: SHA256withRSA over sorted parameters, base64."""

from collections.abc import Mapping

from makegood.sandbox.signing import Signer, is_signed

__all__ = ["Signer", "is_signed", "signed_content"]


def signed_content(parameters: Mapping[str, str], leave_out: frozenset[str]) -> bytes:
    """What a signature covers: `k=v&…`, sorted by key, not URL-encoded, without empty values."""
    chosen = sorted((key, value) for key, value in parameters.items() if value and key not in leave_out)
    return "&".join(f"{key}={value}" for key, value in chosen).encode()
