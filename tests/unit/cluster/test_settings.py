"""What the processes of a cluster must know is checked before anything is started."""

import pytest

from makegood.cluster.settings import ANY, DubboSettings, GatewaySettings, reached_by
from makegood.config import Config, ConfigError

KEY = "A" * 44


def test_where_calls_are_taken() -> None:
    """A given address is both where a process listens and where others find it; without one it listens everywhere."""
    assert DubboSettings("zookeeper://127.0.0.1:2181", "10.0.0.7").addresses() == ("10.0.0.7", "10.0.0.7")
    listens, told = DubboSettings("zookeeper://127.0.0.1:2181").addresses()
    assert listens == ANY
    assert told not in ("", ANY)


@pytest.mark.parametrize("port", [-1, 65_536])
def test_a_port_that_cannot_be_is_refused(port: int) -> None:
    """A port is 0 to 65535."""
    with pytest.raises(ValueError, match="0 to 65535"):
        DubboSettings("zookeeper://127.0.0.1:2181", protocol_port=port)


@pytest.mark.parametrize("url", ["", "shop.example", "ftp://shop.example", "http://"])
def test_the_gateway_needs_an_address(url: str) -> None:
    """What is no HTTP address is refused."""
    with pytest.raises(ValueError, match="http://"):
        GatewaySettings(url)


def test_a_cluster_is_reached_by_its_configuration() -> None:
    """Gateway, sandbox and operators' token come from the file."""
    config = Config(
        {
            "gateway": {"url": "http://127.0.0.1:8000"},
            "sandbox": {"url": "http://127.0.0.1:8001"},
            "web": {"signing-key": KEY, "operators-token": "t" * 20},
        }
    )
    run = reached_by(config)
    assert (run.url, run.sandbox_url, run.operators_token) == (
        "http://127.0.0.1:8000",
        "http://127.0.0.1:8001",
        "t" * 20,
    )


def test_a_cluster_without_gateway_is_refused() -> None:
    """The section that is missing is named."""
    with pytest.raises(ConfigError, match=r"\[gateway\]"):
        reached_by(Config())
