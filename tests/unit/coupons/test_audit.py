"""The audit finds what is broken, and nothing else."""

import pytest

from makegood.shop.coupons import audit as coupons_audit
from tests.unit.coupons.wallet import Wallet, coupon


def _used() -> Wallet:
    wallet = Wallet(*(coupon(f"c{number}") for number in range(1, 6)))
    for order_id, coupon_id in ((1, "c1"), (2, "c2"), (3, "c1"), (4, "c4")):
        wallet.use_one(order_id, coupon_id)
    wallet.cancel(4, 5)
    assert wallet.findings() == []
    assert wallet.holders() == {"c1": 1, "c2": 2}
    return wallet


@pytest.mark.parametrize(
    ("corruption", "subjects"),
    [
        ("UPDATE coupons SET order_id = 0 WHERE coupon_id = 'c1'", ["c1"]),
        ("UPDATE coupons SET order_id = 9 WHERE coupon_id = 'c5'", ["c5"]),
        ("UPDATE coupons SET order_id = 4 WHERE coupon_id = 'c4'", ["c4"]),
        ("UPDATE coupons SET order_id = 1 WHERE coupon_id = 'c3'", ["c3"]),
        ("UPDATE coupons SET order_id = 2 WHERE coupon_id = 'c1'", ["c1", "c1"]),
        ("DELETE FROM coupons WHERE coupon_id = 'c2'", ["c2"]),
        ("UPDATE reservations SET state = 'RETURNED' WHERE order_id = 2", ["c2"]),
        ("DELETE FROM reservations WHERE order_id = 2", ["c2"]),
        ("UPDATE reservations SET state = 'TAKEN' WHERE order_id = 4", ["c4"]),
    ],
)
def test_corruption_is_found(corruption: str, subjects: list[str]) -> None:
    """Each thing that could go wrong with a row is found, on the side of the coupon or of the order or both."""
    wallet = _used()
    wallet.corrupt(corruption)
    assert [finding.subject for finding in wallet.findings()] == subjects


def test_two_holders_are_found() -> None:
    """A coupon that two live orders hold is found, whichever of them it names."""
    wallet = _used()
    wallet.corrupt("""UPDATE reservations SET taken = '{"coupon_id":"c1"}' WHERE order_id = 2""")
    wallet.corrupt("UPDATE coupons SET order_id = 0 WHERE coupon_id = 'c2'")
    [finding] = wallet.findings()
    assert (finding.promise, finding.subject) == ("P2", "c1")
    assert finding.detail == "order 2 holds it, but it is marked as held by order 1"


def test_holders_are_in_order() -> None:
    """What is held comes by order id, from behind where one left off."""
    wallet = Wallet(*(coupon(f"c{9_999 - number}") for number in range(1, 1_500)))
    for start in range(1, 1_500, 250):
        batch = range(start, min(start + 250, 1_500))
        wallet.use(*(wallet.request(number, f"c{9_999 - number}") for number in batch))
    wallet.cancel(2, 1_001)
    expected = [number for number in range(1, 1_500) if number not in (2, 1_001)]
    assert wallet.database.read(lambda reader: list(coupons_audit.held(reader))) == expected
    assert wallet.database.read(lambda reader: list(coupons_audit.held(reader, 1_498))) == [1_499]
