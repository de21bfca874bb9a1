"""The differences of one bill over HTTP, and as the command line asks for them."""

import httpx
import pytest

from tests.unit.web.peer import PeerShop
from tests.unit.web.test_bills import TODAY, YESTERDAY, difference, refused

PATH = "/api/ops/differences"


async def test_of_one_bill(operator: httpx.AsyncClient, shop: PeerShop) -> None:
    """Only this merchant's and this day's come, page by page; without both, all do."""
    shop.book.bills.differences = [
        difference(1, "x1"),
        difference(2, "x2", day=TODAY),
        difference(3, "x3", account="alipay:else"),
        difference(4, "x4"),
    ]
    wanted = {"account": "alipay:shop", "date": YESTERDAY, "limit": 1}
    page = (await operator.get(PATH, params=wanted)).json()
    assert ([one["number"] for one in page["differences"]], page["next"]) == (["x1"], "1")
    rest = (await operator.get(PATH, params=wanted | {"after": page["next"]})).json()
    assert ([one["number"] for one in rest["differences"]], rest["next"]) == (["x4"], None)
    assert len((await operator.get(PATH)).json()["differences"]) == 4
    other = (await operator.get(PATH, params=wanted | {"account": "alipay:nobody"})).json()
    assert other == {"differences": [], "next": None}


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("account=alipay:shop", "malformed"),
        (f"date={YESTERDAY}", "malformed"),
        (f"account=&date={YESTERDAY}", "malformed"),
        (f"account={'a' * 65}&date={YESTERDAY}", "malformed"),
        ("account=alipay:shop&date=2023-11-14T00:00", "malformed"),
        ("account=alipay:shop&date=2023-02-30", "no_such_day"),
        ("account=alipay:shop&date=yesterday", "no_such_day"),
    ],
)
async def test_bills_that_cannot_be(operator: httpx.AsyncClient, query: str, code: str) -> None:
    """Half a bill's name, one that is too long and a day that is none are refused."""
    refused(await operator.get(f"{PATH}?{query}"), 422, code)
