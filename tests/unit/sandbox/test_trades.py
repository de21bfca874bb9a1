"""What may become of a trade, by Alipay's methods, on a database in memory."""

from decimal import Decimal
from typing import Any

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makegood.sandbox import notifications, retention, trades
from makegood.sandbox.alipay import requests
from makegood.sandbox.alipay.merchant import Merchant, new_account
from makegood.sandbox.alipay.payments import Caller, close, precreate, query
from makegood.sandbox.alipay.refunds import query_refund, refund
from makegood.sandbox.clock import Clock
from makegood.sandbox.schema import SCHEMA
from makegood.sandbox.store import Transaction
from makegood.sandbox.trades import Trade

NOW = 1_795_320_000_000
HOUR = 3_600_000
CALLER = Caller(Merchant(new_account()), "http://127.0.0.1/cashier/", "http://127.0.0.1/notify")
NUMBER = "order_1"


@pytest.fixture
def tx() -> Transaction:
    """An empty ledger at a fixed time."""
    return ledger()


def ledger() -> Transaction:
    """An empty ledger at a fixed time."""
    db = apsw.Connection(":memory:")
    for statement in SCHEMA:
        db.execute(statement)
    return Transaction(db, NOW, Clock.at_world_time().new_token)


def asked(tx: Transaction, amount: str = "20.00", number: str = NUMBER, **more: str) -> Any:
    """The answer to precreate."""
    return precreate(tx, CALLER, requests.Precreate(number, Decimal(amount), "Apples", **more))


def row(tx: Transaction) -> Trade:
    """The trade."""
    found = trades.by_out_trade_no(tx, NUMBER)
    assert found is not None
    return found


def scanned(tx: Transaction) -> Trade:
    """A trade whose code was scanned."""
    asked(tx)
    return trades.scan(tx, row(tx))


def paid(tx: Transaction) -> Trade:
    """A trade that was paid."""
    return trades.pay(tx, scanned(tx))


def status(tx: Transaction) -> Any:
    """What query says: the status, or why not."""
    answer = query(tx, CALLER, requests.Query(NUMBER))
    return answer.get("trade_status") or answer["sub_code"]


def gives_back(tx: Transaction, amount: str, request: str | None) -> Any:
    """The answer to refund."""
    return refund(tx, CALLER, requests.Refund(NUMBER, refund_amount=Decimal(amount), out_request_no=request))


def test_trade_comes_into_being_when_scanned(tx: Transaction) -> None:
    """Query knows nothing of a code; then it waits, then it is paid."""
    asked(tx)
    assert status(tx) == "ACQ.TRADE_NOT_EXIST"
    trades.scan(tx, row(tx))
    assert status(tx) == "WAIT_BUYER_PAY"
    trades.pay(tx, row(tx))
    assert status(tx) == "TRADE_SUCCESS"


def test_same_precreate_gives_the_same_code(tx: Transaction) -> None:
    """A repeat is answered with the first code; one with another amount is refused."""
    first = asked(tx)
    assert asked(tx, "20") == first
    assert asked(tx, "20.01")["sub_code"] == "ACQ.CONTEXT_INCONSISTENT"
    trades.scan(tx, row(tx))
    assert asked(tx) == first
    assert first["qr_code"] == f"http://127.0.0.1/cashier/{row(tx).code}"


def test_precreate_after_the_end_is_refused(tx: Transaction) -> None:
    """A paid or closed number makes no new code."""
    paid(tx)
    assert asked(tx)["sub_code"] == "ACQ.TRADE_HAS_SUCCESS"
    later = tx._replace(now=NOW + 3 * HOUR)
    asked(tx, number="order_2")
    assert asked(later, number="order_2")["sub_code"] == "ACQ.TRADE_HAS_CLOSE"


@pytest.mark.parametrize(
    "wrong",
    [{"amount": "0"}, {"amount": "0.001"}, {"seller_id": "1"}, {"timeout_express": "1y"}, {"time_expire": "soon"}],
)
def test_precreate_refuses_what_it_cannot_mean(tx: Transaction, wrong: dict[str, str]) -> None:
    """A bad amount, another seller and a bad expiry are refused, and nothing is kept."""
    assert asked(tx, **wrong)["sub_code"] == "ACQ.INVALID_PARAMETER"
    assert trades.by_out_trade_no(tx, NUMBER) is None


def test_unpaid_trade_ends_at_its_expiry(tx: Transaction) -> None:
    """A scanned trade is closed at its expiry to the millisecond, and a code is dead."""
    asked(tx, timeout_express="1h")
    trades.scan(tx, row(tx))
    assert status(tx._replace(now=NOW + HOUR - 1)) == "WAIT_BUYER_PAY"
    assert status(tx._replace(now=NOW + HOUR)) == "TRADE_CLOSED"
    asked(tx, number="order_2", timeout_express="1h")
    late = tx._replace(now=NOW + HOUR)
    code = trades.by_out_trade_no(tx, "order_2")
    assert code is not None
    assert trades.scan(late, code).state(late.now) is trades.State.DEAD


def test_paid_trade_does_not_expire(tx: Transaction) -> None:
    """Expiry is for the unpaid only."""
    paid(tx)
    assert status(tx._replace(now=NOW + 80 * 24 * HOUR)) == "TRADE_SUCCESS"


def test_close_ends_what_waits(tx: Transaction) -> None:
    """Closing works once, and only before payment."""
    scanned(tx)
    answer = close(tx, CALLER, requests.Close(NUMBER))
    assert (answer["code"], answer["out_trade_no"]) == ("10000", NUMBER)
    assert status(tx) == "TRADE_CLOSED"
    assert close(tx, CALLER, requests.Close(NUMBER))["sub_code"] == "ACQ.TRADE_STATUS_ERROR"


def test_close_of_a_paid_trade_is_refused(tx: Transaction) -> None:
    """What is paid stays paid."""
    paid(tx)
    assert close(tx, CALLER, requests.Close(NUMBER))["sub_code"] == "ACQ.TRADE_STATUS_ERROR"
    assert status(tx) == "TRADE_SUCCESS"


def test_close_before_the_scan_kills_the_code(tx: Transaction) -> None:
    """The answer is "not exist", and nobody can pay by that code any more."""
    asked(tx)
    for _ in range(2):
        assert close(tx, CALLER, requests.Close(NUMBER))["sub_code"] == "ACQ.TRADE_NOT_EXIST"
    assert trades.scan(tx, row(tx)).state(NOW) is trades.State.DEAD
    assert status(tx) == "ACQ.TRADE_NOT_EXIST"
    assert asked(tx)["sub_code"] == "ACQ.TRADE_HAS_CLOSE"


def test_unknown_trades_do_not_exist(tx: Transaction) -> None:
    """Every method says so of a number nobody used, and of a foreign trade_no."""
    paid(tx)
    for number, trade_no in (("other", ""), ("", "x"), ("", "1" * 28), (NUMBER, "²" * 28)):
        assert query(tx, CALLER, requests.Query(number, trade_no))["sub_code"] == "ACQ.TRADE_NOT_EXIST"
        assert close(tx, CALLER, requests.Close(number, trade_no))["sub_code"] == "ACQ.TRADE_NOT_EXIST"
        wants = requests.Refund(number, trade_no, refund_amount=Decimal(1))
        assert refund(tx, CALLER, wants)["sub_code"] == "ACQ.TRADE_NOT_EXIST"
        looks = requests.RefundQuery(number, trade_no, out_request_no="r")
        assert query_refund(tx, CALLER, looks)["sub_code"] == "ACQ.TRADE_NOT_EXIST"


def test_trade_no_goes_before_out_trade_no(tx: Transaction) -> None:
    """A trade is found by the platform's own number, whatever else is sent."""
    number = CALLER.merchant.trade_no(paid(tx))
    assert len(number) == 28
    assert query(tx, CALLER, requests.Query("other", number))["out_trade_no"] == NUMBER


def test_refund_is_made_once_for_each_request(tx: Transaction) -> None:
    """A repeat changes nothing and says so; with another amount it is refused."""
    paid(tx)
    first = gives_back(tx, "5.00", "r1")
    assert (first["fund_change"], first["refund_fee"], first["send_back_fee"]) == ("Y", "5.00", "5.00")
    again = gives_back(tx, "5.00", "r1")
    assert (again["fund_change"], again["refund_fee"]) == ("N", "5.00")
    assert gives_back(tx, "6.00", "r1")["sub_code"] == "ACQ.DISCORDANT_REPEAT_REQUEST"
    assert row(tx).refunded == 500


def test_refunds_add_up_to_the_amount_at_most(tx: Transaction) -> None:
    """`refund_fee` is the sum so far; the last fen closes the trade; more is refused; repeats still answer."""
    paid(tx)
    gives_back(tx, "5.00", "r1")
    assert gives_back(tx, "15.01", "r2")["sub_code"] == "ACQ.REASON_TRADE_REFUND_FEE_ERR"
    assert status(tx) == "TRADE_SUCCESS"
    assert gives_back(tx, "15.00", "r2")["refund_fee"] == "20.00"
    assert status(tx) == "TRADE_CLOSED"
    assert gives_back(tx, "0.01", "r3")["sub_code"] == "ACQ.TRADE_HAS_CLOSE"
    assert gives_back(tx, "5.00", "r1")["fund_change"] == "N"


def test_refund_without_a_request_number_is_all_or_nothing(tx: Transaction) -> None:
    """Its number is then the trade's own."""
    paid(tx)
    assert gives_back(tx, "5.00", None)["sub_code"] == "ACQ.REFUND_AMT_NOT_EQUAL_TOTAL"
    assert gives_back(tx, "20.00", None)["fund_change"] == "Y"
    looks = requests.RefundQuery(NUMBER, out_request_no=NUMBER)
    assert query_refund(tx, CALLER, looks)["refund_status"] == "REFUND_SUCCESS"


def test_unpaid_trade_has_nothing_to_refund(tx: Transaction) -> None:
    """Neither waiting nor closed."""
    scanned(tx)
    assert gives_back(tx, "20.00", "r1")["sub_code"] == "ACQ.TRADE_STATUS_ERROR"
    close(tx, CALLER, requests.Close(NUMBER))
    assert gives_back(tx, "20.00", "r1")["sub_code"] == "ACQ.TRADE_HAS_CLOSE"


def test_query_of_a_refund_tells_only_what_was_made(tx: Transaction) -> None:
    """One that was not made is a success without a status; the time comes when it is asked for."""
    paid(tx)
    gives_back(tx, "5.00", "r1")
    assert query_refund(tx, CALLER, requests.RefundQuery(NUMBER, out_request_no="r2")) == {
        "code": "10000",
        "msg": "Success",
    }
    looks = requests.RefundQuery(NUMBER, out_request_no="r1", query_options=["gmt_refund_pay"])
    answer = query_refund(tx, CALLER, looks)
    assert (answer["refund_amount"], answer["total_amount"]) == ("5.00", "20.00")
    assert answer["gmt_refund_pay"] == "2026-11-22 12:00:00"


@settings(max_examples=100)
@given(st.lists(st.tuples(st.integers(1, 2500), st.sampled_from(["a", "b", "c", "d"])), max_size=12))
def test_money_given_back_is_what_was_answered(wanted: list[tuple[int, str]]) -> None:
    """Whatever is asked, the ledger holds the sum of refunds answered with fund_change Y, at most the amount."""
    tx = ledger()
    paid(tx)
    given = 0
    for amount, request in wanted:
        answer = gives_back(tx, f"{amount / 100:.2f}", request)
        given += amount if answer.get("fund_change") == "Y" else 0
    assert row(tx).refunded == given <= 2000
    assert sum(each.amount for each in trades.page(tx, 0, 10)[0][1]) == given
    assert len(notifications.due(tx, (), 100)) == 1 + len(trades.page(tx, 0, 10)[0][1])


def test_full_ledger_takes_no_more(tx: Transaction) -> None:
    """At its limit a new trade is refused, and a repeat of an old one is answered."""
    first = asked(tx)
    tx.rows("UPDATE sqlite_sequence SET seq = ?", trades.MAX_TRADES - 1)
    assert asked(tx, number="last")["code"] == "10000"
    assert asked(tx, number="too_many")["sub_code"] == "ACQ.SYSTEM_ERROR"
    assert asked(tx) == first


def test_merchant_without_an_address_is_not_notified(tx: Transaction) -> None:
    """No notify_url, no notification."""
    silent = CALLER._replace(notify_url="")
    precreate(tx, silent, requests.Precreate(NUMBER, Decimal(1), "Apples"))
    trades.pay(tx, trades.scan(tx, row(tx)))
    assert notifications.due(tx, (), 100) == []


def test_old_trades_are_forgotten_with_all_that_is_theirs(tx: Transaction) -> None:
    """After 90 days nothing of a trade is left; a younger one stays."""
    paid(tx)
    gives_back(tx, "5.00", "r1")
    [due, _] = notifications.due(tx, (), 10)
    lost = notifications.Outcome(NOW, None, "no answer", accepted=False)
    notifications.record(tx, due.notification, [lost], (1000,))
    old = tx._replace(now=NOW + retention.KEPT_MILLISECONDS + 1)
    asked(old, number="order_2")
    assert (retention.prune(old), retention.prune(old)) == (1, 0)
    assert [trade.out_trade_no for trade, _ in trades.page(old, 0, 10)] == ["order_2"]
    counts = [tx.rows(f"SELECT count(*) FROM {table}") for table in ("refunds", "notifications", "attempts")]
    assert counts == [[(0,)]] * 3


def test_ladder_is_climbed_to_its_end(tx: Transaction) -> None:
    """Each refusal waits for the next rung; after the last one nothing is due; an acceptance ends it at once."""
    paid(tx)
    ladder, now = (10, 20), NOW
    refused = notifications.Outcome(now, 500, "no", accepted=False)
    for pause in (*ladder, None):
        [due] = notifications.due(tx._replace(now=now), (), 10)
        notifications.record(tx._replace(now=now), due.notification, [refused], ladder)
        [(after, attempts)] = notifications.page(tx, 0, 10)
        assert after.notification.due_at == (pause and now + pause)
        assert attempts[-1].next_at == after.notification.due_at
        now += pause or 0
    assert notifications.due(tx._replace(now=now + HOUR), (), 10) == []
    again = notifications.resend(tx, 1)
    assert again is not None
    notifications.record(tx, again, [notifications.Outcome(NOW, 200, "success", accepted=True)], ladder)
    [(after, attempts)] = notifications.page(tx, 0, 10)
    assert (after.notification.due_at, after.notification.delivered_at, len(attempts)) == (None, NOW, 4)


def test_resending_has_an_end(tx: Transaction) -> None:
    """A notification is tried a hundred times at most, and an unknown one not at all."""
    paid(tx)
    refused = notifications.Outcome(NOW, 500, "no", accepted=False)
    for _ in range(notifications.MAX_ATTEMPTS):
        again = notifications.resend(tx, 1)
        assert again is not None
        notifications.record(tx, again, [refused], ())
    assert notifications.resend(tx, 1) is None
    assert notifications.resend(tx, 2) is None


def test_refund_is_found_among_another_platforms_namesakes(tx: Transaction) -> None:
    """However many refunds of another platform have the number, the platform's own is found."""
    for number in range(101):
        asked(tx, number=f"n{number}")
        made = trades.by_out_trade_no(tx, f"n{number}")
        assert made
        trades.refund(tx, trades.pay(tx, trades.scan(tx, made)), "r1", 40)
    new = trades.NewTrade("code", "w1", 100, "tea", "", "", NOW + HOUR, trades.WECHATPAY, "native")
    order = trades.create(tx, new, opened=True)
    assert order
    assert trades.refund_numbered(tx, "r1", trades.WECHATPAY) is None
    refunded = trades.refund(tx, trades.pay(tx, order), "r1", 40)
    found = trades.refund_numbered(tx, "r1", trades.WECHATPAY)
    assert found
    assert (found[0].out_trade_no, found[1]) == ("w1", refunded)


def test_declines_of_a_trade_are_bounded(tx: Transaction) -> None:
    """A hundred are written down, and no more."""
    asked(tx)
    written = [notifications.decline(tx, row(tx)) for _ in range(101)]
    assert written == [True] * 100 + [False]
    assert notifications.declined(tx, row(tx).id) == [NOW] * 100
