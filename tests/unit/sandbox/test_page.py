"""The sandbox's own page, as a person and as a stranger meets it."""

import re
import time
from html import unescape
from urllib.parse import parse_qsl

import pytest

from makegood.sandbox.faults import Kind
from tests.support.sandbox import SandboxProcess
from tests.unit.sandbox.merchant import Client, Receiver, http


def token(page: str) -> str:
    """What only the page's own forms know."""
    found = re.search(r'name="token" value="([^"]+)"', page)
    assert found, page
    return found[1]


def trade_page(sandbox: SandboxProcess, number: str) -> str:
    """The page of a trade, found by its link."""
    home = http.get(f"{sandbox.url}/").text
    link = re.search(rf'href="(/trades/\d+)">{number}<', home)
    assert link, home
    return http.get(sandbox.url + link[1]).text


def settled(sandbox: SandboxProcess, number: str, attempts: int) -> str:
    """The trade's page when its notification was tried so often."""
    deadline = time.monotonic() + 10
    while (page := trade_page(sandbox, number)).count("<summary>Request") < attempts:
        assert time.monotonic() < deadline, page
        time.sleep(0.02)
    return page


def test_trades_are_listed_and_shown(client: Client, sandbox: SandboxProcess, receiver: Receiver) -> None:
    """A trade's page has its state, and of each attempt the request as it was sent and the answer."""
    client.press(client.precreate("on_page", "88.80", receiver.url, subject="<b>tea</b> & 茶"), "pay")
    notice = receiver.next()
    page = settled(sandbox, "on_page", 1)
    assert "PAID" in page
    assert "¥88.80" in page
    assert "<b>tea" not in page
    assert notice["notify_id"] in page
    assert "Accepted at" in page
    request = unescape(page.partition("<pre")[2].partition(">")[2].partition("</pre>")[0])
    assert request.startswith(f"POST {receiver.url}\nContent-Type: application/x-www-form-urlencoded")
    sent = dict(parse_qsl(request.rpartition("\n")[2]))
    assert sent["notify_id"] == notice["notify_id"]


def test_sending_again(client: Client, sandbox: SandboxProcess, receiver: Receiver) -> None:
    """The button sends a notification again, with the same number."""
    client.press(client.precreate("again", "1.00", receiver.url), "pay")
    first = receiver.next()
    page = settled(sandbox, "again", 1)
    action = re.search(r'action="(/notifications/\d+/resend)"', page)
    assert action
    answer = http.post(sandbox.url + action[1], data={"token": token(page)})
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/trades/")
    assert receiver.next()["notify_id"] == first["notify_id"]


def test_faults_and_clock_are_switched(sandbox: SandboxProcess) -> None:
    """A rule is added, shown and removed; the seed and the clock change."""
    url = f"{sandbox.url}/settings"
    secret = token(http.get(url).text)
    added = {"token": secret, "kind": "slow", "platform": "wechatpay", "chance": "0.5", "seconds": "3"}
    assert http.post(f"{url}/faults", data=added).status_code == 303
    assert http.post(f"{url}/faults", data={"token": secret, "seed": "42"}).status_code == 303
    page = http.get(url).text
    assert "wechatpay:slow=0.5/3" in page
    assert http.get(f"{sandbox.url}/control/faults").json()["seed"] == 42
    for kind in Kind:
        assert f"<option>{kind}</option>" in page
    http.post(f"{url}/faults", data={"token": secret, "remove": "wechatpay:slow=0.5/3"})
    assert "wechatpay:slow" not in http.get(url).text
    before = http.get(f"{sandbox.url}/control/clock").json()["now"]
    assert http.post(f"{url}/clock", data={"token": secret, "advance": "3600"}).status_code == 303
    assert http.get(f"{sandbox.url}/control/clock").json()["now"][:13] != before[:13]


@pytest.mark.parametrize("path", ["/settings/faults", "/settings/clock", "/notifications/1/resend"])
@pytest.mark.parametrize("form", [{}, {"token": "x" * 24}, {"token": ""}])
def test_forms_of_other_pages_are_refused(sandbox: SandboxProcess, path: str, form: dict[str, str]) -> None:
    """A form that does not know the page's token does nothing."""
    wanted = {"kind": "lose", "platform": "all", "chance": "1", "advance": "60", **form}
    assert http.post(sandbox.url + path, data=wanted).status_code == 403
    assert http.get(f"{sandbox.url}/control/faults").json()["rules"] == []


def test_names_of_other_sites_are_refused(sandbox: SandboxProcess) -> None:
    """A page reached by another site's name is not shown."""
    assert http.get(f"{sandbox.url}/", headers={"Host": "evil.example"}).status_code == 403
    assert http.get(f"{sandbox.url}/", headers={"Host": "localhost:8001"}).status_code == 200


@pytest.mark.parametrize(
    "query", ["?platform=bank", "?before=0", "?before=x", "?before=99999999999999999999", "?platform=%3Cb%3E"]
)
def test_impossible_pages_are_refused(sandbox: SandboxProcess, query: str) -> None:
    """What is no page is refused."""
    assert http.get(f"{sandbox.url}/{query}").status_code == 400


def test_unknown_trade_is_not_found(sandbox: SandboxProcess) -> None:
    """There is no page without a trade."""
    assert http.get(f"{sandbox.url}/trades/99999").status_code == 404


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("clock", {"advance": "-1"}),
        ("clock", {"advance": "x"}),
        ("clock", {"speed": "0"}),
        ("clock", {"advance": "nan"}),
        ("faults", {"kind": "eat", "platform": "all", "chance": "1"}),
        ("faults", {"kind": "lose", "platform": "all", "chance": "2"}),
        ("faults", {"kind": "lose", "platform": "bank", "chance": "1"}),
        ("faults", {"seed": "-4"}),
    ],
)
def test_impossible_changes_are_refused(sandbox: SandboxProcess, path: str, form: dict[str, str]) -> None:
    """What cannot be is refused, and nothing changes."""
    secret = token(http.get(f"{sandbox.url}/settings").text)
    assert http.post(f"{sandbox.url}/settings/{path}", data={"token": secret, **form}).status_code == 400
    assert http.get(f"{sandbox.url}/control/faults").json()["rules"] == []


def test_pages_say_what_may_be_loaded(sandbox: SandboxProcess) -> None:
    """No page can be framed, and none loads anything."""
    for path in ("/", "/settings"):
        policy = http.get(sandbox.url + path).headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy


def test_late_and_second_payments(client: Client, receiver: Receiver) -> None:
    """At the cashier a closed trade is paid too late, a paid one twice, and the shop is told of each."""
    cashier = client.precreate("too_late", "1.00", receiver.url)
    http.get(cashier)
    client.call("alipay.trade.close", {"out_trade_no": "too_late"})
    assert 'value="pay_late"' in http.get(cashier).text
    assert client.press(cashier, "pay_late").status_code == 200
    first = receiver.next()
    assert (first["out_trade_no"], first["trade_status"]) == ("too_late", "TRADE_SUCCESS")
    assert client.press(cashier, "pay_late").status_code == 409
    assert 'value="pay_twice"' in http.get(cashier).text
    assert client.press(cashier, "pay_twice").status_code == 200
    second = receiver.next()
    assert second["out_trade_no"] == "too_late"
    assert second["trade_no"] != first["trade_no"]
    assert client.press(cashier, "pay_twice").status_code == 409
    refund = {"trade_no": second["trade_no"], "refund_amount": "1.00", "out_request_no": "r"}
    assert client.call("alipay.trade.refund", refund)["fund_change"] == "Y"
    assert client.call("alipay.trade.query", {"out_trade_no": "too_late"})["trade_status"] == "TRADE_SUCCESS"


def test_waiting_trade_is_not_paid_late_or_twice(client: Client) -> None:
    """Neither button does anything about a trade that waits."""
    cashier = client.precreate("just_waits", "1.00")
    http.get(cashier)
    for action in ("pay_late", "pay_twice"):
        assert client.press(cashier, action).status_code == 409
    assert client.call("alipay.trade.query", {"out_trade_no": "just_waits"})["trade_status"] == "WAIT_BUYER_PAY"


def test_accepted_and_due_again(client: Client, sandbox: SandboxProcess, receiver: Receiver) -> None:
    """A notification that was accepted, and is on its ladder again since it was sent again, shows both."""
    client.press(client.precreate("both", "1.00", receiver.url), "pay")
    receiver.next()
    page = settled(sandbox, "both", 1)
    assert "Accepted at" in page
    assert "next try at" not in page
    receiver.answer = "no"
    action = re.search(r'action="(/notifications/\d+/resend)"', page)
    assert action
    http.post(sandbox.url + action[1], data={"token": token(page)})
    page = settled(sandbox, "both", 2)
    assert re.search(r"Accepted at [^<]+</span>; next try at 20", page)


def test_declining_is_shown(client: Client, sandbox: SandboxProcess) -> None:
    """Each time a buyer declined stands on the trade's page; the trade waits on."""
    cashier = client.precreate("declined", "1.00")
    assert "Declined</dt>" not in trade_page(sandbox, "declined")
    for _ in range(2):
        assert client.press(cashier, "decline").status_code == 200
    page = trade_page(sandbox, "declined")
    assert page.count("<dt>Declined</dt>") == 2
    assert "WAITING" in page


def test_mode_of_all_notifications_is_ended(sandbox: SandboxProcess) -> None:
    """What becomes of all notifications is set, shown and ended on the page."""
    url = f"{sandbox.url}/settings"
    secret = token(http.get(url).text)
    for mode in ("hold", "normal"):
        assert http.post(f"{url}/faults", data={"token": secret, "notifications": mode}).status_code == 303
        assert f"<option selected>{mode}</option>" in http.get(url).text
        assert http.get(f"{sandbox.url}/control/faults").json()["notifications"] == mode
    assert http.post(f"{url}/faults", data={"token": secret, "notifications": "eat"}).status_code == 400
