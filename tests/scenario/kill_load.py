"""Buyers who never give up, and what they must find whenever the shop is back: every answer it ever gave still holds.

Each buyer repeats a request, under the same key, until the shop says what became of it, and remembers what it said.
What the shop must hold in the end is computed from the orders as buyers see them, never asked of its own counters.
"""

import asyncio
import copy
import random
from collections import Counter

import httpx

from tests.scenario.kill_points import ABSENT, AWAY, insist, insist_on
from tests.support.shop_client import Buyer, Json, Line, ShopClient, coupon, eventually, order_body, product

BUYERS = 16
BALANCE = 400_000
COUPONS = 40
COUPON_VALUE = 300
PLENTY, SCARCE = 1_000_000, 60
GOODS = {"mug": 1_250, "tea": 6_000, "pot": 58_000, "ink": 333, "last": 2_000}
"""Prices; of `last` there are few."""
STOCK = {sku: SCARCE if sku == "last" else PLENTY for sku in GOODS}
HOLDING = ("CONFIRMED", "COMPLETED")
REFUSALS = ("out_of_stock", "coupon_unusable", "insufficient_balance", "cancelled")


class Answers:
    """What the shop has said to one buyer, and so must stay true."""

    def __init__(self) -> None:
        self.keys = 0
        """Orders that were asked for until there was an answer."""
        self.confirmed: dict[str, Json] = {}
        self.refused: dict[str, str] = {}
        self.cancelled: set[str] = set()
        self.refunding: set[str] = set()
        self.shipped: set[str] = set()
        self.given_back: Counter[str] = Counter()
        """Fen of parts that operators refunded, by order."""

    def broken_by(self, orders: list[Json]) -> list[str]:
        """What the shop has forgotten, or says otherwise now."""
        now = {order["order_id"]: order for order in orders}
        found = [f"{id} was confirmed and is {_brief(now.get(id))}" for id in self.confirmed if not self._kept(id, now)]
        for id, code in self.refused.items():
            order = now.get(id)
            if order is None or (order["decision"], order["status"]) != (code, "CANCELLED"):
                found.append(f"{id} was refused ({code}) and is {_brief(order)}")
        for said, ids, field, wanted in (
            ("cancelled", self.cancelled, "status", ("CANCELLED",)),
            ("to be refunded", self.refunding, "payment_status", ("REFUNDING", "REFUNDED")),
            ("shipped", self.shipped, "shipping_status", ("SHIPPED", "RECEIVED")),
        ):
            found += [f"{id} was {said} and is {_brief(now[id])}" for id in sorted(ids) if now[id][field] not in wanted]
        return found

    def _kept(self, id: str, now: dict[str, Json]) -> bool:
        fixed = ("decision", "lines", "amount_due", "balance", "discount", "shipping_fee", "coupon_id", "created_at")
        return id in now and all(now[id][field] == self.confirmed[id][field] for field in fixed)


class Load:
    """All buyers, each with its own seeded chance, until `stop`."""

    def __init__(self, shop: ShopClient, seed: int, name: str) -> None:
        self._shop = shop
        self._seed = seed
        self._name = name
        self._stopping = False
        self._tasks: list[asyncio.Task[None]] = []
        self.answers: dict[str, Answers] = {}
        self.buyers: list[Buyer] = []

    async def start(self) -> None:
        """Fills the shop, and lets the buyers in."""
        await self._shop.load(goods=[product(self._sku(one), GOODS[one], STOCK[one]) for one in GOODS])
        for number in range(BUYERS):
            user = f"{self._name}-{number}"
            held = [coupon(f"{user}-{at}", COUPON_VALUE, 1_000) for at in range(COUPONS)]
            buyer = await self._shop.new_buyer(user, BALANCE, held)
            self.buyers.append(buyer)
            answers = self.answers[user] = Answers()
            chance = random.Random(f"{self._seed} {number}")
            self._tasks.append(asyncio.create_task(self._buy(buyer, answers, chance), name=user))

    async def stop(self) -> None:
        """Lets every buyer end what they have begun; raises what went wrong for any of them."""
        self._stopping = True
        await asyncio.gather(*self._tasks)

    def failed(self) -> list[str]:
        """Buyers who got an answer that nobody should get."""
        done = [task for task in self._tasks if task.done()]
        return [f"{task.get_name()}: {task.exception()!r}" for task in done if task.exception()]

    async def broken(self) -> list[str]:
        """Every answer the shop gave and does not keep; asked again while it is away."""
        found: list[str] = []
        for buyer in self.buyers:
            said = copy.deepcopy(self.answers[buyer.user])  # the buyer goes on, and hears more than is looked at here
            found += [f"{buyer.user}: {one}" for one in said.broken_by(await _orders(buyer))]
        return found + self.failed()

    @property
    def asked(self) -> int:
        """Orders that were asked for, and answered."""
        return sum(answers.keys for answers in self.answers.values())

    @property
    def confirmed(self) -> int:
        """Orders that were answered 201."""
        return sum(len(answers.confirmed) for answers in self.answers.values())

    async def prove_the_sums(self) -> None:
        """After `stop`: what the shop holds is what follows from the orders; fails saying what is not."""
        orders = {buyer.user: await _orders(buyer) for buyer in self.buyers}
        for user, mine in orders.items():
            assert len(mine) == self.answers[user].keys, f"{user} asked for {self.answers[user].keys} orders"
        sold = _sold([order for mine in orders.values() for order in mine])
        for one in GOODS:
            sku = self._sku(one)
            await eventually(lambda sku=sku: self._shop.stock(sku), STOCK[one] - sold[sku])
        for buyer in self.buyers:
            await self._prove_purse(buyer, orders[buyer.user])

    async def _prove_purse(self, buyer: Buyer, orders: list[Json]) -> None:
        live = [order for order in orders if _pays(order)]
        parts = self.answers[buyer.user].given_back
        points = sum((order["amount_due"] - parts[order["order_id"]]) // 100 for order in live if _is_paid(order))
        await buyer.has(balance=BALANCE - sum(order["balance"] for order in live), points=points)
        held = {order["coupon_id"] for order in orders if order["coupon_id"] and _holds(order)}
        usable = {one["coupon_id"] for one in (await buyer.me())["coupons"]}
        everything = {f"{buyer.user}-{at}" for at in range(COUPONS)}
        assert usable == everything - held, f"{buyer.user}: usable {usable}, used {held}"

    async def _buy(self, buyer: Buyer, answers: Answers, chance: random.Random) -> None:
        number = 0
        while not self._stopping:
            number += 1
            order = await self._place(buyer, answers, chance, f"{buyer.user}-{number}")
            if order is None:
                continue
            fate = chance.random()
            if fate < 0.25:
                await self._cancel(buyer, answers, order["order_id"])
            elif fate < 0.75:
                await self._pay(buyer, answers, chance, order)

    async def _place(self, buyer: Buyer, answers: Answers, chance: random.Random, key: str) -> Json | None:
        body = self._wish(buyer.user, chance)
        answer = await insist(lambda: buyer.place(body, key))
        said = answer.json()
        if answer.status_code == 201:
            answers.confirmed[said["order_id"]] = said
        else:
            assert answer.status_code == 409, f"{answer.status_code} {said}"
            assert said["code"] in REFUSALS, said
            answers.refused[said["order_id"]] = said["code"]
        answers.keys += 1
        return said if answer.status_code == 201 else None

    def _wish(self, user: str, chance: random.Random) -> Json:
        chosen = chance.sample(list(GOODS), chance.randint(1, 3))
        lines = [Line(self._sku(one), chance.randint(1, 3), GOODS[one]) for one in chosen]
        goods = sum(line.quantity * line.unit_price for line in lines)
        has_coupon = goods >= 1_000 and chance.random() < 0.4
        balance = chance.choice((0, 0, goods // 5, max(0, goods - COUPON_VALUE)))
        return order_body(
            *lines,
            coupon=f"{user}-{chance.randrange(COUPONS)}" if has_coupon else None,
            discount=COUPON_VALUE if has_coupon else 0,
            balance=balance,
        )

    async def _cancel(self, buyer: Buyer, answers: Answers, order_id: str) -> None:
        answer = await insist(lambda: buyer.change(order_id, "cancel"))
        if answer.status_code == 200:
            answers.cancelled.add(order_id)
        else:  # nothing was due
            assert answer.status_code == 409, answer.text
            assert answer.json()["code"] == "not_cancellable", answer.text

    async def _pay(self, buyer: Buyer, answers: Answers, chance: random.Random, order: Json) -> None:
        order_id: str = order["order_id"]
        payment_id = None
        if order["amount_due"]:
            payment = await insist_on(lambda: buyer.open_payment(order_id), 201)
            payment_id = payment["payment_id"]
            await insist_on(lambda: self._shop.at_cashier(payment["pay_url"]), 200, 409)
        if chance.random() < 0.6:
            await _until_paid(buyer, order_id)
            await self._after_payment(buyer, answers, chance, order, payment_id)

    async def _after_payment(
        self, buyer: Buyer, answers: Answers, chance: random.Random, order: Json, payment_id: str | None
    ) -> None:
        order_id: str = order["order_id"]
        if chance.random() < 0.4:
            await insist_on(lambda: self._shop.ops("POST", f"/api/ops/orders/{order_id}/ship"), 200)
            answers.shipped.add(order_id)
        if payment_id and chance.random() < 0.2:
            part = chance.randint(1, order["amount_due"] - 1)
            await insist_on(lambda: self._shop.refund_part(payment_id, part, f"{order_id}-part"), 202)
            answers.given_back[order_id] = part
        if chance.random() < 0.5:
            await insist_on(lambda: buyer.change(order_id, "refund"), 200)
            answers.refunding.add(order_id)
        elif order_id in answers.shipped:
            await insist_on(lambda: buyer.change(order_id, "receive"), 200)

    def _sku(self, one: str) -> str:
        return f"{self._name}-{one}"


async def _orders(buyer: Buyer) -> list[Json]:
    while True:
        try:
            return await buyer.orders()
        except httpx.TransportError:
            await asyncio.sleep(ABSENT)


async def _until_paid(buyer: Buyer, order_id: str) -> None:
    async with asyncio.timeout(AWAY):
        while True:
            order = await insist_on(lambda: buyer.send("GET", f"/api/orders/{order_id}"))
            if order["payment_status"] == "PAID":
                return
            await asyncio.sleep(0.05)


def _is_paid(order: Json) -> bool:
    return order["payment_status"] == "PAID"


def _pays(order: Json) -> bool:
    """Whether the order keeps the buyer's balance."""
    return order["status"] in HOLDING and order["payment_status"] in ("UNPAID", "PAID")


def _holds(order: Json) -> bool:
    """Whether the order keeps goods and coupon: shipped ones stay gone though the money is given back."""
    return _pays(order) or order["shipping_status"] != "UNSHIPPED"


def _sold(orders: list[Json]) -> Counter[str]:
    sold: Counter[str] = Counter()
    for order in orders:
        for line in order["lines"] if _holds(order) else ():
            sold[line["sku"]] += line["quantity"]
    return sold


def _brief(order: Json | None) -> str:
    if order is None:
        return "not there"
    return " ".join(order[field] for field in ("status", "payment_status", "shipping_status", "decision"))
