"""A shop in memory behind the web's port: the same answers as the services give, out of plain dicts."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec

from makegood.engine.contracts import Operation
from makegood.engine.dead_letters import DeadLetter, Looked
from makegood.engine.deadline import Deadline
from makegood.engine.errors import DeadlineExceeded, ServiceUnavailable
from makegood.shop.accounts import contracts as accounts
from makegood.shop.coupons import contracts as coupons
from makegood.shop.points import contracts as points
from makegood.shop.stock import contracts as stock
from makegood.web.port import (
    AuditReport,
    DeadLetters,
    FunctionFigures,
    GroupFigures,
    PromiseChecked,
    ServiceFigures,
    Traces,
)
from tests.support.world import ManualWorld
from tests.unit.web.peer_orders import OrderBook

Q = TypeVar("Q")
A = TypeVar("A")


class PeerShop:
    """Implements `Shop`. `failing` names operations that raise, `slow` those that take so many seconds."""

    def __init__(self) -> None:
        self.world = ManualWorld()
        self.goods: dict[str, stock.Good] = {}
        self.loaded: dict[str, int] = {}
        self.passwords: dict[str, str | None] = {}
        self.balances: dict[str, int] = {}
        self.coupons: dict[str, coupons.Coupon] = {}
        self.failing: dict[str, Exception] = {}
        self.slow: dict[str, float] = {}
        self.letters: dict[str, DeadLetter] = {}
        self.replayed: list[str] = []
        self.stubborn: set[str] = set()
        """Letters that fail again; the others take effect when they are replayed."""
        self.found = Traces((), (), {"orders: opened": ("journal", "stock")})
        self.broken = 0
        self.trouble: str | None = None
        self.book = OrderBook(self)
        self._answers: dict[str, Callable[[Any], Any]] = {
            str(stock.GOODS): self._goods_page,
            str(stock.FIND): self._find_goods,
            str(stock.LOAD): self._load_goods,
            str(accounts.FIND): self._account,
            str(accounts.SIGN_IN): self._sign_in,
            str(accounts.LOAD): self._load_users,
            str(coupons.OF_USER): self._coupons_of,
            str(coupons.LOAD): self._load_coupons,
            str(points.OF_USER): lambda request: points.Points(request.user, self.book.points(request.user)),
            **self.book.answers(),
        }

    def now(self) -> int:
        """The manual world's time."""
        return self.world.now()

    async def call(self, operation: Operation[Q, A], request: Q, deadline: Deadline) -> A:
        """The answer, after a round through JSON as between processes."""
        name = str(operation)
        if name in self.failing:
            raise self.failing[name]
        if name not in self._answers:
            raise ServiceUnavailable(f"nobody answers {name}")
        # Requests of contracts are plain data: what does not survive a round trip would not survive RPC.
        request = msgspec.msgpack.decode(msgspec.msgpack.encode(request), type=operation.request)
        try:
            async with asyncio.timeout_at(deadline.at):
                await asyncio.sleep(self.slow.get(name, 0.0))
        except TimeoutError as error:
            raise DeadlineExceeded(f"{name} did not answer in time") from error
        return self._answers[name](request)

    def ready(self) -> str | None:
        """What the test says."""
        return self.trouble

    async def dead_letters(
        self, after: str | None, limit: int, service: str | None = None, group: str | None = None
    ) -> DeadLetters:
        """By id; ids of the peer begin with `letter`."""
        self._refuse_foreign([after or "letter"])
        wanted = [one for one in self.letters.values() if service in (None, one.service) and group in (None, one.group)]
        ids = sorted(one.id for one in wanted if one.id > (after or ""))
        page = tuple(self.letters[id] for id in ids[:limit])
        return DeadLetters(page, page[-1].id if len(ids) > limit else None)

    async def replay_dead_letters(self, ids: Sequence[str]) -> list[bool]:
        """At once: a letter takes effect and is gone, unless it is stubborn."""
        self._refuse_foreign(ids)
        there = [id in self.letters for id in ids]
        for id in ids:
            if id in self.letters:
                self.replayed.append(id)
                if id not in self.stubborn:
                    del self.letters[id]
        return there

    async def look_at_dead_letters(self, ids: Sequence[str]) -> list[Looked]:
        """Those that are there have failed."""
        self._refuse_foreign(ids)
        return [Looked("failed", self.letters[id]) if id in self.letters else Looked("gone") for id in ids]

    async def traces(self, keys: Sequence[str]) -> Traces:
        """What the test says."""
        if "traces" in self.failing:
            raise self.failing["traces"]
        assert all(key.isdigit() for key in keys)
        return self.found

    def _refuse_foreign(self, ids: Sequence[str]) -> None:
        for id in ids:
            if not id.startswith("letter"):
                raise ValueError(f"{id} is no id")

    async def audit(self) -> AuditReport:
        """One promise, broken as often as the test says."""
        await asyncio.sleep(self.slow.get("audit", 0.0))
        examples = tuple(f"tea {number}" for number in range(self.broken))
        promise = PromiseChecked("P1", "stock is never below zero", len(self.goods), self.broken, examples)
        return AuditReport(self.now(), (promise,))

    def services(self) -> list[ServiceFigures]:
        """Of one service."""
        opening = FunctionFigures("Open", 2, 15, 0, 1, 4, 0.5, 3)
        return [
            ServiceFigures(
                "orders", 3, 20, 1, 0, 2, 5, 1, len(self.letters), 3,
                (opening, FunctionFigures("Find", 1, 5, 1, 0, 0, 0.1)), (GroupFigures("orders", 5, 900),), 2, 1,
            )
        ]  # fmt: skip

    def _goods_page(self, request: stock.GoodsPage) -> stock.Goods:
        skus = sorted(sku for sku in self.goods if sku > (request.after or ""))
        page = tuple(self.goods[sku] for sku in skus[: request.limit])
        return stock.Goods(page, page[-1].sku if len(skus) > request.limit else None)

    def _find_goods(self, request: stock.FindGoods) -> stock.Goods:
        return stock.Goods(tuple(self.goods[sku] for sku in sorted(request.skus) if sku in self.goods))

    def _load_goods(self, request: stock.LoadGoods) -> stock.Loaded:
        problems = [
            f"good {row.sku}: costs {self.goods[row.sku].price} fen here"
            for row in request.goods
            if row.sku in self.goods and self.goods[row.sku].price != row.price
        ]
        if problems or not request.apply:
            return stock.Loaded(tuple(problems))
        added = sum(row.sku not in self.goods for row in request.goods)
        for row in request.goods:
            on_hand = self.goods[row.sku].stock if row.sku in self.goods else 0
            left = on_hand + row.stock - self.loaded.get(row.sku, 0)
            self.goods[row.sku] = stock.Good(row.sku, row.title, row.price, left, row.limit)
            self.loaded[row.sku] = row.stock
        return stock.Loaded((), added)

    def _account(self, request: accounts.FindAccount) -> accounts.Account:
        return accounts.Account(request.user, self.balances.get(request.user, 0), request.user in self.balances)

    def _sign_in(self, request: accounts.SignIn) -> accounts.SignedIn:
        return accounts.SignedIn(self.passwords.get(request.user) == request.password)

    def _load_users(self, request: accounts.LoadUsers) -> accounts.Loaded:
        if not request.apply:
            return accounts.Loaded()
        added = sum(row.user not in self.balances for row in request.users)
        for row in request.users:
            self.passwords.setdefault(row.user, row.password)
            self.balances[row.user] = row.balance
        return accounts.Loaded((), added)

    def _coupons_of(self, request: coupons.CouponsOfUser) -> coupons.Coupons:
        return coupons.Coupons(tuple(one for _, one in sorted(self.coupons.items()) if one.user == request.user))

    def _load_coupons(self, request: coupons.LoadCoupons) -> coupons.Loaded:
        if not request.apply:
            return coupons.Loaded()
        added = sum(row.coupon_id not in self.coupons for row in request.coupons)
        for row in request.coupons:
            self.coupons[row.coupon_id] = coupons.Coupon(
                row.coupon_id, row.user, row.value, row.minimum, row.valid_until
            )
        return coupons.Loaded((), added)
