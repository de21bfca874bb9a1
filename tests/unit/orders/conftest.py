"""What the tests of orders share."""

import pytest

from tests.unit.orders.shop import HASTY, Shop


@pytest.fixture
def shop() -> Shop:
    """A shop with two goods, two users with balance, and two coupons each."""
    return Shop()


@pytest.fixture
def hasty() -> Shop:
    """The same, with little time to decide."""
    return Shop(HASTY)
