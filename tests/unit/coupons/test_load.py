"""Loading coupons: all rows or none."""

import msgspec
import pytest

from makegood.shop.coupons.contracts import LoadCoupon, LoadCoupons
from tests.unit.coupons.wallet import Wallet, coupon


def test_load_again_changes_nothing() -> None:
    """The same load a second time adds nothing, and a coupon that is held stays held."""
    wallet = Wallet(coupon("c1"))
    wallet.use_one(1, "c1")
    loaded = wallet.load(coupon("c1"), coupon("c2"))
    assert (loaded.added, loaded.problems) == (1, ())
    assert wallet.holders() == {"c1": 1}


@pytest.mark.parametrize(
    "other",
    [coupon("c1", "bob"), coupon("c1", value=1), coupon("c1", minimum=1), coupon("c1", valid_until=1)],
)
def test_other_coupon_is_refused(other: LoadCoupon) -> None:
    """A coupon that is there and differs in anything refuses the whole load."""
    wallet = Wallet(coupon("c1"))
    assert wallet.load(coupon("c2"), other).problems == ("coupon c1: it exists and differs; give it another coupon_id",)
    assert wallet.of_user() == ["c1"]


def test_coupon_listed_twice_is_refused() -> None:
    """A coupon in two rows refuses the whole load."""
    wallet = Wallet()
    assert wallet.load(coupon("c1"), coupon("c1")).problems == ("coupon c1: it is listed twice; keep one row",)
    assert wallet.of_user() == []


def test_check_takes_nothing_in() -> None:
    """Without `apply` nothing is written."""
    wallet = Wallet()
    assert wallet.load(coupon("c1"), apply=False).problems == ()
    assert wallet.of_user() == []


@pytest.mark.parametrize(
    "change", [{"coupon_id": ""}, {"user": "a b"}, {"value": 0}, {"minimum": -1}, {"valid_until": 1 << 62}]
)
def test_bad_rows_stop_at_the_door(change: dict[str, object]) -> None:
    """A row outside its bounds is not decoded."""
    row = {"coupon_id": "c", "user": "u", "value": 1, "minimum": 0, "valid_until": 1}
    assert msgspec.convert({"coupons": [row], "apply": True}, LoadCoupons).coupons[0].value == 1
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"coupons": [row | change], "apply": True}, LoadCoupons)
