"""A refused body costs the sandbox's client its answer, not its connection."""

import pytest

from makegood.unread import MOST_BYTES, SECONDS
from tests.support.kept_connection import Refused, pour, refuse_all, withhold_body
from tests.support.sandbox import SandboxProcess

REFUSED = [
    Refused("PUT", "/alipay/gateway.do", 405),
    Refused("POST", "/healthz", 405),
    Refused("POST", "/nothing", 404),
    Refused("POST", "/control/clock", 415),
]
TOO_LARGE = [Refused("POST", "/alipay/gateway.do", 200), Refused("POST", "/cashier/nobody", 413)]


@pytest.mark.parametrize(("requests", "sizes"), [(REFUSED, (1, 70_000, 1_000_000)), (TOO_LARGE, (300_000, 3_000_000))])
def test_connection_is_kept(sandbox: SandboxProcess, requests: list[Refused], sizes: tuple[int, ...]) -> None:
    """Refusals of any kind, of bodies of any size, are answered one after another on one connection."""
    assert refuse_all(sandbox.url, requests, sizes, 10) == len(requests) * len(sizes) * 2 * 10


def test_withheld_body(sandbox: SandboxProcess) -> None:
    """Who announces a body and never sends it is answered in time, and told that the connection closes."""
    ending = withhold_body(sandbox.url, "POST", "/nothing", "Content-Length: 1000")
    assert ending.answer.startswith(b"HTTP/1.1 404 ")
    assert b"\r\nconnection: close\r\n" in ending.answer
    assert SECONDS - 0.1 < ending.seconds < SECONDS + 3


def test_body_without_end(sandbox: SandboxProcess) -> None:
    """Of a body that does not end only so much is read; then comes the answer."""
    ending = pour(sandbox.url, "POST", "/nothing", 4 * MOST_BYTES)
    assert ending.answer.startswith(b"HTTP/1.1 404 ")
    assert b"\r\nconnection: close\r\n" in ending.answer
    assert ending.sent < 2 * MOST_BYTES
