"""Settings that cannot work are refused."""

import math
from typing import Any

import pytest

from makegood.shop.payments.settings import PaymentsSettings


@pytest.mark.parametrize(
    "wrong",
    [
        {"notify_base": "shop.example"},
        {"notify_base": "https://"},
        {"notify_base": "ftp://shop.example"},
        {"notify_timeout": 5.0},
        {"notify_timeout": math.nan},
        {"first_ask": 0.0},
        {"longest_ask": 0.0},
        {"give_up_asking": -1.0},
        {"give_up_refunding": math.inf},
        {"keep_notifications": 86_400.0},
        {"refusals_per_minute": -1},
    ],
)
def test_what_cannot_work_is_refused(wrong: dict[str, Any]) -> None:
    """Each says which setting, and what to make it."""
    settings: dict[str, Any] = {"notify_base": "https://shop.example", **wrong}
    with pytest.raises(ValueError, match=rf"{next(iter(wrong))}.*(make it|give an address)"):
        PaymentsSettings(**settings)


def test_the_address_of_a_channel() -> None:
    """The platform calls back below the base, whether that ends with a slash or not."""
    for base in ("https://shop.example", "https://shop.example/"):
        assert PaymentsSettings(base).notify_url("alipay") == "https://shop.example/api/payments/notify/alipay"
