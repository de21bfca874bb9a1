"""Notifications of a running sandbox: their content, their ladder, their survival."""

import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.support.sandbox import SandboxProcess, running_sandbox
from tests.unit.sandbox.merchant import Client, Receiver, http

LADDER_SECONDS = [60 * minutes for minutes in (4, 10, 10, 60, 120, 360, 900)]


def listed(sandbox: SandboxProcess, number: str) -> Any:
    """The notification about a trade, with its attempts."""
    page = http.get(f"{sandbox.url}/control/notifications?limit=1000").json()["notifications"]
    [found] = [each for each in page if each["out_trade_no"] == number]
    return found


def control(sandbox: SandboxProcess, what: str, change: object) -> Any:
    """Moves the clock, or sets faults."""
    answer = http.post(f"{sandbox.url}/control/{what}", json=change)
    assert answer.is_success, answer.text
    return answer.json()


def until(holds: Callable[[], bool], seconds: float = 10) -> None:
    """Waits until it holds."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it never held"
        time.sleep(0.02)


def moment(text: str) -> float:
    """RFC 3339 as seconds."""
    return time.mktime(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S")) + float(text[19:-1])


def test_payment_is_told_at_once(client: Client, receiver: Receiver, sandbox: SandboxProcess) -> None:
    """A signed notification with the trade's facts, and "success" ends it."""
    client.press(client.precreate("told", "88.80", receiver.url, body="3 & 4"), "pay")
    notice = receiver.next()
    assert client.is_genuine(notice)
    trade = client.call("alipay.trade.query", {"out_trade_no": "told"})
    expected = {
        "app_id": client.settings["app_id"],
        "auth_app_id": client.settings["app_id"],
        "seller_id": client.settings["seller_id"],
        "charset": "utf-8",
        "version": "1.0",
        "sign_type": "RSA2",
        "notify_type": "trade_status_sync",
        "out_trade_no": "told",
        "trade_no": trade["trade_no"],
        "trade_status": "TRADE_SUCCESS",
        "total_amount": "88.80",
        "receipt_amount": "88.80",
        "invoice_amount": "88.80",
        "buyer_pay_amount": "88.80",
        "point_amount": "0.00",
        "buyer_id": trade["buyer_user_id"],
        "subject": "Two apples",
        "body": "3 & 4",
        "gmt_payment": trade["send_pay_date"],
        "fund_bill_list": '[{"amount":"88.80","fundChannel":"ALIPAYACCOUNT"}]',
    }
    assert {key: notice.get(key) for key in expected} == expected
    until(lambda: listed(sandbox, "told")["delivered_at"] is not None)
    told = listed(sandbox, "told")
    assert (told["notify_id"], told["due_at"], len(told["attempts"])) == (notice["notify_id"], None, 1)
    assert (told["attempts"][0]["status"], told["attempts"][0]["answer"]) == (200, "success")


def test_refunds_are_told_with_their_fields(client: Client, receiver: Receiver) -> None:
    """Each refund is told with the sum so far; the one that completes it closes the trade."""
    client.press(client.precreate("given_back", "20.00", receiver.url), "pay")
    assert "refund_fee" not in receiver.next()
    for amount, request, total, status in [
        ("5.00", "r1", "5.00", "TRADE_SUCCESS"),
        ("15.00", "r2", "20.00", "TRADE_CLOSED"),
    ]:
        refund = {"out_trade_no": "given_back", "refund_amount": amount, "out_request_no": request}
        assert client.call("alipay.trade.refund", refund)["fund_change"] == "Y"
        assert client.call("alipay.trade.refund", refund)["fund_change"] == "N"
        notice = receiver.next()
        assert client.is_genuine(notice)
        told = [notice[key] for key in ("out_biz_no", "refund_fee", "trade_status")]
        assert told == [request, total, status]
        assert len(notice["gmt_refund"]) == len("2026-11-22 12:00:00.000")
    assert receiver.silent_for(0.3)


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (200, "fail"),
        (200, "success\n"),
        (200, "SUCCESS"),
        (200, ""),
        (500, "success"),
        (204, ""),
        (200, "success" * 500),
    ],
)
def test_only_exactly_success_ends_it(
    client: Client, receiver: Receiver, sandbox: SandboxProcess, status: int, answer: str
) -> None:
    """Any other answer is written down, and the next attempt is due in four minutes."""
    receiver.status, receiver.answer = status, answer
    number = f"not_ended_{status}_{len(answer)}_{answer[:4].strip()}"
    client.press(client.precreate(number, "1.00", receiver.url), "pay")
    receiver.next()
    until(lambda: listed(sandbox, number)["attempts"] != [])
    found = listed(sandbox, number)
    [attempt] = found["attempts"]
    assert (attempt["status"], attempt["answer"]) == (status, answer[:200])
    assert (found["delivered_at"], found["due_at"]) == (None, attempt["next_at"])
    assert moment(attempt["next_at"]) - moment(attempt["at"]) == pytest.approx(240, abs=5)


def test_unreachable_merchant_is_tried_again(client: Client, sandbox: SandboxProcess) -> None:
    """No answer at all is an attempt, too."""
    client.press(client.precreate("nobody_home", "1.00", "http://127.0.0.1:9/"), "pay")
    until(lambda: listed(sandbox, "nobody_home")["attempts"] != [])
    [attempt] = listed(sandbox, "nobody_home")["attempts"]
    assert attempt["status"] is None
    assert "ClientConnectorError" in attempt["answer"]
    assert attempt["next_at"] is not None


def test_ladder_is_the_platforms(tmp_path: Path, receiver: Receiver) -> None:
    """Eight attempts with the same notify_id, after 4m 10m 10m 1h 2h 6h 15h, then it is given up."""
    receiver.answer = "fail"
    with running_sandbox(tmp_path) as sandbox:
        client = Client(sandbox)
        client.press(client.precreate("ladder", "1.00", receiver.url), "pay")
        identities = {receiver.next()["notify_id"]}
        for count, pause in enumerate(LADDER_SECONDS, 1):
            until(lambda count=count: len(listed(sandbox, "ladder")["attempts"]) == count)
            control(sandbox, "clock", {"advance_seconds": pause - 5})
            assert receiver.silent_for(0.1)
            control(sandbox, "clock", {"advance_seconds": 5})
            identities.add(receiver.next()["notify_id"])
        until(lambda: len(listed(sandbox, "ladder")["attempts"]) == 8)
        found = listed(sandbox, "ladder")
        times = [moment(attempt["at"]) for attempt in found["attempts"]]
        assert [after - before for before, after in pairwise(times)] == pytest.approx(LADDER_SECONDS, abs=4)
        assert (len(identities), found["due_at"], found["delivered_at"]) == (1, None, None)
        receiver.answer = "success"
        assert http.post(f"{sandbox.url}/control/notifications/{found['id']}/resend").status_code == 202
        assert receiver.next()["notify_id"] in identities
        until(lambda: listed(sandbox, "ladder")["delivered_at"] is not None)


def test_fast_clock_runs_ladder_and_expiry(tmp_path: Path, receiver: Receiver) -> None:
    """At speed 600 the four minutes pass in less than a second, and so does a trade's expiry."""
    receiver.answer = "fail"
    with running_sandbox(tmp_path, clock_speed=600) as sandbox:
        client = Client(sandbox)
        client.press(client.precreate("fast", "1.00", receiver.url), "pay")
        expiring = client.precreate("expiring", "1.00", timeout_express="5m")
        began = time.monotonic()
        receiver.next()
        receiver.next(5)
        assert 0.3 < time.monotonic() - began < 5
        until(lambda: client.press(expiring, "pay").status_code == 409 or http.get(expiring).status_code != 200)


def test_kill_loses_nothing(tmp_path: Path, receiver: Receiver) -> None:
    """After kill -9 and a restart trades, merchant and clock are there, and what is overdue is sent at once."""
    with running_sandbox(tmp_path) as sandbox:
        client = Client(sandbox)
        waiting = client.precreate("waits", "1.00", receiver.url)
        http.get(waiting)
        control(sandbox, "faults", {"notifications": "hold"})
        client.press(client.precreate("told_later", "1.00", receiver.url), "pay")
        now = control(sandbox, "clock", {"advance_seconds": 3600})["now"]
        before = sandbox.config
        sandbox.kill9()
        sandbox.start()
        assert sandbox.config == before
        assert http.get(f"{sandbox.url}/control/clock").json()["now"] > now
        assert http.get(f"{sandbox.url}/control/faults").json()["notifications"] == "hold"
        assert receiver.silent_for(0.3)
        control(sandbox, "faults", {"notifications": "normal"})
        notice = receiver.next()
        assert notice["out_trade_no"] == "told_later"
        assert client.is_genuine(notice)
        assert client.press(waiting, "pay").status_code == 200
        assert receiver.next()["out_trade_no"] == "waits"


def test_overdue_notification_is_sent_after_a_restart(tmp_path: Path, receiver: Receiver) -> None:
    """One that was refused goes on up its ladder when the sandbox comes back too late."""
    receiver.answer = "fail"
    with running_sandbox(tmp_path, clock_speed=600) as sandbox:
        client = Client(sandbox)
        client.press(client.precreate("resumed", "1.00", receiver.url), "pay")
        first = receiver.next()
        until(lambda: listed(sandbox, "resumed")["attempts"] != [])
        sandbox.kill9()
        assert receiver.silent_for(0.5)
        receiver.answer = "success"
        sandbox.start()
        assert receiver.next()["notify_id"] == first["notify_id"]
        until(lambda: listed(sandbox, "resumed")["delivered_at"] is not None)


def test_faults_lose_and_duplicate(tmp_path: Path, receiver: Receiver) -> None:
    """Lost attempts count as tried; duplicates arrive twice with one notify_id."""
    with running_sandbox(tmp_path) as sandbox:
        client = Client(sandbox)
        control(sandbox, "faults", {"notifications": "lose"})
        client.press(client.precreate("lost", "1.00", receiver.url), "pay")
        until(lambda: listed(sandbox, "lost")["attempts"] != [])
        assert receiver.silent_for(0.1)
        control(sandbox, "faults", {"notifications": "duplicate"})
        client.press(client.precreate("twice", "1.00", receiver.url), "pay")
        assert receiver.next() == receiver.next()
        control(sandbox, "faults", {"notifications": "normal"})
        control(sandbox, "clock", {"advance_seconds": 240})
        assert receiver.next()["out_trade_no"] == "lost"


def test_many_payments_are_all_told(client: Client, receiver: Receiver) -> None:
    """Two hundred payments, more than may be under way at once, are each told once."""
    numbers = {f"many_{number}" for number in range(200)}
    for number in sorted(numbers):
        client.press(client.precreate(number, "1.00", receiver.url), "pay")
    heard = [receiver.next()["out_trade_no"] for _ in numbers]
    assert sorted(heard) == sorted(numbers)
    assert receiver.silent_for(0.2)
