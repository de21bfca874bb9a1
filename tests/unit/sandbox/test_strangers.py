"""What other sites' pages and clumsy clients can do to a running sandbox: nothing, and they are told so."""

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from urllib.parse import urlsplit

import pytest

from makegood.sandbox.hot import BODY_SECONDS
from makegood.sandbox.loopback import is_loopback
from tests.support.sandbox import SandboxProcess
from tests.unit.sandbox.merchant import http

LOOKS = ["/control/trades", "/control/notifications", "/control/clock", "/control/faults", "/metrics"]


@pytest.mark.parametrize("path", LOOKS)
def test_names_of_other_sites_see_nothing(sandbox: SandboxProcess, path: str) -> None:
    """A name that was made to mean this machine, and a page of another site, are refused; this machine is not."""
    own = urlsplit(sandbox.url).netloc
    for host in (own, "localhost:80", "[::1]:80"):
        assert http.get(sandbox.url + path, headers={"Host": host}).status_code == 200
    assert http.get(sandbox.url + path, headers={"Host": "evil.example"}).status_code == 403
    assert http.get(sandbox.url + path, headers={"Origin": sandbox.url}).status_code == 200
    for origin in ("http://evil.example", "null", f"https://{own}", "http://127.0.0.1:1"):
        assert http.get(sandbox.url + path, headers={"Origin": origin}).status_code == 403


@pytest.mark.parametrize("path", ["/control/clock", "/control/faults", "/control/notifications/1/resend"])
def test_pages_of_other_sites_move_nothing(sandbox: SandboxProcess, path: str) -> None:
    """Neither the clock, nor faults, nor a notification."""
    for headers in ({"Origin": "http://evil.example"}, {"Origin": "null"}, {"Host": "evil.example"}):
        assert http.post(sandbox.url + path, json={}, headers=headers).status_code == 403


def test_loopback_may_be_written_as_ipv6_maps_it() -> None:
    """An IPv4 address stays what it is when it comes by an IPv6 socket."""
    assert is_loopback("::ffff:127.0.0.1")
    assert not is_loopback("::ffff:192.0.2.1")


def said(sandbox: SandboxProcess, request: bytes) -> tuple[bytes, float]:
    """What is answered to these bytes until the connection ends, and the seconds it took."""
    parts, began, answer = urlsplit(sandbox.url), time.monotonic(), b""
    with socket.create_connection((str(parts.hostname), parts.port), timeout=BODY_SECONDS + 10) as connection:
        connection.sendall(request)
        while data := connection.recv(65_536):
            answer += data
    return answer, time.monotonic() - began


STALLED = ["/alipay/gateway.do", "/v3/pay/transactions/native", "/v1/refunds", "/cashier/x", "/control/clock"]


def test_body_that_does_not_come(sandbox: SandboxProcess) -> None:
    """Who announces a body and does not send it is told so after ten seconds, at every door, and has to leave."""
    head = (
        "Host: 127.0.0.1\r\nContent-Type: application/json\r\nAccept: application/json\r\nContent-Length: 10\r\n\r\nabc"
    )
    requests = [f"POST {path} HTTP/1.1\r\n{head}".encode() for path in STALLED]
    with ThreadPoolExecutor(len(requests)) as pool:
        answers = list(pool.map(partial(said, sandbox), requests))
    for (answer, seconds), path in zip(answers, STALLED, strict=True):
        assert answer.startswith(b"HTTP/1.1 408 "), (path, answer)
        assert answer.count(b"\r\nconnection: close\r\n") == 1, (path, answer)
        assert BODY_SECONDS - 1 < seconds < BODY_SECONDS + 5


@pytest.mark.parametrize("path", ["/v3/pay/transactions/native", "/v1/refunds"])
def test_chunk_without_a_length(sandbox: SandboxProcess, path: str) -> None:
    """A body that is not sent as HTTP says is refused."""
    request = f"POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\nZZ\r\n"
    answer, _ = said(sandbox, request.encode())
    assert answer.startswith(b"HTTP/1.1 400 ")
