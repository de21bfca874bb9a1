"""Which port is whose."""

import contextlib
import errno
import socket
from collections.abc import Mapping

from .errors import ClusterError

LOOPBACK = "127.0.0.1"
SPAN = 50
"""So many ports in a row are a cluster's when it is given a base."""
STANDARD: Mapping[str, int] = {
    "mariadb": 3307,
    "zookeeper-1": 2181,
    "zookeeper-2": 2182,
    "zookeeper-3": 2183,
    "zookeeper-1-peer": 2881,
    "zookeeper-2-peer": 2882,
    "zookeeper-3-peer": 2883,
    "zookeeper-1-election": 3881,
    "zookeeper-2-election": 3882,
    "zookeeper-3-election": 3883,
    "name-server": 9876,
    "broker": 10911,
    "proxy": 8081,
    "proxy-remoting": 8080,
    "gateway-1": 8000,
    "gateway-2": 8010,
    "sandbox": 8001,
    "orders-1": 8020,
    "orders-2": 8021,
    "stock-1": 8022,
    "stock-2": 8023,
    "coupons-1": 8024,
    "coupons-2": 8025,
    "accounts-1": 8026,
    "accounts-2": 8027,
    "payments-1": 8028,
    "payments-2": 8029,
    "points-1": 8030,
    "points-2": 8031,
    "journal-1": 8032,
    "journal-2": 8033,
}
"""As each server's users know them; MariaDB's is one further, since many machines have one of their own."""
BROKER_ROOM = (2, 1)
"""A broker also listens two ports before its own (for its proxies) and one after (for replicas)."""


def from_base(base: int) -> dict[str, int]:
    """The same ports one after the other; the broker's has room for its other two. Raises ClusterError."""
    if not 1 <= base <= 65_535 - SPAN:
        raise ClusterError(f"--port-base {base}: give 1 to {65_535 - SPAN}")
    ports: dict[str, int] = {}
    following = base
    for name in STANDARD:
        before, after = BROKER_ROOM if name == "broker" else (0, 0)
        ports[name] = following + before
        following += before + 1 + after
    return ports


def chosen(base: int | None, own: Mapping[str, int], known: Mapping[str, int]) -> dict[str, int]:
    """The ports: those of the base if there is one, else those known, and then what was said. Raises ClusterError."""
    ports = {**STANDARD, **known} if base is None else from_base(base)
    for name, port in own.items():
        if name not in STANDARD:
            raise ClusterError(f"--port {name}={port}: there is no port {name!r}; there are {', '.join(STANDARD)}")
        if not 3 <= port <= 65_534:
            raise ClusterError(f"--port {name}={port}: give 3 to 65534")
        ports[name] = port
    return ports


def is_free(port: int) -> bool:
    """Whether a server could listen there."""
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind((LOOPBACK, port))
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            raise
        return True


def is_open(port: int, timeout: float = 1.0) -> bool:
    """Whether anybody listens there."""
    with contextlib.suppress(OSError), socket.create_connection((LOOPBACK, port), timeout):
        return True
    return False
