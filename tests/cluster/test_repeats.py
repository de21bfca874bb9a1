"""The broker delivers everything again, and in other orders: nothing happens twice."""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence

import httpx
from prometheus_client.parser import text_string_to_metric_families

from makegood.engine.broker.port import Message, Subscription
from makegood.engine.broker.rocketmq.broker import RocketmqBroker
from makegood.engine.broker.rocketmq.settings import RocketmqSettings
from makegood.engine.inbox import groups_of, topics_of
from makegood.engine.world import SystemWorld
from makegood.shop.assembly import CLASSES
from tests.cluster.draining import DRAINED, drained
from tests.cluster.servers import OwnShop
from tests.cluster.shops import configured, reached
from tests.scenario.kill_at_random import prove_promises
from tests.support.shop_client import Buyer, Json, Line, ShopClient, coupon, product, shop_client

GROUP = "tests-repeats"
TOPICS = {"orders": frozenset[str](), "payments": frozenset[str]()}
SAID = {"confirmed", "cancelled", "paid", "refund-requested", "succeeded", "refunded"}
"""Every event that the shop publishes."""
BUYERS = 4
BALANCE, PRICE, STOCK, COUPON = 50_000, 3_000, 1_000, 500
FATES = ("pay", "cancel", "refund", "ship", "wait")
"""What becomes of a buyer's orders."""
FEW = 8
"""Messages that are published at a time: a batch goes to one queue, in its order."""
QUIET = 3.0
"""Seconds without a message after which there is none."""
SEED = 20_251_111


async def test_everything_again() -> None:
    """Every message twice more, backwards and shuffled: each service takes them, and no balance, stock, order moves."""
    with configured(), OwnShop() as own:
        where = RocketmqSettings(own.site.address("name-server"), own.site.address("proxy"))
        broker = RocketmqBroker.open(where, SystemWorld())
        subscription = await broker.subscribe(GROUP, TOPICS)
        async with shop_client(reached(own)) as shop:
            buyers = await _trade(shop)
            await drained(shop)
            messages = await _published(subscription)
            assert {message.tag for message in messages} == SAID
            before, taken = await _state(shop, buyers), await _taken(own)
            again = [*reversed(messages), *random.Random(SEED).sample(messages, len(messages))]
            for begin in range(0, len(again), FEW):
                await broker.publish(again[begin : begin + FEW])
            await _until_taken(own, taken + _wanted(again))
            await drained(shop)
            assert await _state(shop, buyers) == before
            await prove_promises(shop)
        await broker.close()


async def _trade(shop: ShopClient) -> list[Buyer]:
    """Orders of every fate, with and without a coupon."""
    await shop.load(goods=[product("tea", PRICE, STOCK)])
    names = [f"buyer-{number}" for number in range(BUYERS)]
    held = {name: [coupon(f"{name}-{fate}", COUPON) for fate in FATES] for name in names}
    buyers = [await shop.new_buyer(name, BALANCE, held[name]) for name in names]
    await asyncio.gather(*[_buy(shop, buyer) for buyer in buyers])
    return buyers


async def _buy(shop: ShopClient, buyer: Buyer) -> None:
    for number, fate in enumerate((*FATES, *FATES)):
        lines = Line("tea", 1 + number % 3, PRICE)
        if number < len(FATES):
            order = await buyer.placed(lines, balance=100 * number)
        else:
            order = await buyer.placed(lines, coupon=f"{buyer.user}-{fate}", discount=COUPON, balance=100)
        await _meet(shop, buyer, order["order_id"], fate)


async def _meet(shop: ShopClient, buyer: Buyer, order_id: str, fate: str) -> None:
    if fate == "wait":
        return
    if fate == "cancel":
        assert (await buyer.change(order_id, "cancel")).status_code == 200
        return
    await buyer.pay(order_id)
    await buyer.until(order_id, payment_status="PAID")
    if fate == "ship":
        assert (await shop.ops("POST", f"/api/ops/orders/{order_id}/ship")).status_code == 200
    if fate == "refund":
        assert (await buyer.change(order_id, "refund")).status_code == 200
        await buyer.until(order_id, payment_status="REFUNDED")


async def _published(subscription: Subscription) -> list[Message]:
    """All messages of the shop, each once."""
    found: dict[bytes, Message] = {}
    async with asyncio.timeout(DRAINED):
        while deliveries := await subscription.receive(64, QUIET):
            found |= {delivery.message.body: delivery.message for delivery in deliveries}
            await subscription.acknowledge(deliveries)
    await subscription.close()
    return list(found.values())


async def _state(shop: ShopClient, buyers: Sequence[Buyer]) -> Json:
    """What everybody has, and what has happened to every order."""
    orders = [order for buyer in buyers for order in await buyer.orders()]
    assert len(orders) == BUYERS * 2 * len(FATES)
    return {
        "stock": await shop.stock("tea"),
        "buyers": [await buyer.me() for buyer in buyers],
        "orders": orders,
        "timelines": [sorted(await shop.timeline(order["order_id"])) for order in orders],
    }


def _wanted(messages: Sequence[Message]) -> Counter[str]:
    """How many of these the groups of each service subscribe to."""
    wanted: Counter[str] = Counter()
    for service in CLASSES:
        for group in groups_of(service).values():
            topics = topics_of(group)
            wanted[service.name] += sum(message.tag in topics.get(message.topic, ()) for message in messages)
    return wanted


async def _until_taken(own: OwnShop, wanted: Counter[str]) -> None:
    """Returns when each service's groups have handled so many messages since the start."""
    taken: Counter[str] = Counter()
    try:
        async with asyncio.timeout(DRAINED):
            while not wanted <= (taken := await _taken(own)):
                await asyncio.sleep(0.5)
    except TimeoutError as error:
        raise AssertionError(f"the services should have taken {wanted}, and have taken {taken}") from error


async def _taken(own: OwnShop) -> Counter[str]:
    """How many messages each service's groups have handled, over both of its processes."""
    taken: Counter[str] = Counter()
    async with httpx.AsyncClient(trust_env=False) as http:
        for name in [f"{service.name}-{number}" for service in CLASSES for number in (1, 2)]:
            text = (await http.get(f"http://{own.site.address(name)}/metrics")).raise_for_status().text
            for family in text_string_to_metric_families(text):
                for one in family.samples:
                    if one.name == "makegood_service_messages_received_total":
                        taken[one.labels["service"]] += int(one.value)
    return taken
