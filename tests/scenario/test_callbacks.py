"""Callbacks that nobody should believe are refused and written down; one that is proven takes effect once."""

import asyncio
import time

import pytest

from makegood.keys import generate_private_key
from tests.support.alipay_notices import Fields, Platform, signed
from tests.support.shop_client import Buyer, Json, Line, ShopClient, good, problem, product


async def _opened(shop: ShopClient, name: str) -> tuple[Buyer, Json, Json]:
    """A buyer, an order of 1600 fen, and its payment."""
    await shop.load(goods=[product(name, 1_000)])
    buyer = await shop.new_buyer(name)
    order = await buyer.placed(Line(name, 1, 1_000))
    return buyer, order, good(await buyer.open_payment(order["order_id"]))


def _forged(fields: Fields, platform: Platform) -> dict[str, tuple[bytes, str]]:
    """Bodies that prove nothing, and why."""
    right = signed(fields, platform.key)
    other = {name: signed(fields | change, platform.key) for name, change in _CHANGES.items()}
    return {
        "signed by somebody else": (signed(fields, generate_private_key()), "bad_signature"),
        "changed on the way": (right.replace(b"total_amount=16.00", b"total_amount=0.01"), "bad_signature"),
        "another payment": (right.replace(b"out_trade_no=", b"out_trade_no=1"), "bad_signature"),
        "no signature": (right[: right.index(b"&sign=")], "bad_signature"),
        "an empty signature": (right[: right.index(b"&sign=")] + b"&sign=&sign_type=RSA2", "bad_signature"),
        "a field twice": (right + b"&out_trade_no=1", "duplicate_field"),
        "another app": (other["app"], "wrong_app"),
        "another seller": (other["seller"], "wrong_seller"),
        "a negative amount": (other["negative"], "malformed"),
        "an endless amount": (other["endless"], "malformed"),
        "no time": (other["time"], "malformed"),
        "nothing": (b"", "bad_signature"),
        "no form": (b"\xff\xfe\x00", "malformed"),
        "JSON": (b'{"trade_status": "TRADE_SUCCESS"}', "malformed"),
        "many fields": (b"&".join(b"f%d=1" % number for number in range(200)), "malformed"),
    }


_CHANGES: dict[str, Fields] = {
    "app": {"app_id": "2021000000000000"},
    "seller": {"seller_id": "2088000000000009"},
    "negative": {"total_amount": "-16.00"},
    "endless": {"total_amount": "1" * 400},
    "time": {"gmt_payment": "yesterday"},
}


async def test_forged_callbacks(shop: ShopClient, name: str) -> None:
    """What proves nothing is answered with failure, listed for operators with its reason, and pays nothing."""
    buyer, order, payment = await _opened(shop, name)
    platform = Platform(shop.process.data)
    fields = platform.captured(payment["payment_id"], order["amount_due"], f"{name}-forged")
    before = len(await _refused(shop))
    for what, (body, reason) in _forged(fields, platform).items():
        answer = await shop.notify(body)
        assert (answer.status_code, answer.content) == (400, b"failure"), what
        newest = (await _refused(shop))[0]
        assert (newest["reason"], newest["channel"]) == (reason, "alipay"), (what, newest)
    assert len(await _refused(shop)) == before + len(_forged(fields, platform))
    assert (await buyer.order(order["order_id"]))["payment_status"] == "UNPAID"


async def test_unknown_channel(shop: ShopClient) -> None:
    """A callback of a platform that this shop does not use is not found."""
    assert (await shop.notify(b"a=b", "bank")).status_code == 404
    assert problem(await shop.notify(b"a=b", "../orders"))[0] in (404, 405)


async def test_a_proven_callback_takes_effect_once(shop: ShopClient, name: str) -> None:
    """The platform's own callback, replayed a hundred times at once, is answered with success each time, and pays
    once."""
    buyer, order, payment = await _opened(shop, name)
    await buyer.pay(order["order_id"])
    await buyer.until(order["order_id"], payment_status="PAID")
    platform = Platform(shop.process.data)
    again = platform.captured(payment["payment_id"], order["amount_due"], f"{name}-replayed")
    again["trade_no"] = await _trade_no(shop, payment["payment_id"])
    answers = await asyncio.gather(*[shop.notify(signed(again, platform.key)) for _ in range(100)])
    assert {(answer.status_code, answer.content) for answer in answers} == {(200, b"success")}
    await buyer.has(points=16)
    story = await shop.timeline(order["order_id"])
    assert [story.count(moment) for moment in ("payments: captured", "orders: paid", "journal: orders: paid")] == [
        1,
        1,
        1,
    ]


async def test_callbacks_are_answered_fast(shop: ShopClient, name: str) -> None:
    """A callback is answered well within the five seconds that platforms wait."""
    buyer, order, payment = await _opened(shop, name)
    platform = Platform(shop.process.data)
    await buyer.pay(order["order_id"])
    await buyer.until(order["order_id"], payment_status="PAID")
    fields = platform.captured(payment["payment_id"], order["amount_due"], f"{name}-fast")
    fields["trade_no"] = await _trade_no(shop, payment["payment_id"])
    began = time.monotonic()
    assert (await shop.notify(signed(fields, platform.key))).content == b"success"
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("amount", [1, 1_599, 1_601, 10_000_000])
async def test_a_wrong_amount_pays_nothing(shop: ShopClient, name: str, amount: int) -> None:
    """A proven callback of another amount is never a success: it is listed as a break, for a person to settle."""
    buyer, order, payment = await _opened(shop, name)
    platform = Platform(shop.process.data)
    body = signed(platform.captured(payment["payment_id"], amount, f"{name}-wrong"), platform.key)
    for _ in range(2):
        assert (await shop.notify(body)).content == b"success"
    assert await _breaks(shop, payment["payment_id"]) == [("amount_mismatch", amount)]
    assert (await buyer.order(order["order_id"]))["payment_status"] == "UNPAID"
    await buyer.has(points=0)


async def test_an_unknown_payment_is_a_break(shop: ShopClient, name: str) -> None:
    """A proven callback for a payment that is not ours is listed, and the platform need not say it again."""
    platform = Platform(shop.process.data)
    number = f"77{int(time.time() * 1000)}"
    answer = await shop.notify(signed(platform.captured(number, 500, f"{name}-unknown"), platform.key))
    assert answer.content == b"success"
    assert await _breaks(shop, number) == [("unknown_payment", 500)]


async def test_a_capture_after_the_cancel_is_refunded(shop: ShopClient, name: str) -> None:
    """Money that comes for a cancelled order goes back by itself, once, and the order stays cancelled."""
    buyer, order, payment = await _opened(shop, name)
    await _end_here_alone(shop, payment["payment_id"], name)
    assert good(await buyer.change(order["order_id"], "cancel"))["status"] == "CANCELLED"
    assert (await shop.at_cashier(payment["pay_url"])).status_code == 200
    await _until_refunded(shop, payment["payment_id"], 1_600)
    ended = await buyer.order(order["order_id"])
    assert (ended["status"], ended["payment_status"]) == ("CANCELLED", "UNPAID")
    await buyer.has(points=0)


async def test_an_order_that_is_paid_twice(shop: ShopClient, name: str) -> None:
    """Of two payments of one order the second is refunded by itself, and the order stays paid by the first."""
    buyer, order, first = await _opened(shop, name)
    await _end_here_alone(shop, first["payment_id"], name)
    second = await buyer.pay(order["order_id"])
    assert second["payment_id"] != first["payment_id"]
    await buyer.until(order["order_id"], payment_status="PAID", payment_id=second["payment_id"])
    assert (await shop.at_cashier(first["pay_url"])).status_code == 200
    await _until_refunded(shop, first["payment_id"], 1_600)
    assert (await buyer.order(order["order_id"]))["payment_id"] == second["payment_id"]
    await buyer.has(points=16)


async def _end_here_alone(shop: ShopClient, payment_id: str, name: str) -> None:
    """A callback of a wrong amount ends the payment here; at the platform it can still be paid."""
    platform = Platform(shop.process.data)
    answer = await shop.notify(signed(platform.captured(payment_id, 1, f"{name}-ends"), platform.key))
    assert answer.content == b"success"


async def _until_refunded(shop: ShopClient, payment_id: str, amount: int) -> None:
    async with asyncio.timeout(15):
        while (await _trade(shop, payment_id))["refunded"] != amount:
            await asyncio.sleep(0.05)


async def _trade(shop: ShopClient, payment_id: str) -> Json:
    after = "0"
    while True:
        page = await shop.control("GET", f"trades?after={after}&limit=1000")
        for trade in page["trades"]:
            if trade["out_trade_no"] == payment_id:
                return trade
        assert page["next"], f"the platform knows no payment {payment_id}"
        after = page["next"]


async def _trade_no(shop: ShopClient, payment_id: str) -> str:
    return (await _trade(shop, payment_id))["trade_no"]


async def _refused(shop: ShopClient) -> list[Json]:
    return good(await shop.ops("GET", "/api/ops/refused-notices?limit=1000"))["notices"]


async def _breaks(shop: ShopClient, number: str) -> list[tuple[str, int]]:
    found = good(await shop.ops("GET", "/api/ops/breaks?limit=1000"))["breaks"]
    return [(one["kind"], one["amount"]) for one in found if one["number"] == number]
