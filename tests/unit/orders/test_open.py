"""Opening an order: one for each key, and the sums that orders checks itself."""

from hypothesis import given
from hypothesis import strategies as st

from makegood.shop.orders.contracts import CANCELLED, CONFIRMED
from makegood.shop.orders.steps import Open
from makegood.shop.orders.tables import LINES, ORDERS
from makegood.shop.types import Line
from tests.unit.orders.shop import PATIENT, POT, TEA, Shop, wanted, whys


def test_an_order_is_opened_with_its_deadline_and_is_to_be_driven(shop: Shop) -> None:
    """A new key gives an OPEN order, to be decided within the time that is set, by who opened it."""
    [opened] = shop.open(wanted(lines=(TEA, POT), balance=100))
    assert opened.drive
    assert opened.deadline == shop.world.now() + 4_000
    order = opened.order
    assert order is not None
    assert (order.status, order.payment_status, order.shipping_status) == ("OPEN", "UNPAID", "UNSHIPPED")
    assert (order.goods_amount, order.shipping_fee, order.balance, order.amount_due) == (7_000, 600, 100, 7_500)
    assert (order.decision, order.discount, order.lines) == ("", 0, (TEA, POT))
    assert order.pay_by == shop.world.now() + 900_000
    assert whys(order) == ["placed"]
    assert shop.order(order.order_id) == order
    assert not shop.events


def test_a_repeat_finds_the_order_and_does_not_drive_it(shop: Shop) -> None:
    """The same key and body give the same order, which the repeat must not drive."""
    [first] = shop.open(wanted())
    [second] = shop.open(wanted())
    assert second.order == first.order
    assert second.deadline == first.deadline
    assert not second.drive


def test_another_body_under_the_same_key_is_no_order(shop: Shop) -> None:
    """Any difference in what the buyer said makes the key reused."""
    shop.open(wanted())
    others = (
        wanted(lines=(POT,)),
        wanted(lines=(Line("tea", 3, 1_000),)),
        wanted(balance=1),
        wanted(coupon_id="alice-300", discount=300),
        wanted(fee=0),
        wanted(due=1),
    )
    assert [opened.order for opened in shop.open(*others)] == [None] * len(others)


def test_a_key_belongs_to_its_user(shop: Shop) -> None:
    """Two users may use the same key."""
    [first, second] = shop.open(wanted(user="alice"), wanted(user="bob"))
    assert first.drive
    assert second.drive
    assert first.order != second.order


def test_of_equal_keys_in_one_batch_the_first_wins(shop: Shop) -> None:
    """In one batch the first request of a key opens the order; the same again repeats it, another body is refused."""
    first, again, other = shop.open(wanted(), wanted(), wanted(balance=5))
    assert first.drive
    assert again.order == first.order
    assert not again.drive
    assert other.order is None
    assert shop.order_rows() == 1


def test_a_batch_that_runs_again_drives_what_it_opened(shop: Shop) -> None:
    """After a commit nobody answered the same batch finds its orders and drives them, and no repeat of them."""
    repeats = [wanted("k0"), wanted("theirs")]
    shop.open(wanted("theirs"))
    batch = [Open(wanted(f"k{number}")) for number in range(3)] + [Open(one) for one in repeats]
    first, again = shop.run_open(batch), shop.run_open(batch)
    assert [one.order for one in again] == [one.order for one in first]
    assert [one.drive for one in first] == [one.drive for one in again] == [True, True, True, False, False]
    assert shop.order_rows() == 4


def test_wrong_sums_are_refused_at_once_and_use_up_the_key(shop: Shop) -> None:
    """A fee, a total or a balance that is not right cancels the order before anybody is asked, and says nothing."""
    wrong = {
        "fee": wanted("fee", fee=0),
        "fee not due": wanted("free", lines=(POT, POT), fee=600),
        "due": wanted("due", due=2_599),
        "balance beyond what is due": wanted("balance", balance=2_601, due=0),
        "coupon worth more than the goods": wanted("coupon", coupon_id="alice-300", due=599),
        "coupon that costs": wanted("costs", coupon_id="alice-300", due=2_601),
    }
    for opened in shop.open(*wrong.values()):
        assert opened.order is not None
        assert not opened.drive
        assert (opened.order.status, opened.order.decision) == ("CANCELLED", "amount_mismatch")
        assert whys(opened.order) == ["placed", "amount_mismatch"]
    assert not shop.events
    shop.world.advance(10_000_000)
    assert shop.sweep("orders") == 0


@given(
    goods=st.integers(1, 20_000),
    balance=st.integers(0, 21_000),
    fee=st.sampled_from([0, 600]),
    due=st.integers(0, 21_000),
    honest=st.booleans(),
)
def test_only_exact_sums_are_opened(goods: int, balance: int, fee: int, due: int, honest: bool) -> None:
    """Without a coupon an order is OPEN if and only if the fee follows the rule and goods + fee - balance is due."""
    rule = 0 if goods >= 9_900 else 600
    if honest:
        fee, balance, due = rule, min(balance, goods + rule), goods + rule - min(balance, goods + rule)
    [opened] = Shop().open(wanted(lines=(Line("tea", 1, goods),), balance=balance, fee=fee, due=due))
    assert opened.order is not None
    right = fee == rule and goods + fee - balance == due
    assert (opened.order.status == "OPEN") == right == opened.drive


def test_the_largest_order_fits(shop: Shop) -> None:
    """500 lines of the largest quantity and price are stored without loss."""
    lines = tuple(Line(f"sku-{at}", 1_000_000, 10_000_000_000) for at in range(500))
    [opened] = shop.open(wanted(lines=lines))
    assert opened.drive
    assert opened.order is not None
    assert shop.order(opened.order.order_id).lines == lines
    assert opened.order.amount_due == 5 * 10**18


def test_an_order_costs_one_row_and_one_for_each_line(shop: Shop) -> None:
    """Opening writes nothing but the order and its lines."""
    shop.open(wanted(lines=(TEA, POT)))
    tables = [name for name in shop.orders.schema.tables if shop.rows("orders", name)]
    assert sorted(tables) == [LINES.name, ORDERS.name]
    assert shop.rows("orders", LINES.name) == 2


def test_equal_sums_and_no_events_before_settling(shop: Shop) -> None:
    """Nothing is said about an order before it is decided."""
    shop.open(wanted())
    assert shop.said(CONFIRMED) == shop.said(CANCELLED) == []
    assert PATIENT.fee_for(9_900) == 0
    assert PATIENT.fee_for(9_899) == 600
