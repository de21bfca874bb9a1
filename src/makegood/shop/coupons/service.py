"""The rules of coupons."""

from collections.abc import Mapping, Sequence

from makegood.engine.database.transaction import Reader, Transaction
from makegood.engine.service import operation, query
from makegood.shop.coupons import contracts
from makegood.shop.coupons.loading import load_coupons
from makegood.shop.coupons.tables import COUPONS, FREE, RESERVATIONS, SCHEMA, CouponRow, Taken
from makegood.shop.participant import Participant
from makegood.shop.reservation_contracts import ReservationFound, ReservationOf
from makegood.shop.reservation_query import find_reservations

PAGES = 10
"""How many thousands of a user's unused coupons, expired ones included, are looked through."""


class Coupons(Participant[Taken, contracts.CouponUsed]):
    """Who may use which coupon; each is held by at most one order."""

    name = "coupons"
    schema = SCHEMA
    participant = "coupons"
    reservations = RESERVATIONS

    @operation(contracts.USE)
    def use(self, tx: Transaction, requests: Sequence[contracts.UseCoupon]) -> list[contracts.CouponUsed]:
        """Has each order hold its coupon, if its user may use it now."""
        taking = self.reservations.begin(tx, requests)
        coupons = tx.lock(COUPONS, [request.coupon_id for request in taking])
        held: list[CouponRow] = []
        for request in taking:
            answer = _worth(coupons.get(request.coupon_id), request, tx.now)
            if answer.refusal:
                taking.refuse(request, answer.refusal)
            else:
                coupon = coupons[request.coupon_id]
                coupon.order_id = request.order_id
                held.append(coupon)
                taking.accept(request, Taken(coupon.coupon_id), answer)
        tx.update(COUPONS, held)
        return taking.answers()

    def put_back(self, tx: Transaction, returned: Mapping[int, Taken]) -> None:
        """Frees each coupon that the order still holds; its validity stays what it was."""
        coupons = tx.lock(COUPONS, [taken.coupon_id for taken in returned.values()])
        freed: list[CouponRow] = []
        for order_id, taken in returned.items():
            coupon = coupons[taken.coupon_id]
            if coupon.order_id == order_id:
                coupon.order_id = FREE
                freed.append(coupon)
        tx.update(COUPONS, freed)

    @query(contracts.OF_USER)
    def of_user(self, reader: Reader, requests: Sequence[contracts.CouponsOfUser]) -> list[contracts.Coupons]:
        """The coupons a user can use now."""
        return [contracts.Coupons(tuple(_usable_coupons(reader, request.user))) for request in requests]

    @query(contracts.FIND)
    def find(self, reader: Reader, requests: Sequence[contracts.FindCoupon]) -> list[contracts.CouponUsed]:
        """What a coupon would be worth."""
        coupons = reader.select(COUPONS, [request.coupon_id for request in requests])
        return [_worth(coupons.get(request.coupon_id), request, reader.now) for request in requests]

    @operation(contracts.LOAD, limit=1)
    def load(self, tx: Transaction, requests: Sequence[contracts.LoadCoupons]) -> list[contracts.Loaded]:
        """Checks a load file's coupons, and takes them in if asked to."""
        return [load_coupons(tx, request) for request in requests]

    @query(contracts.RESERVATION)
    def reservation(self, reader: Reader, requests: Sequence[ReservationOf]) -> list[ReservationFound]:
        """What an order holds, or held."""
        return find_reservations(self.reservations, reader, requests)


def _worth(
    coupon: CouponRow | None, request: contracts.UseCoupon | contracts.FindCoupon, now: int
) -> contracts.CouponUsed:
    """The discount, or the refusal, of a coupon for this user and goods amount."""
    if (
        coupon is None
        or coupon.order_id != FREE
        or coupon.user != request.user
        or now >= coupon.valid_until
        or request.goods_amount < coupon.minimum
    ):
        return contracts.CouponUsed(refusal="coupon_unusable")
    return contracts.CouponUsed(discount=min(coupon.value, request.goods_amount))


def _usable_coupons(reader: Reader, user: str) -> list[contracts.Coupon]:
    usable: list[contracts.Coupon] = []
    after: str | None = None
    for _ in range(PAGES):
        where = {"user": user, "order_id": FREE}
        rows = reader.page(COUPONS, where=where, after=after, limit=contracts.MAX_OF_USER)
        usable.extend(_coupon(row) for row in rows if reader.now < row.valid_until)
        if len(rows) < contracts.MAX_OF_USER or len(usable) >= contracts.MAX_OF_USER:
            break
        after = rows[-1].coupon_id
    return usable[: contracts.MAX_OF_USER]


def _coupon(row: CouponRow) -> contracts.Coupon:
    return contracts.Coupon(row.coupon_id, row.user, row.value, row.minimum, row.valid_until)
