"""What buyers mean to do: drawn from the seed, and what a shop may agree to."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from makegood.shop.orders.settings import OrdersSettings
from makegood.simulation.market import Market
from makegood.simulation.plans import Plan, Then, plans_of
from tests.unit.simulation.laboratory import make

SETTINGS = OrdersSettings()
BUYERS, ORDERS = 16, 50


def market_of(seed: int) -> Market:
    """What there is to buy in the world of this seed."""
    world = make(seed)
    world.loop.close()
    return Market.of(world, ORDERS, BUYERS)


def plans(seed: int, number: int, count: int = 3) -> list[Plan]:
    """What this buyer means to do."""
    return plans_of(seed, number, count, market_of(seed), SETTINGS)


@given(st.integers(0, 500), st.integers(0, BUYERS - 1))
def test_plans_come_from_the_seed(seed: int, number: int) -> None:
    """The same buyer of the same world means the same; who orders more begins with the same orders."""
    assert plans(seed, number) == plans(seed, number)
    assert plans(seed, number, 5)[:3] == plans(seed, number)


@given(st.integers(0, 500), st.integers(0, BUYERS - 1))
def test_an_order_is_what_the_buyer_sees(seed: int, number: int) -> None:
    """Goods at their price, no SKU twice, an own coupon that is good for them, and sums that are right where fair."""
    market = market_of(seed)
    prices = {good.sku: good.price for good in market.goods}
    coupons = {(one.coupon_id, one.user): one for one in market.coupons}
    keys = set[str]()
    for plan in plans_of(seed, number, 5, market, SETTINGS):
        order = plan.order
        assert order.user == market.users[number].user
        keys.add(order.key)
        assert len({line.sku for line in order.lines}) == len(order.lines) > 0
        assert all(line.unit_price == prices[line.sku] and line.quantity in (1, 2) for line in order.lines)
        goods = sum(line.quantity * line.unit_price for line in order.lines)
        coupon = None if order.coupon_id is None else coupons[order.coupon_id, order.user]
        assert coupon is None or goods >= coupon.minimum
        assert order.shipping_fee == SETTINGS.fee_for(goods)
        due = goods + order.shipping_fee - (coupon.value if coupon else 0) - order.balance
        assert order.amount_due - due == (0 if plan.fair else 1)
        assert 0 <= order.balance <= market.users[number].balance
    assert len(keys) == 5


def test_everything_is_somebodys_plan() -> None:
    """Over some worlds every kind of plan comes up, paying most of all, and every other choice."""
    many = [plan for seed in range(30) for number in range(BUYERS) for plan in plans(seed, number)]
    then = Counter(plan.then for plan in many)
    assert set(then) == set(Then)
    assert then.most_common(1)[0][0] is Then.PAY
    assert {plan.twins for plan in many} == {1, 2, 3}
    for choice in (
        {plan.fair for plan in many},
        {plan.again for plan in many},
        {plan.misuse for plan in many},
        {plan.ship for plan in many},
        {plan.refund is None for plan in many},
        {plan.order.coupon_id is None for plan in many},
        {plan.order.balance == 0 for plan in many},
        {plan.order.amount_due == 0 for plan in many},
    ):
        assert choice == {True, False}
    assert all(plan.wait >= 0 and plan.pause >= 0 and (plan.refund or 0) >= 0 for plan in many)


def test_the_hot_good_is_wanted_most() -> None:
    """More orders want the first good than any other, so that it sells out."""
    wanted = Counter(line.sku for number in range(BUYERS) for plan in plans(1, number) for line in plan.order.lines)
    assert wanted.most_common(1)[0][0] == market_of(1).goods[0].sku


def test_plans_do_not_depend_on_who_else_buys() -> None:
    """A buyer's plans are the same whoever is asked for theirs before: so buyers can be left out."""
    alone = plans(7, 3)
    for number in range(BUYERS):
        plans(7, number)
    assert plans(7, 3) == alone
