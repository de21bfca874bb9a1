"""What the adapter asks Alipay, and what it makes of the answers."""

import pytest

from makegood.shop.payments.gateways.alipay_signing import signed_form
from makegood.shop.payments.gateways.port import (
    Gateway,
    GatewayRefused,
    GatewayUnavailable,
    OpenPayment,
    RefundPayment,
    RefundState,
    Trade,
)

from .platform import APP, MERCHANT_KEY, NOW, Platform, fails, gateway, says, succeeds

PRECREATE, QUERY, CLOSE, REFUND, REFUND_QUERY = (
    f"alipay.trade.{name}" for name in ("precreate", "query", "close", "refund", "fastpay.refund.query")
)
PAYMENT = OpenPayment("P1", 8880, "茶叶 = 250 g / tin & lid", NOW + 900_000, "https://shop.test/notify/alipay")
REFUNDED = RefundPayment("P1", "R1", 880, "broken lid", captured=8880)
QR = "https://qr.alipay.com/bax03431ljhokirwl38f00a7"
TRADE = {"trade_no": "2026010122001400000001", "total_amount": "88.80"}


@pytest.fixture
def platform() -> Platform:
    """Alipay's end of the wire."""
    return Platform()


@pytest.fixture
def alipay(platform: Platform) -> Gateway:
    """The adapter, talking to it."""
    return gateway(platform.answer)


async def test_open(alipay: Gateway, platform: Platform) -> None:
    """Opening asks for a QR code for the exact amount, payable until the payment's deadline in Beijing time."""
    platform.replies[PRECREATE] = succeeds(qr_code=QR)
    assert (await alipay.open(PAYMENT)).pay_url == QR
    assert platform.content() == {
        "out_trade_no": "P1",
        "total_amount": "88.80",
        "subject": "茶叶   250 g   tin   lid",
        "time_expire": "2026-01-01 08:15:00",
    }


async def test_common_parameters_and_signature(alipay: Gateway, platform: Platform) -> None:
    """A request names its application, method, charset and Beijing time, and is signed with the merchant's key."""
    platform.replies[PRECREATE] = succeeds(qr_code=QR)
    await alipay.open(PAYMENT)
    sent = platform.received[0]
    assert (sent["app_id"], sent["charset"], sent["sign_type"], sent["version"]) == (APP, "utf-8", "RSA2", "1.0")
    assert (sent["timestamp"], sent["notify_url"]) == ("2026-01-01 08:00:00", PAYMENT.notify_url)
    signature = sent.pop("sign")
    assert signed_form(sent, MERCHANT_KEY)["sign"] == signature


async def test_open_again(alipay: Gateway, platform: Platform) -> None:
    """Opening the same payment again asks the very same thing, so Alipay gives the same code."""
    platform.replies[PRECREATE] = succeeds(qr_code=QR)
    assert await alipay.open(PAYMENT) == await alipay.open(PAYMENT)
    assert platform.received[0]["biz_content"] == platform.received[1]["biz_content"]


async def test_open_with_a_long_subject(alipay: Gateway, platform: Platform) -> None:
    """A title longer than Alipay takes makes no order unpayable."""
    platform.replies[PRECREATE] = succeeds(qr_code=QR)
    await alipay.open(OpenPayment("P1", 8880, "茶" * 300, NOW + 900_000, PAYMENT.notify_url))
    assert platform.content()["subject"] == "茶" * 256


@pytest.mark.parametrize("code", ["", "javascript:alert(1)", "//qr.alipay.com/x"])
async def test_open_without_a_page(alipay: Gateway, platform: Platform, code: str) -> None:
    """What is no web address is not shown to a buyer."""
    platform.replies[PRECREATE] = succeeds(qr_code=code)
    with pytest.raises(GatewayUnavailable):
        await alipay.open(PAYMENT)


async def test_open_of_a_paid_trade(alipay: Gateway, platform: Platform) -> None:
    """A refusal keeps Alipay's own code and says what to do."""
    platform.replies[PRECREATE] = fails("ACQ.TRADE_HAS_SUCCESS")
    with pytest.raises(GatewayRefused, match="query it") as caught:
        await alipay.open(PAYMENT)
    assert caught.value.code == "ACQ.TRADE_HAS_SUCCESS"


@pytest.mark.parametrize(
    ("status", "state"),
    [("WAIT_BUYER_PAY", "unpaid"), ("TRADE_SUCCESS", "paid"), ("TRADE_FINISHED", "paid"), ("TRADE_CLOSED", "closed")],
)
async def test_query(alipay: Gateway, platform: Platform, status: str, state: str) -> None:
    """Alipay's four states are our three; without a time of payment there is none."""
    platform.replies[QUERY] = succeeds(trade_status=status, **TRADE)
    told = await alipay.query("P1")
    assert (told.state, told.trade_no, told.amount, told.paid_at) == (state, TRADE["trade_no"], 8880, None)


async def test_query_of_a_paid_trade(alipay: Gateway, platform: Platform) -> None:
    """The time of payment is UTC, whatever zone Alipay writes."""
    platform.replies[QUERY] = succeeds(trade_status="TRADE_SUCCESS", send_pay_date="2026-01-01 08:00:01", **TRADE)
    assert await alipay.query("P1") == Trade("paid", TRADE["trade_no"], 8880, 1_767_225_601_000)


async def test_query_before_the_scan(alipay: Gateway, platform: Platform) -> None:
    """A code that nobody scanned is no trade to Alipay, and no error to us."""
    platform.replies[QUERY] = fails("ACQ.TRADE_NOT_EXIST")
    assert await alipay.query("P1") == Trade("unknown_trade")


@pytest.mark.parametrize(
    "change", [{"trade_status": "TRADE_PENDING"}, {"total_amount": "1e3"}, {"send_pay_date": "today"}, {"trade_no": 7}]
)
async def test_query_answered_oddly(alipay: Gateway, platform: Platform, change: dict[str, str]) -> None:
    """A signed answer that is not as documented decides nothing."""
    platform.replies[QUERY] = succeeds(**{"trade_status": "TRADE_SUCCESS", **TRADE, **change})
    with pytest.raises(GatewayUnavailable):
        await alipay.query("P1")


@pytest.mark.parametrize("number", ["", "P-1", "a" * 33])
async def test_query_of_an_impossible_number(alipay: Gateway, platform: Platform, number: str) -> None:
    """A number that cannot have been opened is not asked about."""
    with pytest.raises(ValueError, match="payment number"):
        await alipay.query(number)
    with pytest.raises(ValueError, match="payment number"):
        await alipay.close(number)
    assert platform.received == []


async def test_close(alipay: Gateway, platform: Platform) -> None:
    """Closing an unpaid trade closes it."""
    platform.replies[CLOSE] = succeeds()
    assert await alipay.close("P1") == "closed"
    assert platform.content() == {"out_trade_no": "P1"}


async def test_close_answered_in_brief(alipay: Gateway, platform: Platform) -> None:
    """Alipay may leave the trade's number out of its answer to a close."""
    platform.replies[CLOSE] = says({"code": "10000", "msg": "Success"})
    assert await alipay.close("P1") == "closed"


async def test_close_before_the_scan(alipay: Gateway, platform: Platform) -> None:
    """Nothing was captured of a trade that Alipay does not know, so the order may be cancelled."""
    platform.replies[CLOSE] = fails("ACQ.TRADE_NOT_EXIST")
    assert await alipay.close("P1") == "closed"


@pytest.mark.parametrize(
    ("status", "closing"),
    [("TRADE_SUCCESS", "paid"), ("TRADE_FINISHED", "paid"), ("TRADE_CLOSED", "closed"), ("WAIT_BUYER_PAY", "unknown")],
)
async def test_close_refused(alipay: Gateway, platform: Platform, status: str, closing: str) -> None:
    """A trade that cannot be closed is looked at, so a paid one is known for paid and never cancelled."""
    platform.replies |= {
        CLOSE: fails("ACQ.TRADE_STATUS_ERROR"),
        QUERY: succeeds(trade_status=status, **TRADE),
    }
    assert await alipay.close("P1") == closing


async def test_close_of_a_trade_paid_and_refunded(alipay: Gateway, platform: Platform) -> None:
    """A trade that is closed because all of it was refunded was paid: whoever closes it hears so."""
    platform.replies |= {
        CLOSE: fails("ACQ.TRADE_STATUS_ERROR"),
        QUERY: succeeds(trade_status="TRADE_CLOSED", send_pay_date="2026-01-01 08:00:01", **TRADE),
    }
    assert await alipay.close("P1") == "paid"


async def test_close_refused_and_then_forgotten(alipay: Gateway, platform: Platform) -> None:
    """Two answers that contradict each other decide nothing."""
    platform.replies |= {CLOSE: fails("ACQ.TRADE_STATUS_ERROR"), QUERY: fails("ACQ.TRADE_NOT_EXIST")}
    assert await alipay.close("P1") == "unknown"


async def test_refund(alipay: Gateway, platform: Platform) -> None:
    """A refund that moved money succeeded; it carries its own number, so a repeat moves none."""
    platform.replies[REFUND] = succeeds(fund_change="Y", refund_fee="8.80")
    assert await alipay.refund(REFUNDED) == RefundState("succeeded")
    assert platform.content() == {
        "out_trade_no": "P1",
        "out_request_no": "R1",
        "refund_amount": "8.80",
        "refund_reason": "broken lid",
    }


async def test_refund_again(alipay: Gateway, platform: Platform) -> None:
    """A repeat moves no money; that the first one did is then asked for by its number."""
    platform.replies |= {
        REFUND: succeeds(fund_change="N"),
        REFUND_QUERY: succeeds(refund_status="REFUND_SUCCESS", refund_amount="8.80"),
    }
    assert await alipay.refund(REFUNDED) == RefundState("succeeded")
    assert platform.content() == {"out_trade_no": "P1", "out_request_no": "R1"}


@pytest.mark.parametrize("told", [{}, {"refund_status": "REFUND_PROCESSING", "refund_amount": "8.80"}])
async def test_refund_under_way(alipay: Gateway, platform: Platform, told: dict[str, str]) -> None:
    """A refund that was taken and has moved nothing is neither done nor failed."""
    platform.replies |= {REFUND: succeeds(fund_change="N"), REFUND_QUERY: succeeds(**told)}
    assert (await alipay.refund(REFUNDED)).status == "processing"


async def test_refund_refused(alipay: Gateway, platform: Platform) -> None:
    """A refund that Alipay refuses for good has failed, and says why in Alipay's words."""
    platform.replies |= {REFUND: fails("ACQ.TRADE_HAS_FINISHED"), REFUND_QUERY: succeeds()}
    state = await alipay.refund(REFUNDED)
    assert state.status == "failed"
    assert "ACQ.TRADE_HAS_FINISHED" in state.detail


async def test_refund_of_an_unknown_trade(alipay: Gateway, platform: Platform) -> None:
    """Nothing can be refunded of a trade that Alipay does not know."""
    platform.replies |= {REFUND: fails("ACQ.TRADE_NOT_EXIST"), REFUND_QUERY: fails("ACQ.TRADE_NOT_EXIST")}
    assert (await alipay.refund(REFUNDED)).status == "failed"


async def test_refund_refused_because_it_is_done(alipay: Gateway, platform: Platform) -> None:
    """A refund whose first answer was lost is never called failed."""
    platform.replies |= {
        REFUND: fails("ACQ.TRADE_HAS_CLOSE"),
        REFUND_QUERY: succeeds(refund_status="REFUND_SUCCESS", refund_amount="8.80"),
    }
    assert await alipay.refund(REFUNDED) == RefundState("succeeded")


async def test_refund_number_used_for_another_amount(alipay: Gateway, platform: Platform) -> None:
    """Money that moved under this number for another amount is not this refund."""
    platform.replies |= {
        REFUND: fails("ACQ.DISCORDANT_REPEAT_REQUEST"),
        REFUND_QUERY: succeeds(refund_status="REFUND_SUCCESS", refund_amount="1.00"),
    }
    assert (await alipay.refund(REFUNDED)).status == "failed"


async def test_refund_from_an_empty_account(alipay: Gateway, platform: Platform) -> None:
    """A merchant's account that holds too little fails no refund: it is topped up, and a repeat succeeds."""
    platform.replies |= {REFUND: fails("ACQ.SELLER_BALANCE_NOT_ENOUGH"), REFUND_QUERY: succeeds()}
    with pytest.raises(GatewayUnavailable, match="top up"):
        await alipay.refund(REFUNDED)


async def test_refund_with_an_unreadable_state(alipay: Gateway, platform: Platform) -> None:
    """A refund whose amount cannot be read is neither done nor failed."""
    platform.replies |= {
        REFUND: succeeds(fund_change="N"),
        REFUND_QUERY: succeeds(refund_status="REFUND_SUCCESS", refund_amount=""),
    }
    with pytest.raises(GatewayUnavailable):
        await alipay.refund(REFUNDED)


async def test_refund_refused_for_its_application(alipay: Gateway, platform: Platform) -> None:
    """A refund refused because of our configuration has not failed: a person mends that."""
    platform.replies[REFUND] = fails("isv.insufficient-isv-permissions", "40006")
    with pytest.raises(GatewayRefused, match=r"isv\.insufficient"):
        await alipay.refund(REFUNDED)
    assert platform.methods() == ["refund"]
