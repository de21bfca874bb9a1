"""Which cases there are, and the orders that they place."""

import msgspec
import pytest

from makegood.bench import cases
from makegood.bench.cases import BUYERS, Case, OrderRequests, select
from makegood.bench.errors import BenchError
from makegood.load import parse
from makegood.shop.orders.settings import OrdersSettings
from makegood.web.requests import NewOrder

TOKENS = [f"token-{number}" for number in range(10)]


def placed(case: Case, count: int) -> list[tuple[dict[str, str], NewOrder]]:
    """The headers and bodies of a case's first orders."""
    requests = OrderRequests(case, TOKENS, "tag", limit=count)
    found: list[tuple[dict[str, str], NewOrder]] = []
    while (request := requests.next()) is not None:
        head, _, body = request.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        assert first == "POST /api/orders HTTP/1.1"
        headers = dict(line.split(": ", 1) for line in lines)
        assert int(headers["content-length"]) == len(body)
        found.append((headers, msgspec.json.decode(body, type=NewOrder)))
    return found


@pytest.mark.parametrize("case", select(None, None, None, None, full=True), ids=str)
def test_the_orders_of_a_case_are_what_the_shop_expects(case: Case) -> None:
    """Keys and coupons are used once, sums are right, no SKU comes twice, and every buyer orders in turn."""
    orders = placed(case, 40)
    assert len({headers["idempotency-key"] for headers, _ in orders}) == 40
    fee = OrdersSettings().fee_for(cases.PRICE)
    for number, (headers, order) in enumerate(orders):
        goods = sum(line.quantity * line.unit_price for line in order.lines)
        saved = order.balance + (cases.COUPON_VALUE if order.coupon_id else 0)
        assert (order.amount_due, order.shipping_fee, fee) == (goods - saved, 0, 0)
        assert len({line.sku for line in order.lines}) == len(order.lines) == case.lines
        assert any(line.sku == "sold-out" for line in order.lines) == (case.goods == "sold-out")
        assert headers["authorization"] == f"Bearer {TOKENS[number % min(case.buyers, len(TOKENS))]}"
        assert order.coupon_id == (cases.coupon_id("tag", number) if case.extras else None)


def test_hot_is_one_sku_and_spread_a_thousand() -> None:
    """All orders of `hot` are for the same SKU; those of `spread` go over a thousand."""
    hot = {order.lines[0].sku for _, order in placed(Case(8, "hot", 1, False), 2_000)}
    spread = {order.lines[0].sku for _, order in placed(Case(8, "spread", 1, False), 2_000)}
    assert (len(hot), len(spread)) == (1, cases.SKUS)


def test_everything_ordered_is_loaded() -> None:
    """The documents are such as the shop takes, and hold every SKU and every buyer of every case."""
    loaded = [parse(document) for document in cases.documents()]
    skus = {good.sku for document in loaded for good in document.goods}
    users = {user.user for document in loaded for user in document.users}
    for case in select(None, None, None, None, full=True):
        assert {line.sku for _, order in placed(case, 1_100) for line in order.lines} <= skus
    assert users == {cases.user_name(number) for number in range(cases.MAX_BUYERS)}


def test_which_cases_are_measured() -> None:
    """Without options all numbers of buyers for the plain order; options name every combination of theirs."""
    default = select(None, None, None, None, full=False)
    assert [case.buyers for case in default if (case.goods, case.lines, case.extras) == ("spread", 1, False)] == [
        *BUYERS
    ]
    assert {(case.goods, case.lines, case.extras) for case in default} >= {
        ("hot", 1, False),
        ("sold-out", 1, False),
        ("spread", 9, False),
        ("spread", 1, True),
    }
    assert len(set(select(None, None, None, None, full=True))) == 5 * 3 * 2 * 2
    chosen = select("8,64", "hot", "1,9", "plain", full=False)
    assert chosen == [Case(buyers, "hot", lines, False) for buyers in (8, 64) for lines in (1, 9)]
    assert select(None, None, None, None, full=False, history=True) == [Case(256, "spread", 1, False)]


@pytest.mark.parametrize(
    ("buyers", "goods", "lines", "kind", "says"),
    [
        ("many", None, None, None, "--buyers many: give whole numbers"),
        ("0", None, None, None, "--buyers 0: give 1 to"),
        ("5000", None, None, None, "--buyers 5000: give 1 to"),
        (None, "cold", None, None, "--goods cold: give some of spread, hot, sold-out"),
        (None, None, "1000", None, "--lines 1000: give 1 to"),
        (None, None, None, "free", "--kind free: give some of plain, coupon"),
    ],
)
def test_options_that_are_wrong(
    buyers: str | None, goods: str | None, lines: str | None, kind: str | None, says: str
) -> None:
    """What no shop here could be asked is refused with the option's name and what it may be."""
    with pytest.raises(BenchError, match=says):
        select(buyers, goods, lines, kind, full=False)
