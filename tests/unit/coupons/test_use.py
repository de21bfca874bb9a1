"""Using coupons for orders, and freeing them."""

import pytest

from makegood.engine.reservations import SKEW
from tests.unit.coupons.wallet import NOW, PATIENCE, TOMORROW, Wallet, coupon


def test_use_gives_its_value() -> None:
    """A usable coupon is held by the order and gives its value."""
    wallet = Wallet(coupon("c1", value=500), coupon("c2"))
    assert wallet.use_one(1, "c1") == 500
    assert wallet.holders() == {"c1": 1}


def test_discount_is_at_most_the_goods() -> None:
    """A coupon worth more than the goods takes their amount off, and no more."""
    wallet = Wallet(coupon("c1", value=500))
    assert wallet.use_one(1, "c1", goods=499) == 499


@pytest.mark.parametrize(
    ("coupon_id", "user", "goods"),
    [("c1", "bob", 1_000), ("c1", "ann", 999), ("nothing", "ann", 1_000), ("old", "ann", 1_000)],
)
def test_unusable(coupon_id: str, user: str, goods: int) -> None:
    """Another's coupon, one below its minimum, an unknown and an expired one are refused, and so is their quote."""
    wallet = Wallet(coupon("c1", minimum=1_000), coupon("old", valid_until=NOW))
    assert wallet.find(coupon_id, user, goods) == "coupon_unusable"
    assert wallet.use_one(1, coupon_id, user, goods) == "coupon_unusable"
    assert wallet.holders() == {}


def test_minimum_and_validity_are_exact() -> None:
    """The minimum itself is enough; the last moment is the one before `valid_until`."""
    wallet = Wallet(coupon("c1", minimum=1_000), coupon("c2"))
    assert wallet.use_one(1, "c1", goods=1_000) == 500
    wallet.world.advance(TOMORROW - NOW - 1)
    assert wallet.find("c2") == 500
    wallet.world.advance(1)
    assert wallet.find("c2") == "coupon_unusable"


def test_one_coupon_goes_to_the_first_who_asked() -> None:
    """Of the orders in one batch, and of those after it, one holds the coupon."""
    wallet = Wallet(coupon("c1"))
    answers = wallet.use(*(wallet.request(id, "c1") for id in (7, 3, 5)))
    assert [answer.refusal for answer in answers] == ["", "coupon_unusable", "coupon_unusable"]
    assert wallet.use_one(9, "c1") == "coupon_unusable"
    assert wallet.holders() == {"c1": 7}


def test_duplicate_has_the_same_answer() -> None:
    """The same request again, in the same batch or later, holds the coupon once and gives the same discount."""
    wallet = Wallet(coupon("c1"))
    request = wallet.request(1, "c1")
    assert [answer.discount for answer in wallet.use(request, request)] == [500, 500]
    assert wallet.use(request)[0].discount == 500
    assert wallet.holders() == {"c1": 1}


def test_cancel_frees_for_another_order() -> None:
    """A cancelled order's coupon can be used again, with its old validity; its own repeat changes nothing."""
    wallet = Wallet(coupon("c1"))
    request = wallet.request(1, "c1")
    wallet.use(request)
    wallet.cancel(1)
    assert wallet.holders() == {}
    assert wallet.use_one(2, "c1") == 500
    wallet.cancel(1)
    wallet.refund(1)
    wallet.use(request)
    assert wallet.holders() == {"c1": 2}
    wallet.world.advance(TOMORROW - NOW)
    wallet.refund(2)
    assert wallet.use_one(3, "c1") == "coupon_unusable"


def test_cancel_leaves_what_another_order_holds() -> None:
    """Should a coupon be marked as another order's, a cancel does not free it, and the audit still finds it."""
    wallet = Wallet(coupon("c1"))
    wallet.use_one(1, "c1")
    wallet.corrupt("UPDATE coupons SET order_id = 2")
    wallet.cancel(1)
    assert wallet.holders() == {"c1": 2}
    assert [finding.subject for finding in wallet.findings()] == ["c1"]


def test_null_compensation_and_hanging() -> None:
    """A cancel before its order frees nothing, and the order that comes behind it holds nothing."""
    wallet = Wallet(coupon("c1"))
    wallet.use_one(1, "c1")
    wallet.cancel(2)
    assert wallet.use_one(2, "c1") == "cancelled"
    assert wallet.holders() == {"c1": 1}


def test_hanging_past_its_deadline() -> None:
    """A request is served until its deadline plus the clocks' difference, and refused after it."""
    wallet = Wallet(coupon("c1"), coupon("c2"))
    first, second = wallet.request(1, "c1"), wallet.request(2, "c2")
    wallet.world.advance(PATIENCE + SKEW)
    assert wallet.use(first)[0].refusal == ""
    wallet.world.advance(1)
    assert wallet.use(second)[0].refusal == "cancelled"
    assert wallet.holders() == {"c1": 1}
