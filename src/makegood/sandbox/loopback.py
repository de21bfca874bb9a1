"""Who is on this machine."""

import ipaddress
from typing import Final
from urllib.parse import urlsplit

MAX_URL_LENGTH: Final = 256


def is_loopback(host: str) -> bool:
    """Whether the host is this machine's loopback, by name or address."""
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
        return (getattr(address, "ipv4_mapped", None) or address).is_loopback
    except ValueError:
        return False


def may_notify(url: str, *, remote: bool) -> bool:
    """Whether the sandbox would post there: http or https, at most 256 characters, loopback unless `remote`."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.port != 0
    except ValueError:
        return False
    if not usable or len(url) > MAX_URL_LENGTH or not url.isascii() or not url.isprintable():
        return False
    return bool(parts.hostname) and (remote or is_loopback(parts.hostname or ""))
