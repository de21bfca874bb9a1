"""A request and an answer as the platforms' own doors see them, below any framework."""

from collections.abc import Mapping
from typing import Final, NamedTuple

JSON: Final = "application/json"
MAX_REQUEST_BYTES: Final = 256 * 1024


class Call(NamedTuple):
    """A whole request; the names of headers are in lower case, `path` is as it was sent."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def target(self) -> str:
        """The path with the query, as a signature covers them."""
        return f"{self.path}?{self.query}" if self.query else self.path


class Reply(NamedTuple):
    """A whole answer."""

    status: int
    content_type: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()
