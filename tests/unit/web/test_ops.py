"""What operators do and look at."""

from typing import Any

import httpx
import pytest

from makegood.engine.dead_letters import DeadLetter
from makegood.engine.errors import DatabaseError, Overloaded
from makegood.shop.payments.contracts import Break, RefusedNotice
from makegood.web.port import Traces, WorkSeen
from tests.unit.web.peer import PeerShop
from tests.unit.web.people import Buyer

AT = "2023-11-14T22:13:20.000Z"


async def timeline_of(operator: httpx.AsyncClient, number: str) -> Any:
    """What an operator sees of an order."""
    answer = await operator.get(f"/api/ops/orders/{number}/timeline")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def refund(operator: httpx.AsyncClient, payment_id: str, amount: int, key: str = "r") -> httpx.Response:
    """An operator refunds a part of a payment."""
    path = f"/api/ops/payments/{payment_id}/refund"
    return await operator.post(path, json={"amount": amount}, headers={"Idempotency-Key": key})


def fill_letters(shop: PeerShop, count: int, body: str = "{}") -> list[str]:
    """So many dead letters of points; their ids."""
    at, ids = shop.now(), [f"letter{number}=-_" for number in range(count)]
    for id in ids:
        shop.letters[id] = DeadLetter(
            id, "points", "points", "payments", "succeeded", "7", 16, at, at, None, "boom", body
        )
    return ids


async def test_timeline(alice: Buyer, operator: httpx.AsyncClient, shop: PeerShop) -> None:
    """The timeline has what every service knows, in the order of time, each with its source and kind."""
    order = await alice.order()
    shop.world.advance(1_000)
    payment = await alice.pay(order)
    shop.world.advance(1_000)
    await refund(operator, payment["payment_id"], 100)
    timeline = await timeline_of(operator, order["order_id"])
    assert (timeline["order_id"], timeline["user"], timeline["missing"]) == (order["order_id"], "alice", [])
    assert (timeline["order"]["payment_status"], timeline["complete"]) == ("PAID", True)
    moments = [(one["at"][17:19], one["kind"], one["source"], one["what"]) for one in timeline["moments"]]
    assert moments == [
        ("20", "operation", "orders", "opened"),
        ("20", "operation", "stock", "taken"),
        ("20", "change", "orders", "confirmed"),
        ("20", "event", "orders", "published opened"),
        ("20", "event", "orders", "published confirmed"),
        ("20", "journal", "journal", "orders: opened"),
        ("20", "journal", "journal", "orders: confirmed"),
        ("21", "operation", "payments", "opened"),
        ("21", "callback", "payments", "callback captured"),
        ("21", "change", "payments", "captured"),
        ("21", "change", "orders", "paid"),
        ("21", "change", "points", "added"),
        ("21", "event", "orders", "published paid"),
        ("21", "journal", "journal", "orders: paid"),
        ("22", "operation", "payments", "refund requested"),
    ]
    [asked] = [one for one in timeline["moments"] if one["what"] == "refund requested"]
    assert asked["detail"]["payment_id"] == payment["payment_id"]
    [opened] = [one["detail"] for one in timeline["moments"] if one["what"] == "published opened"]
    heard = {"group": "journal", "at": AT}
    assert (opened["heard"], opened["not_known"], opened["published_at"]) == ([heard], ["stock"], None)
    [seen] = timeline["payments"]
    assert (seen["payment_id"], seen["captured"], seen["refundable"]) == (payment["payment_id"], 1_600, 1_500)


async def test_timeline_by_a_payment(alice: Buyer, operator: httpx.AsyncClient) -> None:
    """The id of a payment leads to its order's timeline: it is what a platform knows the order by."""
    order = await alice.order()
    payment = await alice.pay(order)
    assert (await timeline_of(operator, payment["payment_id"]))["order_id"] == order["order_id"]


async def test_timeline_of_what_failed(alice: Buyer, operator: httpx.AsyncClient, shop: PeerShop) -> None:
    """Work that waits and events that were set aside stand in the timeline, and who has not heard an event is named."""
    order = await alice.order()
    at, id = shop.now() + 500, order["order_id"]
    body = f'{{"order_id":{id},"payment_id":null}}'
    aside = DeadLetter("letter1", "stock", "stock", "orders", "opened", id, 3, at, at, None, "boom", body)
    work = WorkSeen("orders", "close-order", id, 2, False, at, at + 1_000, "NotClosed: later", "{}")
    shop.found = Traces((aside,), (work,), {"orders: opened": ("journal", "stock", "points")}, complete=False)
    timeline = await timeline_of(operator, id)
    assert not timeline["complete"]
    by_what = {one["what"]: one["detail"] for one in timeline["moments"]}
    assert by_what["set aside orders: opened"]["error"] == "boom"
    assert (by_what["task close-order"]["attempt"], by_what["task close-order"]["error"]) == (2, "NotClosed: later")


async def test_timeline_of_a_long_journal(alice: Buyer, operator: httpx.AsyncClient, shop: PeerShop) -> None:
    """When the journal has more entries than it tells, the timeline says that it is not complete."""
    order = await alice.order()
    assert (await timeline_of(operator, order["order_id"]))["complete"]
    shop.book.journal_limit = 0
    timeline = await timeline_of(operator, order["order_id"])
    assert (timeline["complete"], timeline["missing"]) == (False, [])


async def test_timeline_of_a_malformed_event(alice: Buyer, operator: httpx.AsyncClient, shop: PeerShop) -> None:
    """A set-aside event whose payload is not what it should be stands in the timeline as it is."""
    id, at = (await alice.order())["order_id"], shop.now()
    body = f'{{"order_id":{id},"payment_id":[1],"participants":null}}'
    aside = DeadLetter("letter1", "stock", "stock", "orders", "cancelled", id, 1, at, at, None, "boom", body)
    shop.found = Traces((aside,), (), {"orders: cancelled": ("journal", "stock")})
    [told] = [one for one in (await timeline_of(operator, id))["moments"] if one["kind"] == "set-aside"]
    assert told["detail"]["payload"] == body


async def test_timeline_of_refused_callbacks(alice: Buyer, operator: httpx.AsyncClient, shop: PeerShop) -> None:
    """A callback that was refused stands in the timeline of the order whose payment it names, as not verified."""
    order = await alice.order()
    await alice.pay(order)
    shop.book.refused = [RefusedNotice(5, "alipay", "bad_signature", "it does not match", shop.now(), b"a=\xff")]
    timeline = await timeline_of(operator, order["order_id"])
    verified = [one["detail"]["verified"] for one in timeline["moments"] if one["kind"] == "callback"]
    assert sorted(verified) == [False, True]


async def test_timeline_of_returned_goods(alice: Buyer, operator: httpx.AsyncClient, shop: PeerShop) -> None:
    """What was taken and given back is there twice, with both times."""
    order = await alice.order()
    shop.world.advance(5_000)
    await alice.post(f"/api/orders/{order['order_id']}/cancel")
    timeline = (await operator.get(f"/api/ops/orders/{order['order_id']}/timeline")).json()
    stock = [(one["at"][17:19], one["what"]) for one in timeline["moments"] if one["source"] == "stock"]
    assert stock == [("20", "taken"), ("25", "returned")]


async def test_timeline_without_a_service(alice: Buyer, operator: httpx.AsyncClient, shop: PeerShop) -> None:
    """When services are away the timeline shows the rest, and says who is missing."""
    order = await alice.order()
    shop.failing |= {"payments.OfOrder": Overloaded("busy"), "journal.OfOrder": Overloaded("busy")}
    timeline = (await operator.get(f"/api/ops/orders/{order['order_id']}/timeline")).json()
    assert timeline["missing"] == ["journal", "payments"]
    assert [one["source"] for one in timeline["moments"]] == ["orders", "stock", "orders"]
    shop.failing["traces"] = DatabaseError("the disk is full")
    assert (await timeline_of(operator, order["order_id"]))["missing"] == ["journal", "payments", "tasks"]


async def test_timeline_of_nothing(operator: httpx.AsyncClient) -> None:
    """An order that nobody knows is 404."""
    assert (await operator.get("/api/ops/orders/1/timeline")).status_code == 404


async def test_refund(alice: Buyer, operator: httpx.AsyncClient) -> None:
    """A part is refunded once for each key; without a key each request is another refund."""
    payment = await alice.pay(await alice.order())
    path = f"/api/ops/payments/{payment['payment_id']}/refund"
    headers = {"Idempotency-Key": "r1"}
    first = await operator.post(path, json={"amount": 100}, headers=headers)
    again = await operator.post(path, json={"amount": 100}, headers=headers)
    assert first.status_code == 202
    assert first.json() == {
        "refund_id": first.json()["refund_id"],
        "amount": 100,
        "state": "REQUESTED",
        "at": AT,
    }
    assert first.json() == again.json()
    others = [(await operator.post(path, json={"amount": 100})).json()["refund_id"] for _ in range(2)]
    assert len({first.json()["refund_id"], *others}) == 3
    too_much = await operator.post(path, json={"amount": 1_301})
    assert (too_much.status_code, too_much.json()["code"]) == (409, "amount_exceeds_captured")


async def test_refund_refused(operator: httpx.AsyncClient) -> None:
    """No payment, no amount and a bad key are refused."""
    path = "/api/ops/payments/1/refund"
    assert (await operator.post(path, json={"amount": 1})).status_code == 404
    for amount in (0, -1, "1", 10**10 + 1, None):
        assert (await operator.post(path, json={"amount": amount})).status_code == 422
    answer = await operator.post(path, json={"amount": 1}, headers={"Idempotency-Key": "a b"})
    assert answer.status_code == 422


async def test_dead_letters(operator: httpx.AsyncClient, shop: PeerShop) -> None:
    """Dead letters come page by page with times people read, and one is replayed by its id."""
    fill_letters(shop, 3)
    page = (await operator.get("/api/ops/dead-letters?limit=2")).json()
    assert [one["id"] for one in page["dead_letters"]] == ["letter0=-_", "letter1=-_"]
    wanted = {"first_at": AT, "next_at": None, "kind": "event", "order_id": None}
    assert page["dead_letters"][0] | wanted == page["dead_letters"][0]
    rest = (await operator.get(f"/api/ops/dead-letters?limit=2&after={page['next']}")).json()
    assert ([one["id"] for one in rest["dead_letters"]], rest["next"]) == (["letter2=-_"], None)
    assert (await operator.post("/api/ops/dead-letters/letter1=-_/replay")).status_code == 202
    assert shop.replayed == ["letter1=-_"]
    assert (await operator.post("/api/ops/dead-letters/letter9/replay")).status_code == 404
    assert (await operator.post("/api/ops/dead-letters/nonsense/replay")).status_code == 404
    assert (await operator.get("/api/ops/dead-letters?after=nonsense")).status_code == 422


async def test_dead_letters_of_a_group(operator: httpx.AsyncClient, shop: PeerShop) -> None:
    """A service's or a group's dead letters are listed by themselves."""
    fill_letters(shop, 2)
    for query, count in (("service=points", 2), ("group=points", 2), ("service=stock", 0), ("group=stock", 0)):
        page = (await operator.get(f"/api/ops/dead-letters?{query}")).json()
        assert len(page["dead_letters"]) == count, query


async def test_dead_letters_lead_to_orders(alice: Buyer, operator: httpx.AsyncClient, shop: PeerShop) -> None:
    """A dead letter names its order: the one in its body, or the one whose payment is in its body."""
    order = await alice.order()
    payment = await alice.pay(order)
    for body, order_id in (
        (f'{{"order_id":{order["order_id"]}}}', order["order_id"]),
        (f'{{"payment_id":{payment["payment_id"]}}}', order["order_id"]),
        ('{"payment_id":7}', None),
        ("no json", None),
        ('{"order_id":"x"}', None),
    ):
        fill_letters(shop, 1, body)
        [letter] = (await operator.get("/api/ops/dead-letters")).json()["dead_letters"]
        assert letter["order_id"] == order_id, body


async def test_replay_of_many(operator: httpx.AsyncClient, shop: PeerShop) -> None:
    """Many are replayed at once, each with its outcome; what became of them can be asked, and changes nothing."""
    ids = fill_letters(shop, 3)
    shop.stubborn.add(ids[1])
    asked = [*ids, "letter9"]
    answer = await operator.post("/api/ops/dead-letters/replay", json={"ids": asked})
    assert answer.status_code == 202
    outcomes = ["replayed", "replayed", "replayed", "gone"]
    assert answer.json() == {"outcomes": [{"id": id, "outcome": one} for id, one in zip(asked, outcomes, strict=True)]}
    became: list[Any] = []
    for _ in range(2):
        became = (await operator.post("/api/ops/dead-letters/outcomes", json={"ids": asked})).json()["outcomes"]
        assert [(one["id"], one["outcome"]) for one in became] == [
            (ids[0], "gone"),
            (ids[1], "failed"),
            (ids[2], "gone"),
            ("letter9", "gone"),
        ]
    assert became[1]["dead_letter"]["error"] == "boom"
    assert became[0]["dead_letter"] is None


@pytest.mark.parametrize("what", ["replay", "outcomes"])
async def test_replay_of_nonsense(operator: httpx.AsyncClient, shop: PeerShop, what: str) -> None:
    """None, more than a hundred, or what is no id is refused, and nothing is replayed."""
    ids = fill_letters(shop, 101)
    for body in ({"ids": []}, {"ids": ids}, {"ids": [ids[0], "nonsense"]}, {"ids": [""]}, {"ids": "x"}, {}, {"id": 1}):
        answer = await operator.post(f"/api/ops/dead-letters/{what}", json=body)
        assert (answer.status_code, answer.json()["code"]) == (422, "malformed"), body
    assert shop.replayed == []
    assert (await operator.post(f"/api/ops/dead-letters/{what}", json={"ids": ids[:100]})).is_success


async def test_audit(operator: httpx.AsyncClient, shop: PeerShop) -> None:
    """The audit names each promise, and says whether all are kept."""
    kept = (await operator.get("/api/ops/audit")).json()
    shop.broken = 2
    broken = (await operator.get("/api/ops/audit")).json()
    promise: dict[str, Any] = {"promise": "P1", "title": "stock is never below zero", "checked": 2}
    assert kept == {"at": AT, "kept": True, "promises": [promise | {"broken": 0, "examples": []}]}
    assert broken == {"at": AT, "kept": False, "promises": [promise | {"broken": 2, "examples": ["tea 0", "tea 1"]}]}


async def test_services(operator: httpx.AsyncClient) -> None:
    """The figures of each service, of its functions and its groups."""
    [service] = (await operator.get("/api/ops/services")).json()["services"]
    assert (service["service"], service["requests"], service["lag"]) == ("orders", 20, 5)
    assert (service["tasks_due"], service["tasks_late"]) == (2, 1)
    assert [(one["function"], one["shed"], one["waiting"], one["milliseconds"]) for one in service["functions"]] == [
        ("Open", 4, 3, 500),
        ("Find", 0, 0, 100),
    ]
    assert service["groups"] == [{"group": "orders", "lag": 5, "oldest": 900}]


async def test_figures(operator: httpx.AsyncClient, shop: PeerShop) -> None:
    """A few sums over all services, with the time they are of: orders are what was opened."""
    assert (await operator.get("/api/ops/figures")).json() == {
        "at": shop.now(),
        "orders": 15,
        "order_batches": 2,
        "requests": 20,
        "batches": 3,
        "shed": 4,
        "failed": 1,
    }


async def test_breaks(operator: httpx.AsyncClient, shop: PeerShop) -> None:
    """What a person has to settle, page by page, ids as strings."""
    shop.book.breaks = [
        Break(2**60 + number, "amount_mismatch", "alipay", "n", "t", 100, shop.now(), "100 or 200")
        for number in range(3)
    ]
    page = (await operator.get("/api/ops/breaks?limit=2")).json()
    assert [one["break_id"] for one in page["breaks"]] == [str(2**60), str(2**60 + 1)]
    rest = (await operator.get(f"/api/ops/breaks?after={page['next']}")).json()
    assert ([one["break_id"] for one in rest["breaks"]], rest["next"]) == ([str(2**60 + 2)], None)


async def test_breaks_and_notices_lead_to_orders(alice: Buyer, operator: httpx.AsyncClient, shop: PeerShop) -> None:
    """A break or a refused callback that names a payment of ours leads to its order; any other leads nowhere."""
    order = await alice.order()
    number = (await alice.pay(order))["payment_id"]
    shop.book.breaks = [Break(at, "unresolved", "alipay", one, "t", 1, 1, "") for at, one in ((1, number), (2, "x"))]
    bodies = (f"trade=99&out_trade_no={number}&x=1", f"out_trade_no=1{number}", "a=\xff" + "9" * 18)
    shop.book.refused = [
        RefusedNotice(at, "alipay", "bad_signature", "", 1, body.encode("latin-1")) for at, body in enumerate(bodies)
    ]
    breaks = (await operator.get("/api/ops/breaks")).json()["breaks"]
    notices = (await operator.get("/api/ops/refused-notices")).json()["notices"]
    assert [one["order_id"] for one in breaks] == [order["order_id"], None]
    assert [one["order_id"] for one in notices] == [order["order_id"], None, None]
    shop.failing["payments.Find"] = Overloaded("busy")
    assert [one["order_id"] for one in (await operator.get("/api/ops/breaks")).json()["breaks"]] == [None, None]


async def test_refused_notices(operator: httpx.AsyncClient, shop: PeerShop) -> None:
    """Callbacks nobody should believe are shown, whatever bytes they had."""
    shop.book.refused = [RefusedNotice(5, "alipay", "signature", "it does not match", shop.now(), b"a=\xff")]
    [notice] = (await operator.get("/api/ops/refused-notices")).json()["notices"]
    assert (notice["refusal_id"], notice["at"], notice["body"]) == ("5", AT, "a=\ufffd")


def document(**parts: Any) -> dict[str, Any]:
    """A load file of one good, one user and one coupon."""
    return {
        "goods": [{"sku": "cake", "title": "蛋糕", "price": 500, "stock": 7}],
        "users": [{"user": "erin", "password": "demo", "balance": 9}],
        "coupons": [
            {"coupon_id": "c9", "user": "erin", "value": 5, "minimum": 0, "valid_until": "2030-12-31T00:00:00Z"}
        ],
    } | parts


async def test_load(operator: httpx.AsyncClient, shop: PeerShop) -> None:
    """A load file is taken in; the same again changes nothing."""
    answer = await operator.post("/api/ops/load", json=document())
    assert answer.json() == {"goods": 1, "users": 1, "coupons": 1, "added": 3, "changed": 0}
    assert (shop.goods["cake"].stock, shop.balances["erin"]) == (7, 9)
    assert shop.coupons["c9"].valid_until == 1_924_905_600_000
    again = await operator.post("/api/ops/load", json=document())
    assert again.json()["added"] == 0
    assert shop.goods["cake"].stock == 7


async def test_load_refused(operator: httpx.AsyncClient, shop: PeerShop) -> None:
    """One bad row, or a price that differs, and nothing of the file is taken in."""
    bad_row = document(users=[{"user": "erin", "balance": -1}])
    other_price = document(goods=[{"sku": "tea", "title": "Tea", "price": 1, "stock": 1}])
    for body, place in ((bad_row, "users[0].balance"), (other_price, "good tea")):
        answer = await operator.post("/api/ops/load", json=body)
        assert (answer.status_code, answer.json()["code"]) == (422, "load_refused")
        assert place in answer.json()["problems"][0]
    assert "erin" not in shop.balances
    assert "c9" not in shop.coupons


async def test_load_bounds(operator: httpx.AsyncClient) -> None:
    """More than 8 MiB is 413, another Content-Type 415."""
    large = await operator.post("/api/ops/load", content=b" " * (8 * 1024 * 1024 + 1))
    assert (large.status_code, large.json()["code"]) == (413, "body_too_large")
    text = await operator.post("/api/ops/load", content=b"{}", headers={"Content-Type": "text/csv"})
    assert text.status_code == 415


@pytest.mark.parametrize("path", ["/api/ops/dead-letters", "/api/ops/breaks", "/api/ops/refused-notices"])
async def test_pages_are_bounded(operator: httpx.AsyncClient, path: str) -> None:
    """A page has at most 1,000 rows."""
    assert (await operator.get(f"{path}?limit=1001")).status_code == 422
    assert (await operator.get(f"{path}?limit=1000")).status_code == 200
