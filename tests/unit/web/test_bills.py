"""Bills over HTTP: what operators begin to compare, and what they see of it."""

from typing import Any

import httpx
import pytest

from makegood.engine.errors import Overloaded, ServiceUnavailable
from makegood.shop.payments.bill_contracts import Difference
from tests.unit.web.peer import PeerShop
from tests.unit.web.people import Buyer

AT = "2023-11-14T22:13:20.000Z"
YESTERDAY, TODAY = "2023-11-14", "2023-11-15"
"""By China's clock, on which it is a quarter past six in the morning."""
PATH = "/api/ops/reconciliations"


def difference(id: int, number: str, **changed: Any) -> Difference:
    """A line that only the platform has, but for what is changed."""
    line: dict[str, Any] = {
        "difference_id": id,
        "kind": "theirs_only",
        "account": "alipay:shop",
        "day": YESTERDAY,
        "number": number,
        "refund_number": "",
        "trade_no": "t1",
        "ours": 0,
        "theirs": 100,
        "at": 1_700_000_000_000,
        "detail": "no payment of ours has this number",
    }
    return Difference(**line | changed)


async def begin(operator: httpx.AsyncClient, channel: str = "alipay", date: str = YESTERDAY) -> httpx.Response:
    """An operator has a bill compared."""
    return await operator.post(PATH, json={"channel": channel, "date": date})


def refused(answer: httpx.Response, status: int, code: str) -> None:
    """It is a problem of this code, which says what to do."""
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["status"]) == (status, code, status)
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["detail"]


async def test_a_comparison_begins_and_ends(operator: httpx.AsyncClient, shop: PeerShop) -> None:
    """It is accepted, can be looked at until it has ended, and is then as it ended."""
    begun = await begin(operator)
    assert begun.status_code == 202
    wanted = {
        "account": "alipay:shop",
        "channel": "alipay",
        "date": YESTERDAY,
        "state": "RUNNING",
        "run": 1,
        "began_at": AT,
        "ended_at": None,
        "lines": 0,
        "captured": 0,
        "refunded": 0,
        "differences": 0,
        "error": "",
    }
    assert begun.json() == wanted
    assert (await operator.get(f"{PATH}/alipay/{YESTERDAY}")).json() == wanted
    end = {"state": "DONE", "lines": 3, "captured": 2**53, "refunded": 100, "differences": 1}
    shop.book.bills.change("alipay:shop", YESTERDAY, **end, ended_at=shop.now() + 1_000)
    ended = (await operator.get(f"{PATH}/alipay/{YESTERDAY}")).json()
    assert ended == wanted | end | {"ended_at": "2023-11-14T22:13:21.000Z"}


async def test_begun_again(operator: httpx.AsyncClient, shop: PeerShop) -> None:
    """One that runs goes on, one that has ended runs once more; a channel of the same merchant has the same bill."""
    assert [(await begin(operator)).json()["run"] for _ in range(2)] == [1, 1]
    shop.book.bills.change("alipay:shop", YESTERDAY, state="FAILED", ended_at=shop.now(), error="NO_RIGHTS: ask")
    failed = (await operator.get(f"{PATH}/alipay_page/{YESTERDAY}")).json()
    assert (failed["state"], failed["error"]) == ("FAILED", "NO_RIGHTS: ask")
    assert (await begin(operator, "alipay_page")).json()["run"] == 2


@pytest.mark.parametrize(
    ("channel", "date", "status", "code"),
    [
        ("nopay", YESTERDAY, 422, "unknown_channel"),
        ("alipay", "2023-02-30", 422, "no_such_day"),
        ("alipay", "yesterday", 422, "no_such_day"),
        ("alipay", TODAY, 409, "day_not_over"),
        ("alipay", "9999-12-31", 409, "day_not_over"),
    ],
)
async def test_what_cannot_be_compared(
    operator: httpx.AsyncClient, shop: PeerShop, channel: str, date: str, status: int, code: str
) -> None:
    """An unknown channel, a day that is none and one that is not over are refused, and nothing is begun."""
    refused(await begin(operator, channel, date), status, code)
    assert shop.book.bills.compared == {}


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        "alipay",
        {"channel": "alipay"},
        {"date": YESTERDAY},
        {"channel": "", "date": YESTERDAY},
        {"channel": "Alipay", "date": YESTERDAY},
        {"channel": "a" * 33, "date": YESTERDAY},
        {"channel": "alipay", "date": ""},
        {"channel": "alipay", "date": "2023-11-14T00:00"},
        {"channel": "alipay", "date": 20231114},
        {"channel": "alipay", "date": None},
        {"channel": "alipay", "date": YESTERDAY, "run": 2},
    ],
)
async def test_bad_bodies(operator: httpx.AsyncClient, shop: PeerShop, body: Any) -> None:
    """Whatever is no channel with a day is malformed, and nothing is begun."""
    refused(await operator.post(PATH, json=body), 422, "malformed")
    assert shop.book.bills.compared == {}


async def test_bodies_that_are_no_json(operator: httpx.AsyncClient, shop: PeerShop) -> None:
    """What is no JSON, or does not say that it is, is refused."""
    for content in (b"", b"{", b"\xff", b"[" * 100_000):
        headers = {"Content-Type": "application/json"}
        refused(await operator.post(PATH, content=content, headers=headers), 422, "malformed")
    refused(
        await operator.post(PATH, content=b"{}", headers={"Content-Type": "text/plain"}), 415, "unsupported_media_type"
    )
    assert shop.book.bills.compared == {}


@pytest.mark.parametrize(
    "where", [f"nopay/{YESTERDAY}", "alipay/2023-11-13", "alipay/2023-02-30", "Ali%20pay/x", "alipay/" + "9" * 99]
)
async def test_comparisons_that_are_not_there(operator: httpx.AsyncClient, where: str) -> None:
    """A comparison that nobody began is 404, like one that cannot be."""
    await begin(operator)
    refused(await operator.get(f"{PATH}/{where}"), 404, "not_found")


async def test_comparisons_page_by_page(operator: httpx.AsyncClient) -> None:
    """Those begun last come first, page by page, and the last page says that it is the last."""
    dates = [f"2023-11-0{day}" for day in range(1, 6)]
    for date in dates:
        await begin(operator, date=date)
    page = (await operator.get(f"{PATH}?limit=2")).json()
    found = [one["date"] for one in page["reconciliations"]]
    assert found == ["2023-11-05", "2023-11-04"]
    while page["next"] is not None:
        assert isinstance(page["next"], str)
        page = (await operator.get(f"{PATH}?limit=2&after={page['next']}")).json()
        found += [one["date"] for one in page["reconciliations"]]
    assert found == dates[::-1]


async def test_differences_page_by_page(operator: httpx.AsyncClient, shop: PeerShop) -> None:
    """Lines that differ come the oldest first, page by page, as they are."""
    shop.book.bills.differences = [difference(2**60 + id, f"x{id}") for id in range(3)]
    page = (await operator.get("/api/ops/differences?limit=2")).json()
    assert page["differences"][0] == {
        "kind": "theirs_only",
        "account": "alipay:shop",
        "date": YESTERDAY,
        "number": "x0",
        "refund_number": "",
        "trade_no": "t1",
        "ours": 0,
        "theirs": 100,
        "at": AT,
        "detail": "no payment of ours has this number",
        "order_id": None,
    }
    assert ([one["number"] for one in page["differences"]], page["next"]) == (["x0", "x1"], str(2**60 + 1))
    rest = (await operator.get(f"/api/ops/differences?limit=2&after={page['next']}")).json()
    assert ([one["number"] for one in rest["differences"]], rest["next"]) == (["x2"], None)


async def test_differences_lead_to_orders(alice: Buyer, operator: httpx.AsyncClient, shop: PeerShop) -> None:
    """A line whose number is a payment's of ours leads to its order, any other nowhere, and without payments none."""
    order = await alice.order()
    number = (await alice.pay(order))["payment_id"]
    numbers = ["77", number, "9" * 19, f"1{number}", "", "[/red]"]
    shop.book.bills.differences = [difference(id, one) for id, one in enumerate(numbers, 1)]
    found = (await operator.get("/api/ops/differences")).json()["differences"]
    assert [one["order_id"] for one in found] == [None, order["order_id"], None, None, None, None]
    shop.failing["payments.Find"] = Overloaded("busy")
    found = (await operator.get("/api/ops/differences")).json()["differences"]
    assert [(one["number"], one["order_id"]) for one in found] == [(number, None) for number in numbers]


@pytest.mark.parametrize("path", [PATH, "/api/ops/differences"])
async def test_pages_are_bounded(operator: httpx.AsyncClient, path: str) -> None:
    """A page has 1 to 1,000 rows, and begins where a page ended."""
    for limit in (0, 1_001, -1):
        refused(await operator.get(f"{path}?limit={limit}"), 422, "malformed")
    for after in ("x", "-1", "9" * 30, "1.5"):
        refused(await operator.get(f"{path}?after={after}"), 422, "malformed")
    assert (await operator.get(f"{path}?limit=1000&after=1")).status_code == 200


CALLS = [("POST", PATH), ("GET", PATH), ("GET", f"{PATH}/alipay/{YESTERDAY}"), ("GET", "/api/ops/differences")]


@pytest.mark.parametrize(("method", "path"), CALLS)
async def test_for_operators_alone(alice: Buyer, operator: httpx.AsyncClient, method: str, path: str) -> None:
    """Nobody without the operators' token begins or sees anything, whatever there is to see."""
    await begin(operator)
    body = {"channel": "alipay", "date": YESTERDAY} if method == "POST" else None
    refused(await alice.http.request(method, path, json=body), 401, "unauthorized")
    refused(await alice.http.request(method, path, json=body, headers=alice.headers), 403, "not_operator")
    assert (await operator.request(method, path, json=body)).is_success


@pytest.mark.parametrize(("method", "path"), CALLS)
async def test_without_payments(operator: httpx.AsyncClient, shop: PeerShop, method: str, path: str) -> None:
    """When payments does not answer, that is said: that nothing is known of what was to begin, else when to ask."""
    for operation in ("Reconcile", "Reconciliation", "Reconciliations", "Differences"):
        shop.failing[f"payments.{operation}"] = ServiceUnavailable("nobody answers")
    body = {"channel": "alipay", "date": YESTERDAY} if method == "POST" else None
    answer = await operator.request(method, path, json=body)
    if method == "POST":
        refused(answer, 504, "timeout")
    else:
        refused(answer, 503, "unavailable")
        assert int(answer.headers["retry-after"]) > 0
