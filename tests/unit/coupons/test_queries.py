"""Looking at coupons and at reservations."""

from makegood.shop.coupons.contracts import MAX_LOAD, MAX_OF_USER
from makegood.shop.reservation_contracts import ReservationFound, ReservationOf
from tests.unit.coupons.wallet import NOW, TOMORROW, Wallet, coupon


def test_coupons_of_a_user() -> None:
    """A user sees what they can use now: not others', not used, not expired; what is freed is back."""
    wallet = Wallet(coupon("c3"), coupon("c1"), coupon("c2", "bob"), coupon("c4", valid_until=NOW), coupon("c5"))
    wallet.use_one(1, "c3")
    assert wallet.of_user() == ["c1", "c5"]
    wallet.cancel(1)
    assert wallet.of_user() == ["c1", "c3", "c5"]
    wallet.world.advance(TOMORROW - NOW)
    assert wallet.of_user() == []


def test_coupons_behind_many_expired_ones() -> None:
    """Usable coupons are found past more than a page of expired ones, and at most 1,000 are given."""
    expired = [coupon(f"a{number:05}", valid_until=NOW) for number in range(MAX_OF_USER + 500)]
    usable = [coupon(f"b{number:05}") for number in range(MAX_OF_USER + 5)]
    wallet = Wallet(*expired, *usable)
    assert len(expired + usable) <= MAX_LOAD
    assert wallet.of_user() == [one.coupon_id for one in usable[:MAX_OF_USER]]


def test_used_coupons_are_not_read_again() -> None:
    """A user's free coupons come from an index that passes by all the used ones."""
    wallet = Wallet(coupon("c1"))
    statement = "SELECT * FROM coupons WHERE user = 'ann' AND order_id = 0 ORDER BY coupon_id LIMIT 9"
    [(*_, plan)] = wallet.database.connection.execute(f"EXPLAIN QUERY PLAN {statement}")
    assert "USING INDEX ix_coupons_user_order_id (user=? AND order_id=?)" in str(plan)


def test_quote_takes_nothing() -> None:
    """Asking what a coupon is worth leaves it free; one that is held is worth nothing to others."""
    wallet = Wallet(coupon("c1"))
    assert wallet.find("c1", goods=300) == 300
    assert wallet.use_one(1, "c1") == 500
    assert wallet.find("c1") == "coupon_unusable"


def test_reservation_of_an_order() -> None:
    """The timeline sees which coupon an order holds and what it gave; of an unknown order it sees nothing."""
    wallet = Wallet(coupon("c1"))
    wallet.use_one(1, "c1")
    requests = [ReservationOf(1), ReservationOf(2)]
    held, unknown = wallet.database.read(lambda reader: wallet.coupons.reservation(reader, requests))
    assert (held.state, held.taken) == ("TAKEN", '{"coupon_id":"c1"}')
    assert held.answer == '{"refusal":"","discount":500}'
    assert unknown == ReservationFound()
