"""What may be registered, alike in every registry, and in which order it is told."""

import re
from collections.abc import Iterable

from makegood.engine.registry.port import Provider

MAX_PROVIDERS = 1_000
"""Most providers of one interface that are told; those after them, by host and port, are left out."""
MAX_WEIGHT = 1_000_000
"""Largest weight; the default is 100."""
MAX_PORT = 65_535

_INTERFACE = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*(\.[A-Za-z_$][A-Za-z0-9_$]*)*", re.ASCII)
_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*|[0-9A-Fa-f:]+(%[A-Za-z0-9._-]+)?", re.ASCII)
_MAX_NAME = 255


def check_interface(interface: str) -> None:
    """Raises ValueError unless it is the name of an interface, like `makegood.Stock`."""
    if len(interface) > _MAX_NAME or not _INTERFACE.fullmatch(interface):
        raise ValueError(f"{interface!r} is no name of an interface: write it like makegood.Stock, {_MAX_NAME} at most")


def check_provider(provider: Provider) -> None:
    """Raises ValueError for a host, a port or a weight that no provider can have."""
    if len(provider.host) > _MAX_NAME or not _HOST.fullmatch(provider.host):
        raise ValueError(f"{provider.host!r} is no host: give a name, an IPv4 address, or IPv6 without brackets")
    if not 0 < provider.port <= MAX_PORT:
        raise ValueError(f"{provider.port} is no port: give one from 1 to {MAX_PORT}")
    if not 0 <= provider.weight <= MAX_WEIGHT:
        raise ValueError(f"{provider.weight} is no weight: give one from 0 to {MAX_WEIGHT}, 100 is the default")


def in_order(providers: Iterable[Provider]) -> tuple[Provider, ...]:
    """The providers by host and port, each once (the later one counts), `MAX_PROVIDERS` at most."""
    by_address = {(provider.host, provider.port): provider for provider in providers}
    return tuple(by_address[address] for address in sorted(by_address)[:MAX_PROVIDERS])
