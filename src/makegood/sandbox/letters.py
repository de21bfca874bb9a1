"""What a platform sends to a merchant."""

from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple, Protocol

from .faults import Kind
from .notifications import Due


class Letter(NamedTuple):
    """A notification as it travels."""

    url: str
    headers: Mapping[str, str]
    body: bytes


class Moments(NamedTuple):
    """When an attempt is made: by the sandbox's clock, and by the world's, which signatures are dated with."""

    now: int
    stamp: int


class Voice(Protocol):
    """How a platform notifies.

    The ladder is the pauses between attempts, in milliseconds; `timeout` is how many seconds an answer may take.
    `twists` are the ways in which its letters can be false; of a key rotation, those of its next key.
    """

    ladder: tuple[int, ...]
    timeout: float
    twists: frozenset[Kind]

    async def write(self, due: Due, moments: Moments, twist: str = "") -> Letter:
        """The letter of an attempt, the same whenever it is asked for; with a twist it is false in that way."""
        ...

    def accepts(self, status: int, answer: bytes) -> bool:
        """Whether the merchant's answer ends the ladder."""
        ...

    def identify(self, due: Due) -> str:
        """The notification's number, the same at every attempt."""
        ...


Post = Callable[[str, Mapping[str, str], bytes], Awaitable[tuple[int, bytes]]]
"""Posts to a URL headers and a body; the HTTP status and the answer, or its beginning. OSError: no answer."""


def tampered(body: bytes, due: Due) -> bytes:
    """The body with one of its digits changed, or its last byte where there is none."""
    digits = [at for at, byte in enumerate(body) if 0x30 <= byte <= 0x39]
    if not digits:
        return body[:-1] + bytes([body[-1] ^ 1]) if body else b"0"
    at = digits[due.notification.id % len(digits)]
    return body[:at] + (b"1" if body[at : at + 1] == b"0" else b"0") + body[at + 1 :]
