"""What users may say about RocketMQ."""

import pytest

from makegood.engine.broker.rocketmq.settings import RocketmqSettings


def test_lists_as_users_write_them() -> None:
    """Name servers and proxies are lists with semicolons, of addresses or names."""
    settings = RocketmqSettings("10.0.0.1:9876; mq-2.example:9876;", "10.0.0.1:8081;10.0.0.2:8081")
    assert settings.name_servers() == [("10.0.0.1", 9876), ("mq-2.example", 9876)]
    assert settings.proxies() == [("10.0.0.1", 8081), ("10.0.0.2", 8081)]
    assert RocketmqSettings("ip:9876").proxies() == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"name_server": ""},
        {"name_server": "10.0.0.1"},
        {"name_server": "10.0.0.1:0"},
        {"name_server": "10.0.0.1:70000"},
        {"endpoints": "http://10.0.0.1:8081"},
        {"queues": 0},
        {"invisible": 9.0},
        {"request_timeout": 0.0},
        {"publish_timeout": 1.0},
    ],
)
def test_what_cannot_be_is_refused(wrong: dict[str, object]) -> None:
    """A value with which nothing could work is refused with a sentence that says what to write."""
    with pytest.raises(ValueError, match=r":|make"):
        RocketmqSettings(**({"name_server": "ip:9876"} | wrong))  # pyright: ignore[reportArgumentType]
