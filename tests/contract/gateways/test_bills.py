"""The daily bill of each platform: every payment and refund of the day, of all its channels, to the fen."""

from collections.abc import AsyncGenerator, Generator
from contextlib import AsyncExitStack
from datetime import date

import pytest

from makegood.shop.payments.bill_days import date_of, day_of
from makegood.shop.payments.gateways.port import BillLine, GatewayUnavailable, RefundPayment
from tests.support.sandbox import SandboxProcess, running_sandbox

from .shop import CHANNELS, Shop, inbox, merchants, shop_of

MINUTE = 60_000
DAY_SECONDS = 86_400


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Generator[SandboxProcess]:
    """One whose days these tests end."""
    with running_sandbox(tmp_path_factory.mktemp("bills")) as running:
        yield running


@pytest.fixture
async def shops(sandbox: SandboxProcess) -> AsyncGenerator[dict[str, Shop]]:
    """A merchant with every channel."""
    async with AsyncExitStack() as stack:
        known, found = merchants(sandbox), dict[str, Shop]()
        for channel in CHANNELS:
            box = stack.enter_context(inbox())
            found[channel] = await stack.enter_async_context(shop_of(known, channel, box))
        yield found


async def test_bill_holds_every_line(sandbox: SandboxProcess, shops: dict[str, Shop]) -> None:
    """Each platform's bill has exactly the day's payments and refunds, and channels of a merchant share it."""
    expected: dict[str, set[tuple[str, str, str, str, int]]] = {}
    moments: list[int] = []
    for amount, shop in enumerate(shops.values(), 300):
        payment = shop.payment(amount)
        told, kept = await shop.pay(payment)
        refund = RefundPayment(payment.payment_id, f"{payment.payment_id}9", 100, "broken", amount, told.trade_no)
        assert (await shop.settled(refund)).status == "succeeded"
        number, trade_no = payment.payment_id, told.trade_no
        lines = expected.setdefault(shop.gateway.account, set())
        lines.add(("payment", number, "", trade_no, amount))
        lines.add(("refund", number, refund.refund_id, trade_no, 100))
        moments.append((await shop.query(payment, kept)).paid_at or 0)
    day = date_of(day_of(min(moments)))
    if day != date_of(day_of(max(moments))):
        pytest.skip("midnight in China came between the payments")
    await shops["alipay"].http.post(f"{sandbox.url}/control/clock", json={"advance_seconds": DAY_SECONDS})
    for shop in shops.values():
        bill = await shop.gateway.bill(day)
        found = {(one.kind, one.number, one.refund_number, one.trade_no, one.amount) for one in bill}
        assert found == expected[shop.gateway.account]
        assert len(bill) == len(found)
        assert all(min(moments) - MINUTE <= one.at <= max(moments) + MINUTE for one in bill), _told(bill)


def _told(bill: list[BillLine]) -> list[int]:
    return [one.at for one in bill]


async def test_day_without_trade(shops: dict[str, Shop]) -> None:
    """An empty day is an empty bill."""
    for shop in shops.values():
        assert await shop.gateway.bill(date(2026, 1, 2)) == []


async def test_day_that_is_not_over(sandbox: SandboxProcess, shops: dict[str, Shop]) -> None:
    """A bill that is not made yet is no empty bill: it is asked for later. Stripe has what there is so far."""
    clock = (await shops["alipay"].http.get(f"{sandbox.url}/control/clock")).json()
    today = date.fromisoformat(clock["now"][:10])
    for channel, shop in shops.items():
        if channel == "stripe":
            await shop.gateway.bill(today)
        else:
            with pytest.raises(GatewayUnavailable, match="ask after"):
                await shop.gateway.bill(date_of((today - date(1970, 1, 1)).days + 1))
