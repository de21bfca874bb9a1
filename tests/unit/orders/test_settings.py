"""Settings that cannot work are refused."""

import math

import pytest

from makegood.shop.orders.settings import OrdersSettings
from makegood.shop.types import MAX_FEN


@pytest.mark.parametrize(
    "wrong",
    [
        {"shipping_fee": -1},
        {"free_from": -1},
        {"attempt_timeout": 5.0},
        {"attempt_timeout": 0.0},
        {"decide_within": 1.0},
        {"pay_within": 0.0},
        {"pay_within": 4.0},
        {"pay_within": 16 * 86_400.0},
        {"pay_within": math.nan},
        {"decide_within": math.inf},
        {"cancel_wait": 0.0},
        {"cancel_wait": math.nan},
        {"cancel_wait": math.inf},
        {"shipping_fee": MAX_FEN + 1},
    ],
)
def test_what_cannot_work_is_refused(wrong: dict[str, float]) -> None:
    """Each says which setting, and what to make it."""
    with pytest.raises(ValueError, match=r"make|must"):
        OrdersSettings(**wrong)  # pyright: ignore[reportArgumentType]


def test_the_defaults_are_the_documented_ones() -> None:
    """5 s to decide, 15 minutes to pay, 6 yuan of shipping below 99 yuan."""
    settings = OrdersSettings()
    assert (settings.decide_within, settings.pay_within) == (5.0, 900.0)
    assert (settings.fee_for(9_899), settings.fee_for(9_900)) == (600, 0)
