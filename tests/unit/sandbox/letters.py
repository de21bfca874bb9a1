"""A shop's callback address without a network: keeps what it is sent, and answers as it is told."""

from collections.abc import Mapping
from urllib.parse import parse_qsl


class Letters:
    """What arrived; `answer` is given to the next ones, None when nobody is to be there."""

    def __init__(self, answer: bytes | None = b"success") -> None:
        self.answer = answer
        self.urls: list[str] = []
        self.bodies: list[bytes] = []

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        """Takes a notification."""
        assert headers["Content-Type"].startswith("application/x-www-form-urlencoded")
        self.urls.append(url)
        self.bodies.append(body)
        if self.answer is None:
            raise ConnectionRefusedError("nobody is there")
        return 200, self.answer

    def fields(self) -> list[dict[str, str]]:
        """What they say."""
        return [dict(parse_qsl(body.decode(), strict_parsing=True)) for body in self.bodies]
