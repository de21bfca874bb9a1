"""The names of nodes in Dubbo's layout."""

from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from makegood.engine.registry.dubbo import Flavour, node_of, read_nodes
from makegood.engine.registry.limits import MAX_PROVIDERS
from makegood.engine.registry.port import Provider

STOCK = "makegood.Stock"
PLAIN = Flavour()

hosts = st.one_of(st.from_regex(r"[a-z][a-z0-9-]{0,20}(\.[a-z]{2,5})?", fullmatch=True), st.ip_addresses().map(str))
providers = st.builds(Provider, hosts, st.integers(1, 65_535), st.integers(0, 1_000_000))
words = st.text(st.characters(exclude_characters="&=?#", exclude_categories=["Cs"]), max_size=12)


def offered(*nodes: str, flavour: Flavour = PLAIN) -> list[str]:
    """The addresses that a folder of these nodes offers, as `host:port`."""
    seen = read_nodes(STOCK, nodes, flavour)
    return [f"{provider.host}:{provider.port}" for provider in seen.offered]


def url(address: str, parameters: str = "", protocol: str = "tri", path: str = STOCK) -> str:
    """A node as another program may have written it."""
    return quote_plus(f"{protocol}://{address}/{path}{'?' + parameters if parameters else ''}")


@given(providers, words, words, words)
def test_what_is_written_is_read(provider: Provider, application: str, version: str, group: str) -> None:
    """Every provider that can be registered is read as it was written, by those of its version and group."""
    flavour = Flavour(version, group)
    node = node_of(STOCK, provider, application, flavour)
    assert "/" not in node
    assert node == node_of(STOCK, provider, application, flavour)
    assert read_nodes(STOCK, [node], flavour).offered == (provider,)
    assert not read_nodes(STOCK, [node], Flavour(version + "x", group)).offered


@given(providers)
def test_a_disabled_node_is_no_offer(provider: Provider) -> None:
    """A provider that leaves is seen as there and disabled, under another name than when it took calls."""
    node = node_of(STOCK, provider, "shop", PLAIN, enabled=False)
    seen = read_nodes(STOCK, [node], PLAIN)
    assert node != node_of(STOCK, provider, "shop", PLAIN)
    assert (seen.offered, seen.disabled) == ((), {(provider.host, provider.port)})


@given(st.lists(st.one_of(st.text(), st.text().map(quote_plus), st.text().map(lambda text: url("h:1", text)))))
def test_no_node_breaks_the_folder(nodes: list[str]) -> None:
    """Whatever the other nodes are called, a good provider among them is told."""
    assert "127.0.0.1:5001" in offered(*nodes, url("127.0.0.1:5001"))


@pytest.mark.parametrize(
    "node",
    [
        "",
        "%",
        "%FF%FE",
        "tri",
        url(""),
        url("127.0.0.1"),
        url("127.0.0.1:"),
        url("127.0.0.1:x"),
        url("127.0.0.1:٣"),
        url("127.0.0.1:0"),
        url("127.0.0.1:65536"),
        url("127.0.0.1:-5"),
        url("127.0.0.1:" + "9" * 5_000),
        url(":5001"),
        url("a b:5001"),
        url("127.0.0.1:5001", protocol="dubbo"),
        url("127.0.0.1:5001", protocol="rest"),
        url("127.0.0.1:5001", protocol="empty"),
        url("127.0.0.1:5001", path="makegood.Orders"),
        url("127.0.0.1:5001", "interface=makegood.Orders"),
        url("127.0.0.1:5001", "category=configurators"),
        url("127.0.0.1:5001", "version=2.0.0"),
        url("127.0.0.1:5001", "group=red"),
        url("127.0.0.1:5001", "enabled=false"),
        url("127.0.0.1:5001", "enabled=FALSE"),
        url("127.0.0.1:5001", "disabled=true"),
    ],
)
def test_other_nodes_are_passed_over(node: str) -> None:
    """What is broken, of another protocol, interface, category, version or group, or disabled, is no offer."""
    assert offered(node) == []


@pytest.mark.parametrize(
    "node",
    [
        url("127.0.0.1:5001"),
        url("127.0.0.1:5001", protocol="grpc"),
        url("user:pass@127.0.0.1:5001"),
        url("127.0.0.1:5001", "interface=makegood.Stock&side=provider&anything=*,&&=&x", path="api/makegood.Stock"),
        url("127.0.0.1:5001", "version=&group="),
        url("127.0.0.1:5001", "enabled=true&disabled=false"),
        "tri%3a%2f%2f127.0.0.1%3a5001%2fmakegood.Stock",
    ],
)
def test_other_writers_are_understood(node: str) -> None:
    """A provider counts in every form in which Dubbo or other programs may write it."""
    assert offered(node) == ["127.0.0.1:5001"]


@pytest.mark.parametrize(
    ("weight", "read"), [("1", 1), ("0", 0), ("-7", 0), ("heavy", 100), ("", 100), ("9" * 30, 10**6)]
)
def test_weights_of_others(weight: str, read: int) -> None:
    """A weight that others wrote is taken into the range that weights have; what is no number is the default."""
    assert read_nodes(STOCK, [url("h:1", f"weight={weight}")], PLAIN).offered == (Provider("h", 1, read),)


def test_a_version_and_a_group_are_read_by_their_own() -> None:
    """Consumers of a version and group are told its providers only."""
    nodes = [url("a:1"), url("b:1", "version=2.0.0"), url("c:1", "group=red"), url("d:1", "group=red&version=2.0.0")]
    assert offered(*nodes) == ["a:1"]
    assert offered(*nodes, flavour=Flavour(version="2.0.0")) == ["b:1"]
    assert offered(*nodes, flavour=Flavour(group="red")) == ["c:1"]
    assert offered(*nodes, flavour=Flavour("2.0.0", "red")) == ["d:1"]


def test_the_order_is_that_of_host_and_port() -> None:
    """However ZooKeeper lists the nodes, providers come by host and port, each once, and no more than the limit."""
    nodes = [url("b:2"), url("a:10"), url("a:9"), url("b:2", "weight=7"), url("a:9", protocol="grpc")]
    assert offered(*nodes) == offered(*reversed(nodes)) == ["a:9", "a:10", "b:2"]
    many = [url(f"a:{port}") for port in range(1, MAX_PROVIDERS + 10)]
    assert offered(*many) == [f"a:{port}" for port in range(1, MAX_PROVIDERS + 1)]


def test_an_address_with_ipv6() -> None:
    """IPv6 addresses are written in brackets, and read with and without."""
    provider = Provider("fe80::1", 5001)
    node = node_of(STOCK, provider, "shop", PLAIN)
    assert quote_plus("tri://[fe80::1]:5001/") in node
    assert offered(node, url("fe80:0:0:0:0:0:0:2:5001")) == ["fe80:0:0:0:0:0:0:2:5001", "fe80::1:5001"]
