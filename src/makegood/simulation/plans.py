"""What a buyer means to do, drawn from the seed before anything happens, so that no fault changes it."""

from enum import StrEnum
from random import Random
from typing import NamedTuple

from makegood.shop.coupons.contracts import LoadCoupon
from makegood.shop.orders.contracts import PlaceOrder
from makegood.shop.orders.settings import OrdersSettings
from makegood.shop.types import Line
from makegood.simulation.market import Market


class Then(StrEnum):
    """What the buyer does with a confirmed order."""

    PAY = "pays"
    PAY_AND_CANCEL = "pays and cancels at the same moment"
    PAY_TWICE = "pays through two channels at the same moment"
    CANCEL = "cancels"
    CANCEL_THEN_PAY = "opens a payment, cancels, and pays it all the same"
    PAY_LATE = "opens a payment and pays it when the time for it is over"
    FORGET = "forgets it"


LIKELY = {
    Then.PAY: 10,
    Then.PAY_AND_CANCEL: 3,
    Then.PAY_TWICE: 3,
    Then.CANCEL: 2,
    Then.CANCEL_THEN_PAY: 2,
    Then.PAY_LATE: 1,
    Then.FORGET: 1,
}


RIVALS = 0.3
"""How often a buyer places two orders at once."""
WRONG = 0.05
"""How often an order's sums are not the shop's."""


class Plan(NamedTuple):
    """One order: times in seconds. `fair`: its sums are the shop's own. `rival`: placed at the same moment, for the
    same coupon and all of the balance, but other goods.

    `twins`: how many times it is sent at once. `again`: whether it is sent again when the answer is there.
    `misuse`: whether the key is used for another body, too. `refund`: after this long a paid order is to be refunded,
    with `ship` at the moment when it leaves the shop, with `part` when operators refund a part of it.
    """

    order: PlaceOrder
    fair: bool
    rival: PlaceOrder | None
    wait: float
    twins: int
    again: bool
    misuse: bool
    then: Then
    pause: float
    refund: float | None
    ship: bool
    part: bool


def plans_of(seed: int, number: int, count: int, market: Market, settings: OrdersSettings) -> list[Plan]:
    """The orders of the buyer with this number."""
    chance = Random(f"buyer {number} {seed}")
    return [_plan(chance, number, at, market, settings) for at in range(count)]


def _plan(chance: Random, number: int, at: int, market: Market, settings: OrdersSettings) -> Plan:
    lines = _lines(chance, market)
    coupon = _coupon(chance, number, market)
    order, fair = _order(chance, number, f"key-{number}-{at}", lines, coupon, market, settings)
    rival, _ = _order(
        chance, number, f"key-{number}-{at}0", _lines(chance, market), coupon, market, settings, fair=True
    )
    return Plan(
        order=order,
        fair=fair,
        rival=rival if chance.random() < RIVALS else None,
        wait=chance.expovariate(1.0),
        twins=chance.choice((1, 1, 1, 1, 2, 3)),
        again=chance.random() < 0.2,
        misuse=chance.random() < 0.1,
        then=chance.choices(list(LIKELY), list(LIKELY.values()))[0],
        pause=chance.choice((0.0, 0.01, 0.2, 2.0)),
        refund=chance.choice((None, None, 0.0, 0.5, 5.0)),
        ship=chance.random() < 0.3,
        part=chance.random() < 0.3,
    )


def _coupon(chance: Random, number: int, market: Market) -> LoadCoupon | None:
    user = market.users[number].user
    return next((one for one in market.coupons if one.user == user and chance.random() < 0.7), None)


def _order(
    chance: Random,
    number: int,
    key: str,
    lines: tuple[Line, ...],
    coupon: LoadCoupon | None,
    market: Market,
    settings: OrdersSettings,
    *,
    fair: bool = False,
) -> tuple[PlaceOrder, bool]:
    """The order, and whether its sums are right; they are when it has to be fair."""
    user = market.users[number]
    goods_amount = sum(line.quantity * line.unit_price for line in lines)
    if coupon is not None and goods_amount < coupon.minimum:
        coupon = None
    fee = settings.fee_for(goods_amount)
    due = goods_amount + fee - (coupon.value if coupon else 0)
    balance = min(due, user.balance if fair else chance.choice((0, user.balance // 2, user.balance)))
    wrong = 1 if not fair and chance.random() < WRONG else 0  # an amount that the shop does not agree to
    coupon_id = coupon.coupon_id if coupon else None
    return PlaceOrder(user.user, key, lines, coupon_id, balance, fee, due - balance + wrong), not wrong


def _lines(chance: Random, market: Market) -> tuple[Line, ...]:
    hot = market.goods[0]
    others = chance.sample(market.goods[1:], chance.choice((0, 1, 1, 2)))
    chosen = [hot, *others] if not others or chance.random() < 0.5 else others
    return tuple(Line(good.sku, chance.choice((1, 1, 2)), good.price) for good in chosen)
