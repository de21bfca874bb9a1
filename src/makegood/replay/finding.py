"""Which baskets the shop has sold already: what an earlier run of the same replay bought is not asked for again."""

from collections.abc import Callable, Iterable, Mapping

import msgspec

from makegood.replay.baskets import user_of
from makegood.replay.client import ShopClient
from makegood.replay.expected import HouseholdExpected, OrderExpected
from makegood.replay.parallel import spread
from makegood.replay.wire import OrderView


class Sold(msgspec.Struct):
    """The baskets that are paid orders, and whether the shop ever cancelled one whose fate a crash left open."""

    baskets: set[int] = msgspec.field(default_factory=set[int])
    cancelled: bool = False


async def find_sold(
    shop: ShopClient,
    households: Mapping[int, HouseholdExpected],
    *,
    concurrency: int,
    on_household: Callable[[], None],
) -> Sold:
    """Looks through every household's orders, `concurrency` households at a time."""
    sold = Sold()

    async def look(household: int) -> None:
        orders = await shop.orders(user_of(household))
        sold.baskets.update(_sold(households[household].orders, orders))
        sold.cancelled = sold.cancelled or any(order.decision == "cancelled" for order in orders)
        on_household()

    await spread(households, look, concurrency)
    return sold


def _sold(expected: Iterable[OrderExpected], orders: Iterable[OrderView]) -> Iterable[int]:
    """Baskets that are alike are known as sold only together: which of them an order is cannot be told."""
    paid: dict[bytes, int] = {}
    for order in orders:
        if order.payment_status == "PAID":
            fingerprint = order.fingerprint()
            paid[fingerprint] = paid.get(fingerprint, 0) + 1
    alike: dict[bytes, list[int]] = {}
    for order in expected:
        alike.setdefault(order.fingerprint, []).append(order.basket)
    return [basket for like, baskets in alike.items() if paid.get(like, 0) >= len(baskets) for basket in baskets]
