"""The buyer's own address, which some payment platforms compare with that of whoever opens their page."""

from collections.abc import Mapping
from ipaddress import IPv6Address, ip_address


def client_ip(peer: str, headers: Mapping[str, str], header: str) -> str:
    """The address of the connection's `peer`, or what the proxy in front says in the header that is named.

    Of several addresses the last counts: that one the proxy itself has seen. "" for what is no address.
    """
    said = headers.get(header, "").rpartition(",")[2] if header else peer
    try:
        address = ip_address(said.strip())
    except ValueError:
        return ""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address).partition("%")[0]
