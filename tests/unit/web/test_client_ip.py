"""The buyer's address on its way to the payment platform."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from makegood.web.client_ip import client_ip


@pytest.mark.parametrize(
    ("peer", "headers", "header", "found"),
    [
        ("192.0.2.7", {}, "", "192.0.2.7"),
        ("::ffff:192.0.2.7", {}, "", "192.0.2.7"),
        ("fe80::1%eth0", {}, "", "fe80::1"),
        ("2001:DB8::1", {}, "", "2001:db8::1"),
        ("10.0.0.1", {"x-real-ip": "192.0.2.7"}, "", "10.0.0.1"),
        ("10.0.0.1", {"x-real-ip": "192.0.2.7"}, "x-real-ip", "192.0.2.7"),
        ("10.0.0.1", {"x-forwarded-for": "1.1.1.1, 192.0.2.7"}, "x-forwarded-for", "192.0.2.7"),
        ("10.0.0.1", {}, "x-real-ip", ""),
        ("10.0.0.1", {"x-real-ip": "<script>"}, "x-real-ip", ""),
        ("testclient", {}, "", ""),
    ],
)
def test_whose_address(peer: str, headers: dict[str, str], header: str, found: str) -> None:
    """It is the peer's, or what the proxy in front has seen, never what the buyer says; and nothing but an address."""
    assert client_ip(peer, headers, header) == found


@given(st.text(max_size=60))
def test_any_header(said: str) -> None:
    """Whatever a header says, what comes of it is short and plain."""
    found = client_ip("10.0.0.1", {"x-real-ip": said}, "x-real-ip")
    assert len(found) <= 45
    assert not set(found) - set("0123456789abcdef.:")
