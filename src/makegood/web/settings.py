"""What an operator can set about the HTTP API."""

from dataclasses import dataclass, field
from pathlib import Path

MINIMUM_KEY = 32
MINIMUM_TOKEN = 16


class InvalidWebSettings(ValueError):
    """A setting of the HTTP API is out of bounds: the message says which, and what it may be."""


@dataclass(frozen=True, kw_only=True)
class WebSettings:
    """Settings of the HTTP API; raises InvalidWebSettings when the secrets are too short to be secret."""

    signing_key: bytes = field(repr=False)
    """Signs session tokens (HMAC-SHA256); at least 32 random bytes, the same for every process of a shop."""
    operators_token: str = field(repr=False)
    """The operators' bearer token; at least 16 printable ASCII characters without spaces."""
    session_seconds: int = 12 * 3600
    """For how long a session token is valid."""
    failures_per_user: int = 10
    """Failed sign-ins of one user in `failure_seconds` before the next is refused."""
    failures_per_peer: int = 100
    """The same for one peer address; behind a proxy all users share its address, so set it high there."""
    failure_seconds: int = 300
    """After so many seconds without another failure, failed sign-ins are forgotten."""
    streams: int = 500
    """Most open event streams."""
    streams_per_user: int = 16
    """Most open event streams of one user."""
    client_ip_header: str = ""
    """In which header the proxy in front says the buyer's address, such as x-real-ip; empty: there is none."""
    pages: Path = Path(__file__).parent / "static"
    """The folder of the storefront and of the operators' console; read once, when the application is built."""

    def __post_init__(self) -> None:
        if len(self.signing_key) < MINIMUM_KEY:
            raise InvalidWebSettings(f"signing_key has {len(self.signing_key)} bytes: give {MINIMUM_KEY} random ones")
        token = self.operators_token
        if len(token) < MINIMUM_TOKEN or not token.isascii() or not token.isprintable() or " " in token:
            raise InvalidWebSettings(f"operators_token: give at least {MINIMUM_TOKEN} printable ASCII characters")
        for name in ("session_seconds", "failures_per_user", "failures_per_peer", "failure_seconds"):
            if getattr(self, name) < 1:
                raise InvalidWebSettings(f"{name} is {getattr(self, name)}: give at least 1")
        if self.streams < 0 or self.streams_per_user < 0:
            raise InvalidWebSettings("streams and streams_per_user: give 0 or more")
