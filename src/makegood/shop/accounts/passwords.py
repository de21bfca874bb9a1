"""Passwords: argon2id at 19 MiB, two passes and one lane, OWASP's recommendation; about 30 ms of CPU each."""

from argon2.exceptions import VerifyMismatchError
from argon2.low_level import Type, hash_secret, verify_secret

SALT_BYTES = 16
HASH_BYTES = 32
MEMORY_KIB = 19 * 1024
PASSES = 2
LANES = 1

NOBODY = f"$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p={LANES}${'A' * 22}${'A' * 43}"
"""A hash of no known password: who is unknown costs as long to refuse as who is known."""


def hash_password(password: str, salt: bytes) -> str:
    """The hash in argon2's encoded form; `salt` is 16 bytes that nobody can guess."""
    encoded = hash_secret(password.encode(), salt, PASSES, MEMORY_KIB, LANES, HASH_BYTES, Type.ID)
    return encoded.decode()


def verify_password(password: str, stored: str | None) -> bool:
    """Whether `password` has this hash; False, and as slow, when there is none."""
    try:
        verify_secret((stored or NOBODY).encode(), password.encode(), Type.ID)
    except VerifyMismatchError:
        return False
    return stored is not None
