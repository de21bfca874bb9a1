"""A desk of its own for each test."""

import pytest

from tests.unit.payments.desk import Desk


@pytest.fixture
def desk() -> Desk:
    """Payments in memory with one order that may be paid."""
    desk = Desk()
    desk.add_order()
    return desk
