"""The catalogue is exactly what the orders will use up."""

from makegood.replay.catalogue import ROWS, documents
from makegood.replay.expected import expect

from .rows import RULE, orders_of, row

ALL = [row(1, sales=1_000, coupon=100), row(2, quantity=3, sales=100, at=1), row(3, household=2, at=2)]


def test_stock_balance_and_coupons_are_exact() -> None:
    """Loaded stock, balance and coupons are the sums over the orders, and coupons name their holder."""
    goods, users, coupons = documents(expect(ALL, RULE), {7: "TEA, 1 LB"})
    assert [(good.sku, good.title, good.price, good.stock) for good in goods.goods] == [
        ("cj-7-1000", "TEA, 1 LB", 1_000, 1),
        ("cj-7x3-100", "TEA, 1 LB ×3", 100, 1),
        ("cj-7-100", "TEA, 1 LB", 100, 1),
    ]
    assert [(user.user, user.balance) for user in users.users] == [("household-1", 200), ("household-2", 20)]
    assert [(one.coupon_id, one.user, one.value) for one in coupons.coupons] == [("cj-1", "household-1", 100)]
    assert sum(user.balance for user in users.users) == sum(order.balance for order in orders_of(ALL))


def test_documents_are_the_same_each_time() -> None:
    """A repeated replay loads the very same."""
    expected = expect(ALL, RULE)
    assert list(documents(expected, {})) == list(documents(expected, {}))


def test_documents_are_bounded() -> None:
    """No document has more rows than its limit, none is empty, and users come before coupons."""
    rows = [row(n, sales=n, household=n, coupon=1, at=n) for n in range(1, ROWS + 2)]
    sent = list(documents(expect(rows, RULE), {}))
    assert [len(one.goods) for one in sent if one.goods] == [ROWS, 1]
    assert [len(one.users) for one in sent if one.users] == [ROWS, 1]
    assert sum(one.rows for one in sent) == 3 * (ROWS + 1)
    kinds = ["goods" if one.goods else "users" if one.users else "coupons" for one in sent]
    assert kinds == sorted(kinds, key=["goods", "users", "coupons"].index)
