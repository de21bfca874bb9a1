"""What the processes of a cluster must know about each other and about the servers."""

import socket
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from makegood.config import Config
from makegood.embedded.directory import RunFile
from makegood.web.settings import WebSettings

ANY = "0.0.0.0"  # noqa: S104 - a process that was given no address listens on all it has
TEST_ADDRESS = ("192.0.2.1", 9)
"""An address of RFC 5737: nothing is sent to it, the routing table is only asked for the way there."""


@dataclass(frozen=True)
class DatabaseSettings:
    """`[database]`."""

    url: str = field(repr=False)
    """`mysql://user:password@host:3306/makegood`; each service has the schema `makegood_<service>`."""


@dataclass(frozen=True)
class DubboSettings:
    """`[dubbo.registry]` and `[dubbo.protocol]`. Raises ValueError for a port that cannot be."""

    registry_address: str
    """`zookeeper://ip:2181?backup=ip:2182,ip:2183`, as Dubbo's users write it."""
    protocol_host: str = ""
    """The address on which this process listens for calls, and under which others find it; empty: its own."""
    protocol_port: int = 0
    """The port for calls; 0 takes a free one."""

    def __post_init__(self) -> None:
        if not 0 <= self.protocol_port <= 65_535:
            raise ValueError(f"protocol.port is {self.protocol_port}: make it 0 to 65535")

    def addresses(self) -> tuple[str, str]:
        """Where to listen, and what to tell others."""
        return (self.protocol_host, self.protocol_host) if self.protocol_host else (ANY, _own_address())


@dataclass(frozen=True)
class GatewaySettings:
    """`[gateway]`. Raises ValueError for what is no address."""

    url: str
    """The shop's own address, as users and payment platforms reach it: `https://shop.example`."""

    def __post_init__(self) -> None:
        address = urlsplit(self.url)
        if address.scheme not in ("http", "https") or not address.hostname:
            raise ValueError(f"url {self.url!r}: give an address that begins with http:// or https://")


@dataclass(frozen=True)
class SandboxSettings:
    """`[sandbox]`: only where the payment platform is the sandbox."""

    url: str = ""
    """Where its control interface is; the audit compares its ledger with the shop's."""


def reached_by(config: Config) -> RunFile:
    """How a person or a script reaches the cluster's gateway. Raises ConfigError."""
    gateway, sandbox = config.section("gateway", GatewaySettings), config.section("sandbox", SandboxSettings)
    return RunFile(gateway.url, sandbox.url, config.section("web", WebSettings).operators_token)


def _own_address() -> str:
    """By which address this machine reaches others."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        try:
            one.connect(TEST_ADDRESS)
        except OSError:
            return "127.0.0.1"
        return str(one.getsockname()[0])
