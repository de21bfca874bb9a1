"""A refused body costs the shop's client its answer, not its connection."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from makegood.unread import MOST_BYTES, SECONDS
from makegood.web.app import WebApp
from tests.support.kept_connection import Refused, pour, refuse_all, withhold_body
from tests.unit.web.people import OPERATORS_TOKEN
from tests.unit.web.test_server import serving

OPERATOR = {"Authorization": f"Bearer {OPERATORS_TOKEN}"}
REFUSED = [
    Refused("POST", "/api/orders", 401),
    Refused("POST", "/api/quotes", 401),
    Refused("PUT", "/api/orders", 405),
    Refused("POST", "/healthz", 405),
    Refused("POST", "/nothing", 404),
    Refused("POST", "/api/payments/notify/no%20channel", 404),
    Refused("POST", "/api/ops/load", 401),
    Refused("POST", "/api/ops/sessions", 415, OPERATOR | {"Content-Type": "text/plain"}),
]
TOO_LARGE = [
    Refused("POST", "/api/session", 413),
    Refused("POST", "/api/payments/notify/alipay", 413),
    Refused("POST", "/api/ops/sessions", 413, OPERATOR),
]


@pytest.fixture
async def url(app: WebApp) -> AsyncGenerator[str]:
    """Where the shop listens."""
    async with serving(app) as (running, _):
        yield running.url


@pytest.mark.parametrize(("requests", "sizes"), [(REFUSED, (1, 70_000, 1_000_000)), (TOO_LARGE, (300_000, 3_000_000))])
async def test_connection_is_kept(url: str, requests: list[Refused], sizes: tuple[int, ...]) -> None:
    """Refusals of any kind, of bodies of any size, are answered one after another on one connection."""
    answered = await asyncio.to_thread(refuse_all, url, requests, sizes, 5)
    assert answered == len(requests) * len(sizes) * 2 * 5


@pytest.mark.parametrize("path", ["/api/orders", "/api/quotes", "/nothing"])
async def test_withheld_body(url: str, path: str) -> None:
    """Who announces a body and never sends it is answered in time, and told that the connection closes."""
    ending = await asyncio.to_thread(withhold_body, url, "POST", path, "Content-Length: 1000")
    assert b"\r\nconnection: close\r\n" in ending.answer
    assert SECONDS - 0.1 < ending.seconds < SECONDS + 3


async def test_body_without_end(url: str) -> None:
    """Of a body that does not end only so much is read; then comes the answer."""
    ending = await asyncio.to_thread(pour, url, "POST", "/nothing", 4 * MOST_BYTES)
    assert ending.answer.startswith(b"HTTP/1.1 404 ")
    assert b"\r\nconnection: close\r\n" in ending.answer
    assert ending.sent < 2 * MOST_BYTES


@pytest.mark.parametrize(
    "headers", [(f"Content-Length: {MOST_BYTES + 1}",), ("Content-Length: 9", "Expect: 100-continue")]
)
async def test_unwanted_body(url: str, headers: tuple[str, ...]) -> None:
    """A body that is too much to throw away, or that its client still holds back, is not waited for."""
    ending = await asyncio.to_thread(withhold_body, url, "POST", "/nothing", *headers)
    assert ending.answer.startswith(b"HTTP/1.1 404 ")
    assert b"\r\nconnection: close\r\n" in ending.answer
    assert ending.seconds < SECONDS / 2
