"""What there is to buy in a world, and who buys it: little enough that some of it sells out."""

from random import Random
from typing import Any, NamedTuple

from makegood.engine.database.port import Work
from makegood.shop.accounts.contracts import LoadUser
from makegood.shop.accounts.loading import HashedUsers, take_in_users
from makegood.shop.coupons.contracts import LoadCoupon, LoadCoupons
from makegood.shop.coupons.service import Coupons
from makegood.shop.stock.contracts import LoadGood, LoadGoods
from makegood.shop.stock.service import Stock
from makegood.simulation.database import Disk
from makegood.simulation.world import World

PRICES = (100, 250, 990, 5_000, 12_000)
LIMITED, LIMIT = 1, 3
"""The good of which a buyer may have no more than so many pieces."""
COUPON_VALUE, COUPON_MINIMUM = 300, 1_000
DAY = 86_400_000


class Market(NamedTuple):
    """Goods, the buyers with their balances in fen, and their coupons."""

    goods: tuple[LoadGood, ...]
    users: tuple[LoadUser, ...]
    coupons: tuple[LoadCoupon, ...]

    @classmethod
    def of(cls, world: World, orders: int, buyers: int) -> "Market":
        """As the seed says: one SKU is hot, and not all that is wanted is there."""
        chance = Random(f"market {world.seed}")
        goods = tuple(
            LoadGood(
                f"sku-{at}", f"good {at}", price, chance.randint(1, orders // 2 + 1), LIMIT if at == LIMITED else None
            )
            for at, price in enumerate(PRICES)
        )
        users = tuple(LoadUser(f"buyer-{at}", chance.choice((0, 500, 20_000))) for at in range(buyers))
        coupons = tuple(
            LoadCoupon(f"coupon-{user.user}", user.user, COUPON_VALUE, COUPON_MINIMUM, world.now() + DAY)
            for user in users
            if chance.random() < 0.6
        )
        return cls(goods, users, coupons)

    def load(self, world: World, disks: dict[str, Disk]) -> None:
        """Takes it in before anything runs."""
        stock, coupons = Stock(), Coupons()
        _write(world, disks["stock"], lambda tx: stock.load(tx, [LoadGoods(self.goods, apply=True)]))
        _write(world, disks["coupons"], lambda tx: coupons.load(tx, [LoadCoupons(self.coupons, apply=True)]))
        _write(world, disks["accounts"], lambda tx: take_in_users(tx, HashedUsers(self.users, {})))


def _write(world: World, disk: Disk, work: Work[Any]) -> None:
    disk.seen_by(world).transact(work)
