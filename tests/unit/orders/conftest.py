"""What the tests of orders share."""

import pytest

from tests.unit.orders.shop import Shop


@pytest.fixture
def shop() -> Shop:
    """A shop with two goods, two users with balance, and two coupons each."""
    return Shop()
