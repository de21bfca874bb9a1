"""A coupon service over a database in memory, called as plain functions."""

from makegood.shop.audit_types import Finding
from makegood.shop.coupons import contracts
from makegood.shop.coupons.audit import audit
from makegood.shop.coupons.service import Coupons
from makegood.shop.coupons.tables import COUPONS, FREE, SCHEMA
from makegood.shop.orders import contracts as orders
from tests.support.memory import MemoryDatabase
from tests.support.world import ManualWorld

PATIENCE = 5_000
"""Milliseconds in which an order is decided."""
NOW = 1_700_000_000_000
TOMORROW = NOW + 86_400_000


def coupon(
    coupon_id: str, user: str = "ann", *, value: int = 500, minimum: int = 0, valid_until: int = TOMORROW
) -> contracts.LoadCoupon:
    """A row of a load file."""
    return contracts.LoadCoupon(coupon_id, user, value, minimum, valid_until)


class Wallet:
    """The service, its world, and what a test asks of them."""

    def __init__(self, *coupons: contracts.LoadCoupon) -> None:
        self.world = ManualWorld(NOW)
        self.database = MemoryDatabase(SCHEMA, self.world)
        self.coupons = Coupons()
        if coupons:
            assert self.load(*coupons).problems == ()

    def load(self, *coupons: contracts.LoadCoupon, apply: bool = True) -> contracts.Loaded:
        """What came of a load."""
        [loaded] = self.database.write(lambda tx: self.coupons.load(tx, [contracts.LoadCoupons(coupons, apply)]))
        return loaded

    def request(
        self, order_id: int, coupon_id: str, user: str = "ann", goods: int = 10_000, deadline: int | None = None
    ) -> contracts.UseCoupon:
        """An order over `goods` fen that is to be decided by `deadline` (ms UTC), in five seconds if not given."""
        return contracts.UseCoupon(order_id, user, coupon_id, goods, deadline or self.world.now() + PATIENCE)

    def use(self, *requests: contracts.UseCoupon) -> list[contracts.CouponUsed]:
        """The answers to one batch."""
        return self.database.write(lambda tx: self.coupons.use(tx, requests))

    def use_one(self, order_id: int, coupon_id: str, user: str = "ann", goods: int = 10_000) -> int | str:
        """The discount of one order, or its refusal."""
        [answer] = self.use(self.request(order_id, coupon_id, user, goods))
        return answer.refusal or answer.discount

    def find(self, coupon_id: str, user: str = "ann", goods: int = 10_000) -> int | str:
        """What a coupon would be worth, or why nothing."""
        requests = [contracts.FindCoupon(user, coupon_id, goods)]
        [answer] = self.database.read(lambda reader: self.coupons.find(reader, requests))
        return answer.refusal or answer.discount

    def of_user(self, user: str = "ann") -> list[str]:
        """The coupons a user can use now."""
        requests = [contracts.CouponsOfUser(user)]
        [answer] = self.database.read(lambda reader: self.coupons.of_user(reader, requests))
        return [one.coupon_id for one in answer.coupons]

    def cancel(self, *order_ids: int) -> None:
        """Hears that orders were cancelled."""
        told = [orders.Cancelled(id, "ann", "asked", ("coupons",)) for id in order_ids]
        self.database.write(lambda tx: self.coupons.restore(tx, told))

    def refund(self, *order_ids: int) -> None:
        """Hears that orders are refunded."""
        told = [orders.RefundRequested(id, "ann", None, ("coupons",), "asked") for id in order_ids]
        self.database.write(lambda tx: self.coupons.restore_refunded(tx, told))

    def holders(self) -> dict[str, int]:
        """Which order holds which coupon."""
        rows = self.database.read(lambda reader: reader.page(COUPONS, limit=1_000))
        return {row.coupon_id: row.order_id for row in rows if row.order_id != FREE}

    def findings(self) -> list[Finding]:
        """What the audit finds."""
        return [finding for checked in self.database.read(audit) for finding in checked.findings]

    def corrupt(self, statement: str) -> None:
        """Does to the database what no code of the service would."""
        self.database.connection.execute(statement)
