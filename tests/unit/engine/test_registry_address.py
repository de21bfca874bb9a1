"""Where ZooKeeper is, as Dubbo's users write it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from makegood.engine.registry.zookeeper_address import ZookeeperAddress, parse_address


@pytest.mark.parametrize(
    ("address", "meant"),
    [
        ("zookeeper://10.0.0.1", ZookeeperAddress("10.0.0.1:2181")),
        ("zookeeper://10.0.0.1:2191/", ZookeeperAddress("10.0.0.1:2191")),
        (
            "zookeeper://10.0.0.1:2181?backup=10.0.0.2:2182,10.0.0.3",
            ZookeeperAddress("10.0.0.1:2181,10.0.0.2:2182,10.0.0.3:2181"),
        ),
        ("zookeeper://a:1,b:2", ZookeeperAddress("a:1,b:2")),
        ("zookeeper://[::1]:2181?backup=[::2]", ZookeeperAddress("[::1]:2181,[::2]:2181")),
        ("zookeeper://a?group=shop", ZookeeperAddress("a:2181", "/shop")),
        ("zookeeper://a?group=/shop/blue/", ZookeeperAddress("a:2181", "/shop/blue")),
        ("zookeeper://me:s%40cret@a:1", ZookeeperAddress("a:1", credentials="me:s@cret")),
        ("zookeeper://a:1?username=me&password=secret", ZookeeperAddress("a:1", credentials="me:secret")),
        ("zookeeper://a?session=30000&timeout=9&client=curator5", ZookeeperAddress("a:2181", session=30.0)),
    ],
)
def test_addresses(address: str, meant: ZookeeperAddress) -> None:
    """Servers, root folder, credentials and session are taken from it; Dubbo's other parameters mean nothing."""
    assert parse_address(address) == meant


@pytest.mark.parametrize(
    "address",
    [
        "",
        "10.0.0.1:2181",
        "nacos://10.0.0.1:8848",
        "zookeeper://",
        "zookeeper://?backup=",
        "zookeeper://a:x",
        "zookeeper://a:0",
        "zookeeper://a:65536",
        "zookeeper://a:2181?backup=b:1:2",
        "zookeeper://a?backup=b/chroot",
        "zookeeper://a/chroot",
        "zookeeper://[::1",
        "zookeeper://a?group=a//b",
        "zookeeper://a?group=..",
        "zookeeper://a?group=/",
        "zookeeper://a?session=soon",
        "zookeeper://a?session=5",
        "zookeeper://a?session=999999",
    ],
)
def test_what_is_no_address(address: str) -> None:
    """What is no address is refused with the form that is wanted."""
    with pytest.raises(ValueError, match=r"zookeeper://ip:2181\?backup"):
        parse_address(address)


def test_a_refusal_keeps_the_password() -> None:
    """The error about an address does not show its credentials."""
    with pytest.raises(ValueError, match="no address") as refusal:
        parse_address("zookeeper://me:s3cret@a:x?username=me")
    assert "s3cret" not in str(refusal.value)
    with pytest.raises(ValueError, match="no address") as refusal:
        parse_address("zookeeper://a:x?username=me&password=s3cret")
    assert "s3cret" not in str(refusal.value)


@given(st.one_of(st.text(), st.text().map(lambda text: f"zookeeper://{text}")))
def test_any_text_is_understood_or_refused(address: str) -> None:
    """Whatever is configured, it is an address or a ValueError."""
    try:
        servers = parse_address(address).servers
    except ValueError:
        with pytest.raises(ValueError, match="no address of a registry"):
            parse_address(address)
    else:
        assert all(server.rpartition(":")[2].isdecimal() for server in servers.split(","))
