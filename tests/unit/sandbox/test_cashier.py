"""The cashier's page of a running sandbox."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.sandbox import SandboxProcess
from tests.unit.sandbox.merchant import Client, http

AS_JSON = {"Accept": "application/json"}


def status(client: Client, number: str) -> str:
    """What query says: the status, or why not."""
    answer = client.call("alipay.trade.query", {"out_trade_no": number})
    return answer.get("trade_status") or answer["sub_code"]


def test_page_shows_what_is_to_be_paid(client: Client) -> None:
    """Amount, subject and both buttons; opening it brings the trade into being."""
    cashier = client.precreate("shown", "1234.50", subject="<b>Apples</b> & pears")
    assert status(client, "shown") == "ACQ.TRADE_NOT_EXIST"
    page = http.get(cashier)
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    for text in (
        "1,234.50",
        "&lt;b&gt;Apples&lt;/b&gt; &amp; pears",
        'value="pay"',
        'value="decline"',
        'method="post"',
    ):
        assert text in page.text
    assert status(client, "shown") == "WAIT_BUYER_PAY"


def test_paying_pays_once(client: Client) -> None:
    """The first press pays, with or without looking first; the second is told that it is paid."""
    cashier = client.precreate("paid_once")
    assert client.press(cashier, "pay").status_code == 200
    assert status(client, "paid_once") == "TRADE_SUCCESS"
    for action in ("pay", "decline"):
        again = client.press(cashier, action)
        assert again.status_code == 409
        assert "paid" in again.text
        assert 'value="pay"' not in again.text
    assert http.get(cashier).status_code == 200


def test_declining_leaves_it_payable(client: Client) -> None:
    """A buyer who declines may still pay."""
    cashier = client.precreate("declined")
    declined = client.press(cashier, "decline")
    assert declined.status_code == 200
    assert "Declined" in declined.text
    assert status(client, "declined") == "WAIT_BUYER_PAY"
    assert client.press(cashier, "pay").status_code == 200


def test_closed_trade_cannot_be_paid(client: Client) -> None:
    """Neither one that was scanned nor a code that nobody had scanned."""
    scanned, unseen = client.precreate("closed"), client.precreate("closed_unseen")
    http.get(scanned)
    for number in ("closed", "closed_unseen"):
        client.call("alipay.trade.close", {"out_trade_no": number})
    for cashier in (scanned, unseen):
        assert client.press(cashier, "pay").status_code == 409
        assert 'value="pay"' not in http.get(cashier).text
    assert status(client, "closed") == "TRADE_CLOSED"
    assert status(client, "closed_unseen") == "ACQ.TRADE_NOT_EXIST"


@pytest.mark.parametrize("form", [b"", b"action=steal", b"action", b"ACTION=pay", b"action=%ff", b"\xff", b"&" * 100])
def test_other_actions_are_refused(client: Client, form: bytes) -> None:
    """Anything but pay and decline is told what to send, and does nothing."""
    cashier = client.precreate("other_action")
    answer = http.post(cashier, content=form, headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert answer.status_code == 422
    assert "action=pay" in answer.text
    assert status(client, "other_action") == "ACQ.TRADE_NOT_EXIST"


def test_unknown_code_is_not_found(sandbox: SandboxProcess) -> None:
    """There is no page without a trade."""
    cashier = f"{sandbox.url}/cashier/unknown"
    assert http.get(cashier).status_code == 404
    assert http.post(cashier, data={"action": "pay"}).status_code == 404
    assert http.post(cashier, data={"action": "pay", "x": "x" * 5000}).status_code == 413


def test_scripts_are_answered_in_json(client: Client) -> None:
    """Who accepts JSON gets the trade in fen."""
    cashier = client.precreate("as_json")
    answer = http.post(cashier, data={"action": "pay"}, headers=AS_JSON)
    assert answer.json() == {
        "message": "Paid. The shop is being told.",
        "out_trade_no": "as_json",
        "subject": "Two apples",
        "amount": 2000,
        "state": "PAID",
    }
    assert http.get(cashier + "x", headers=AS_JSON).json().keys() == {"message"}


@pytest.mark.parametrize(
    ("code", "form", "status"),
    [("", {"action": "steal"}, 422), ("", {}, 422), ("x", {"action": "pay"}, 404), ("", {"action": "x" * 5000}, 413)],
)
def test_scripts_are_refused_in_json(client: Client, code: str, form: dict[str, str], status: int) -> None:
    """Another action, an unknown trade and a form that is too long get their status, and JSON."""
    cashier = client.precreate("refused_as_json") + code
    answer = http.post(cashier, data=form, headers=AS_JSON)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/json")
    assert http.post(client.precreate("refused_as_json"), data={"action": "decline"}, headers=AS_JSON).is_success


def test_many_presses_at_once_pay_once(client: Client) -> None:
    """Of twenty buyers at one till exactly one pays."""
    cashier = client.precreate("crowd")
    with ThreadPoolExecutor(20) as crowd:
        presses = [crowd.submit(client.press, cashier, "pay") for _ in range(20)]
    assert sorted(press.result().status_code for press in presses) == [200] + [409] * 19
