"""What a user says about RocketMQ, under the names by which RocketMQ's users know it."""

import re
from dataclasses import dataclass

from makegood.engine.broker.port import INVISIBLE

PROXY_PORT = 8081
"""Where the brokers' proxies are unless the endpoints are given."""
SHORTEST_INVISIBLE, LONGEST_INVISIBLE = 10.0, 12 * 3600.0
"""Seconds: what RocketMQ's proxies allow by default."""

_ADDRESS = re.compile(r"(?P<host>[A-Za-z0-9._-]+):(?P<port>\d{1,5})")


@dataclass(frozen=True)
class RocketmqSettings:
    """`[rocketmq]`. Raises ValueError for what cannot be."""

    name_server: str
    """The name servers, `ip:9876;ip:9876`; host names do too. One that answers is enough."""
    endpoints: str = ""
    """The gRPC proxies, `ip:8081;ip:8082`; empty: they are on port 8081 of the brokers that the name server knows."""
    producer_group: str = "makegood"
    """As whom delayed messages are sent; it is seen in RocketMQ's own tools."""
    queues: int = 8
    """Queues, on each broker, of a topic that the shop has to create."""
    request_timeout: float = 3.0
    """Seconds after which one try of a request to one server has failed."""
    publish_timeout: float = 10.0
    """Seconds after which a batch that no server took is reported as not published."""
    invisible: float = INVISIBLE
    """Seconds after which a delivery that is neither acknowledged nor deferred comes again; at least 10."""

    def __post_init__(self) -> None:
        if not self.name_servers():
            raise ValueError("name-server is empty: give the name servers as ip:9876;ip:9876")
        self.proxies()
        if not 1 <= self.queues <= 1024:
            raise ValueError(f"queues is {self.queues}: make it 1 to 1024")
        if not SHORTEST_INVISIBLE <= self.invisible <= LONGEST_INVISIBLE:
            raise ValueError(f"invisible is {self.invisible}: use {SHORTEST_INVISIBLE} to {LONGEST_INVISIBLE} seconds")
        if not 0 < self.request_timeout <= self.publish_timeout <= 300:
            raise ValueError("make request-timeout more than 0, and at most publish-timeout, which is at most 300")

    def name_servers(self) -> list[tuple[str, int]]:
        """Host and port of each name server."""
        return addresses(self.name_server)

    def proxies(self) -> list[tuple[str, int]]:
        """Host and port of each proxy that is given."""
        return addresses(self.endpoints)


def addresses(text: str) -> list[tuple[str, int]]:
    """Reads `host:port;host:port`. Raises ValueError for anything else."""
    return [_address(one.strip()) for one in re.split("[;,]", text) if one.strip()]


def _address(text: str) -> tuple[str, int]:
    found = _ADDRESS.fullmatch(text)
    if found is None or not 0 < int(found["port"]) <= 65_535:
        raise ValueError(f"address {text!r}: write it as ip:port, and several as ip:port;ip:port")
    return found["host"], int(found["port"])
