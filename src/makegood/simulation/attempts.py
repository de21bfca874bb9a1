"""What buyers asked for, and what they were answered."""

from typing import NamedTuple

from makegood.shop.orders.contracts import Placed, PlaceOrder


class Attempt(NamedTuple):
    """One request to place an order, from `began` to `ended` (seconds): its answer, or None when there was none.

    `fair`: the sums of the order are the shop's own.
    """

    order: PlaceOrder
    fair: bool
    began: float
    ended: float
    answer: Placed | None
