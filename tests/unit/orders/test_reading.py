"""What orders tells: orders, lists, outcomes."""

import pytest

from makegood.engine.database.transaction import Transaction
from makegood.shop.accounts.contracts import DeductBalance
from makegood.shop.orders.contracts import OUTCOMES, AskOutcomes, OrdersFound, OrdersOfUser, Outcomes
from makegood.shop.orders.steps import SETTLE
from makegood.shop.participant import INQUIRY
from makegood.shop.types import Participant
from tests.unit.orders.shop import OVERDUE, POT, TEA, Shop, wanted


def page(shop: Shop, user: str = "alice", after: int | None = None, limit: int = 100) -> OrdersFound:
    """A page of a user's orders."""
    question = OrdersOfUser(user, after, limit)
    [found] = shop.rooms["orders"].database.read(lambda reader: shop.orders.of_user(reader, [question]))
    return found


def outcomes(shop: Shop, participant: Participant, *order_ids: int) -> Outcomes:
    """What the participant is told of these orders."""
    question = AskOutcomes(participant, order_ids)
    [answer] = shop.rooms["orders"].database.read(lambda reader: shop.orders.outcomes(reader, [question]))
    return answer


async def test_an_order_is_found_by_its_user_and_by_nobody_else(shop: Shop) -> None:
    """With a user only theirs; undecided ones too; an unknown id is None."""
    [opened] = shop.open(wanted(lines=(POT, TEA)))
    assert opened.order is not None
    order_id = opened.order.order_id
    assert shop.find(order_id) == shop.find(order_id, "alice") == opened.order
    assert shop.find(order_id, "bob") is None
    assert shop.find(1) is None


async def test_a_list_is_paged_newest_first_without_undecided_orders(shop: Shop) -> None:
    """Every decided order of the user is on exactly one page, with its lines; refused ones too."""
    mine = [await shop.confirmed(wanted(f"k{number}", lines=(TEA, POT))) for number in range(5)]
    await shop.confirmed(wanted("other", user="bob"))
    refused = await shop.place(wanted("refused", fee=1))
    shop.open(wanted("open"))
    assert refused.order is not None
    expected = [*mine, refused.order][::-1]
    assert page(shop) == OrdersFound(tuple(expected))
    found: list[object] = []
    after: int | None = None
    for _ in range(4):
        one = page(shop, after=after, limit=2)
        found += one.orders
        after = one.next
    assert found == expected
    assert after is None
    assert page(shop, "nobody") == OrdersFound(())


async def test_the_last_page_says_that_it_is_the_last(shop: Shop) -> None:
    """As many orders as the limit: there is no next page."""
    orders = [await shop.confirmed(wanted(f"k{number}")) for number in range(2)]
    assert page(shop, limit=2).next is None
    assert page(shop, limit=1).next == orders[1].order_id


async def test_outcomes_of_orders_that_are_settled(shop: Shop) -> None:
    """Paid and completed keep; refused and cancelled give back; undecided, unpaid and unknown are not told."""
    paid, done = await shop.paid(wanted("paid")), await shop.paid(wanted("done"))
    shop.change("ship", done.order_id)
    shop.change("receive", done.order_id)
    unpaid = await shop.confirmed(wanted("unpaid"))
    [opened] = shop.open(wanted("open"))
    [swept] = shop.open(wanted("mismatch", fee=0))
    assert opened.order is not None
    assert swept.order is not None
    asked = (paid.order_id, done.order_id, unpaid.order_id, opened.order.order_id, swept.order.order_id, 999)
    answer = outcomes(shop, "stock", *asked)
    assert answer == Outcomes(keep=(paid.order_id, done.order_id), give_back=(swept.order.order_id,))


@pytest.mark.parametrize("shipped", [False, True])
@pytest.mark.parametrize("ended", [False, True])
async def test_outcomes_of_refunded_orders_follow_the_refund(shop: Shop, shipped: bool, ended: bool) -> None:
    """Balance always comes back, stock and coupon only if the order had not been shipped."""
    order = await shop.paid(wanted(coupon_id="alice-300", discount=300, balance=100))
    if shipped:
        shop.change("ship", order.order_id)
    shop.change("refund", order.order_id)
    if ended:
        shop.refund(order, 71, order.amount_due, order.amount_due, order.amount_due)
    one = (order.order_id,)
    assert outcomes(shop, "accounts", *one) == Outcomes(give_back=one)
    expected = Outcomes(keep=one) if shipped else Outcomes(give_back=one)
    assert outcomes(shop, "stock", *one) == outcomes(shop, "coupons", *one) == expected


async def test_a_participant_that_heard_nothing_gives_back_by_asking(hasty: Shop) -> None:
    """The event of a cancelled order is lost for good: an hour later stock asks, and puts back."""
    hasty.wires.break_next(SETTLE, *["lost"] * 99)
    await hasty.place(wanted())
    hasty.world.advance(OVERDUE)
    hasty.sweep("orders")
    hasty.events.clear()
    await hasty.stock.inquire()
    assert hasty.on_hand() == 998
    hasty.world.advance(3_600_000)
    await hasty.stock.inquire()
    assert hasty.on_hand() == 1_000


async def test_all_that_is_due_is_asked_about(shop: Shop) -> None:
    """Many orders of one minute are asked about in one go, so that the questions keep up with the orders."""
    ids = range(1, 2 * INQUIRY + 2)
    deadline = shop.world.now() + 1_000

    def deduct(tx: Transaction) -> object:
        return shop.accounts.deduct(tx, [DeductBalance(order_id, "alice", 1, deadline) for order_id in ids])

    shop.rooms["accounts"].transact(deduct)
    shop.world.advance(2 * 3_600_000)
    await shop.accounts.inquire()
    assert shop.rooms["accounts"].database.read(lambda reader: shop.accounts.unheard(reader, [1])) == [()]
    assert shop.wires.called.count(str(OUTCOMES)) == 3
