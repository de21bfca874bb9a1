"""Dubbo's interface-level layout in ZooKeeper, and the URLs of which its nodes are named.

    /dubbo/INTERFACE/providers/tri%3A%2F%2FHOST%3APORT%2FINTERFACE%3Fapplication%3D…

Source: ZookeeperRegistry, CacheableFailbackRegistry and UrlUtils.isMatch of Dubbo Java 3.3. A provider says in the
parameters of its URL what it is; who reads takes what it understands and passes over the rest. A provider with
`enabled=false` or `disabled=true` is there and takes no calls.
"""

import logging
from collections.abc import Sequence
from urllib.parse import quote_plus, unquote_plus

import msgspec

from makegood.engine.registry.limits import MAX_WEIGHT, check_provider, in_order
from makegood.engine.registry.port import DEFAULT_WEIGHT, Provider

PROTOCOLS = frozenset({"tri", "grpc"})
"""Protocols of Dubbo that are gRPC on the wire."""

log = logging.getLogger(__name__)


class Flavour(msgspec.Struct, frozen=True):
    """Which providers of an interface belong together: as in Dubbo, those of one version and one group; empty: none."""

    version: str = ""
    group: str = ""


class Seen(msgspec.Struct, frozen=True):
    """The providers of one interface in its folder: those that take calls, and the addresses of those that do not."""

    offered: tuple[Provider, ...]
    disabled: frozenset[tuple[str, int]]


class _Url(msgspec.Struct, frozen=True):
    protocol: str
    address: str
    path: str
    parameters: dict[str, str]


def node_of(interface: str, provider: Provider, application: str, flavour: Flavour, *, enabled: bool = True) -> str:
    """The name of a provider's node; it is the same each time, so that a process finds its predecessor's.

    Hence no timestamp and no process id; without a timestamp Java consumers give the full weight at once, too.
    """
    host = f"[{provider.host}]" if ":" in provider.host else provider.host
    parameters = {
        "application": application,
        "dynamic": "true",
        "enabled": "" if enabled else "false",
        "generic": "false",
        "group": flavour.group,
        "interface": interface,
        "side": "provider",
        "version": flavour.version,
        "weight": "" if provider.weight == DEFAULT_WEIGHT else str(provider.weight),
    }
    query = "&".join(f"{name}={value}" for name, value in parameters.items() if value)
    return quote_plus(f"tri://{host}:{provider.port}/{interface}?{query}", safe="")


def read_nodes(interface: str, nodes: Sequence[str], flavour: Flavour) -> Seen:
    """What a folder says to a consumer of this flavour; nodes that are no such provider are passed over."""
    offered: list[Provider] = []
    disabled: list[tuple[str, int]] = []
    for node in sorted(nodes):
        try:
            url = _parse(node)
            if not _wanted(url, interface, flavour):
                continue
            provider = _provider(url)
        except ValueError as error:
            log.debug("a node of %s is no provider: %s (%s)", interface, node, error)
            continue
        if _enabled(url.parameters):
            offered.append(provider)
        else:
            disabled.append((provider.host, provider.port))
    return Seen(in_order(offered), frozenset(disabled))


def _parse(node: str) -> _Url:
    address, _, query = unquote_plus(node, errors="strict").partition("?")
    protocol, found, rest = address.partition("://")
    if not found:
        raise ValueError("it is no URL")
    authority, _, path = rest.partition("/")
    pairs = (pair.partition("=") for pair in query.split("&"))
    return _Url(protocol, authority.rpartition("@")[2], path, {name: value for name, _, value in pairs})


def _wanted(url: _Url, interface: str, flavour: Flavour) -> bool:
    told = url.parameters
    return (
        url.protocol in PROTOCOLS
        and told.get("interface", url.path) in (interface, "*")
        and told.get("category", "providers") == "providers"
        and told.get("version", "") == flavour.version
        and told.get("group", "") == flavour.group
    )


def _provider(url: _Url) -> Provider:
    host, _, port = url.address.rpartition(":")
    if not (port.isascii() and port.isdecimal()):
        raise ValueError(f"{port!r} is no port")
    provider = Provider(host.removeprefix("[").removesuffix("]"), int(port), _weight(url.parameters))
    check_provider(provider)
    return provider


def _weight(parameters: dict[str, str]) -> int:
    try:
        return min(max(int(parameters.get("weight", DEFAULT_WEIGHT)), 0), MAX_WEIGHT)
    except ValueError:
        return DEFAULT_WEIGHT


def _enabled(parameters: dict[str, str]) -> bool:
    return parameters.get("disabled", "").lower() != "true" and parameters.get("enabled", "true").lower() == "true"
