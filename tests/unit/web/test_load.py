"""Load files: strict rows, every problem with its place, all or nothing."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from makegood.engine.errors import DeadlineExceeded
from makegood.load import MAX_DOCUMENT, MAX_PROBLEMS, LoadRefused, load, parse
from makegood.shop.stock.contracts import Good
from tests.unit.web.peer import PeerShop

GOOD = {"sku": "cake", "title": "Cake", "price": 500, "stock": 7}
USER = {"user": "erin", "password": "demo", "balance": 9}
COUPON = {"coupon_id": "c9", "user": "erin", "value": 5, "minimum": 0, "valid_until": "2030-12-31T00:00:00Z"}

BAD: list[tuple[dict[str, Any], str]] = [
    ({"goods": [GOOD | {"sku": ""}]}, "goods[0].sku: "),
    ({"goods": [GOOD, GOOD]}, "goods[1]: cake is already in goods[0]"),
    ({"goods": [GOOD | {"price": 0}]}, "goods[0].price: "),
    ({"goods": [GOOD | {"price": "500"}]}, "goods[0].price: "),
    ({"goods": [GOOD | {"stock": -1}]}, "goods[0].stock: "),
    ({"goods": [GOOD | {"limit": 0}]}, "goods[0].limit: "),
    ({"goods": [GOOD | {"colour": "red"}]}, "goods[0]: "),
    ({"goods": [[]]}, "goods[0]: "),
    ({"goods": {}}, "the document"),
    ({"orders": []}, "the document"),
    ({"users": [USER, USER | {"balance": 1}]}, "users[1]: erin is already in users[0]"),
    ({"users": [USER | {"balance": 5.5}]}, "users[0].balance: "),
    ({"users": [USER | {"password": ""}]}, "users[0].password: "),
    ({"coupons": [COUPON, COUPON]}, "coupons[1]: c9 is already in coupons[0]"),
    ({"coupons": [COUPON | {"value": 0}]}, "coupons[0].value: "),
    ({"coupons": [COUPON | {"valid_until": 1_924_905_600_000}]}, "coupons[0].valid_until: "),
    ({"coupons": [COUPON | {"valid_until": "2030-12-31"}]}, "coupons[0].valid_until: "),
    ({"coupons": [COUPON | {"valid_until": "2030-12-31T00:00:00"}]}, "coupons[0].valid_until: "),
    ({"coupons": [COUPON | {"valid_until": "2030-12-31T00:00:00+08:00"}]}, "coupons[0]: valid_until"),
    ({"coupons": [COUPON | {"valid_until": "1969-12-31T00:00:00Z"}]}, "coupons[0]: valid_until"),
]


@pytest.mark.parametrize(("document", "place"), BAD)
async def test_bad_rows(document: dict[str, Any], place: str) -> None:
    """Each bad row is named with its place, and the good rows beside it are not taken in."""
    shop = PeerShop()
    good = {"goods": [], "users": [USER | {"user": "zoe"}], "coupons": [COUPON | {"coupon_id": "c0"}]}
    with pytest.raises(LoadRefused) as refused:
        await load(shop.call, json.dumps(good | document).encode())
    assert len(refused.value.problems) == 1
    assert refused.value.problems[0].startswith(place)
    assert (shop.goods, shop.balances, shop.coupons) == ({}, {}, {})


def test_problems_are_all_listed() -> None:
    """Every problem of the file is listed, of all kinds of rows, up to a hundred."""
    document = {"goods": [GOOD | {"price": 0}], "users": [USER | {"balance": -1}], "coupons": [COUPON | {"value": 0}]}
    with pytest.raises(LoadRefused) as refused:
        parse(json.dumps(document).encode())
    assert [problem.split("[")[0] for problem in refused.value.problems] == ["goods", "users", "coupons"]
    with pytest.raises(LoadRefused) as refused:
        parse(json.dumps({"goods": [GOOD | {"price": 0}] * 1_000, "users": [{}]}).encode())
    assert len(refused.value.problems) == MAX_PROBLEMS


async def test_other_price() -> None:
    """A price that differs from what is there refuses the whole file before anything is taken in."""
    shop = PeerShop()
    shop.goods["cake"] = Good("cake", "Cake", 501, 0, None)
    with pytest.raises(LoadRefused, match="good cake"):
        await load(shop.call, json.dumps({"goods": [GOOD], "users": [USER]}).encode())
    assert shop.balances == {}


async def test_large_file() -> None:
    """A file larger than one request to a service is checked as a whole before its first part is taken in."""
    shop = PeerShop()
    rows = [GOOD | {"sku": f"s{number}"} for number in range(12_001)]
    shop.goods["s12000"] = Good("s12000", "Cake", 501, 0, None)
    with pytest.raises(LoadRefused):
        await load(shop.call, json.dumps({"goods": rows}).encode())
    assert len(shop.goods) == 1
    shop.goods.clear()
    report = await load(shop.call, json.dumps({"goods": rows}).encode())
    assert (report.goods, report.added, len(shop.goods)) == (12_001, 12_001, 12_001)


async def test_interrupted() -> None:
    """When a service fails half way, loading the same file again completes it and doubles nothing."""
    shop = PeerShop()
    document = json.dumps({"goods": [GOOD], "users": [USER]}).encode()
    shop.failing["accounts.Load"] = DeadlineExceeded("late")
    with pytest.raises(DeadlineExceeded):
        await load(shop.call, document)
    shop.failing.clear()
    await load(shop.call, document)
    await load(shop.call, document)
    assert (shop.goods["cake"].stock, shop.balances["erin"]) == (7, 9)


async def test_empty_file() -> None:
    """A file without rows loads nothing, and is no error."""
    report = await load(PeerShop().call, b"{}")
    assert (report.goods, report.users, report.coupons, report.added) == (0, 0, 0, 0)


def test_too_large() -> None:
    """A file above 8 MiB is refused before it is read."""
    with pytest.raises(LoadRefused, match="split it"):
        parse(b" " * (MAX_DOCUMENT + 1))


@given(st.binary(max_size=200))
def test_arbitrary_bytes(document: bytes) -> None:
    """Bytes that are no file are refused, whatever they are."""
    with pytest.raises(LoadRefused):
        parse(b"\x00" + document)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["goods", "sku", "users"]), inner),
        max_leaves=10,
    )
)
def test_arbitrary_json(document: Any) -> None:
    """JSON of any shape is read or refused, never anything else."""
    try:
        parsed = parse(json.dumps(document).encode())
    except LoadRefused:
        return
    assert (parsed.goods, parsed.users, parsed.coupons) == ((), (), ())
