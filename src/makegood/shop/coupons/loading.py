"""Takes in a load file's coupons; one that is there stays as it is."""

from collections.abc import Mapping, Sequence

from makegood.engine.database.transaction import Transaction
from makegood.shop.coupons.contracts import LoadCoupon, LoadCoupons, Loaded
from makegood.shop.coupons.tables import COUPONS, FREE, CouponRow


def load_coupons(tx: Transaction, request: LoadCoupons) -> Loaded:
    """Checks every row, and takes in all of them or none."""
    known = tx.lock(COUPONS, [coupon.coupon_id for coupon in request.coupons])
    problems = _problems(request.coupons, known)
    if problems or not request.apply:
        return Loaded(problems=tuple(problems))
    new = [_new(coupon) for coupon in request.coupons if coupon.coupon_id not in known]
    tx.insert(COUPONS, new)
    return Loaded(added=len(new))


def _problems(coupons: Sequence[LoadCoupon], known: Mapping[str, CouponRow]) -> list[str]:
    problems: list[str] = []
    seen: set[str] = set()
    for coupon in coupons:
        there = known.get(coupon.coupon_id)
        if coupon.coupon_id in seen:
            problems.append(f"coupon {coupon.coupon_id}: it is listed twice; keep one row")
        elif there is not None and not _same(coupon, there):
            problems.append(f"coupon {coupon.coupon_id}: it exists and differs; give it another coupon_id")
        seen.add(coupon.coupon_id)
    return problems


def _same(coupon: LoadCoupon, there: CouponRow) -> bool:
    wanted = (coupon.user, coupon.value, coupon.minimum, coupon.valid_until)
    return wanted == (there.user, there.value, there.minimum, there.valid_until)


def _new(coupon: LoadCoupon) -> CouponRow:
    return CouponRow(coupon.coupon_id, coupon.user, coupon.value, coupon.minimum, coupon.valid_until, FREE)
