"""Looking into a running sandbox, and moving it."""

from pathlib import Path
from typing import Any

import pytest
from litestar.testing import create_test_client

from makegood.sandbox.alipay.merchant import Merchant, new_account
from makegood.sandbox.alipay.signing import Signer
from makegood.sandbox.clock import Clock
from makegood.sandbox.control import Control, routes
from makegood.sandbox.database import in_file
from makegood.sandbox.faults import Faults
from makegood.sandbox.loopback import may_notify
from makegood.sandbox.platform import Surroundings, build
from makegood.sandbox.store import Store
from tests.support.sandbox import SandboxProcess
from tests.unit.sandbox.letters import Letters
from tests.unit.sandbox.merchant import Client, http


def test_trades_are_listed_in_pages(client: Client, sandbox: SandboxProcess) -> None:
    """Every trade once, in the order in which they were made, with its refunds in fen."""
    for number in ("a", "b", "c"):
        client.precreate(number, "20.00")
    client.press(client.precreate("d", "20.00"), "pay")
    client.call("alipay.trade.refund", {"out_trade_no": "d", "refund_amount": "5.00", "out_request_no": "r1"})
    seen: list[Any] = []
    after: str | None = "0"
    while after is not None:
        page = http.get(f"{sandbox.url}/control/trades", params={"after": after, "limit": 2}).json()
        seen += page["trades"]
        after = page["next"]
    assert [trade["out_trade_no"] for trade in seen] == ["a", "b", "c", "d"]
    assert [trade["state"] for trade in seen] == ["CODE"] * 3 + ["PAID"]
    paid = seen[-1]
    assert (paid["amount"], paid["refunded"], len(paid["trade_no"])) == (2000, 500, 28)
    [refund] = paid["refunds"]
    assert (refund["out_request_no"], refund["amount"]) == ("r1", 500)
    assert seen[0]["trade_no"] is None


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "after=-1", "after=x", "after=99999999999999999999"])
@pytest.mark.parametrize("what", ["trades", "notifications"])
def test_pages_have_bounds(sandbox: SandboxProcess, what: str, query: str) -> None:
    """What is no page is refused."""
    assert http.get(f"{sandbox.url}/control/{what}?{query}").status_code == 400


@pytest.mark.parametrize(
    ("what", "change"),
    [("clock", change) for change in ({"speed": 0}, {"speed": 0.001}, {"speed": 1e9}, {"advance_seconds": -1})]
    + [("clock", change) for change in ({"hours": 1}, [], "x")]
    + [("faults", change) for change in ({"notifications": "eat"}, {"notification": "lose"}, 5)],
)
def test_impossible_changes_are_refused(sandbox: SandboxProcess, what: str, change: object) -> None:
    """A change that cannot be made is refused, and nothing changes."""
    before = http.get(f"{sandbox.url}/control/{what}").json()
    assert http.post(f"{sandbox.url}/control/{what}", json=change).status_code == 400
    after = http.get(f"{sandbox.url}/control/{what}").json()
    assert (before | {"now": ""}) == (after | {"now": ""})


def test_forms_of_other_sites_are_refused(sandbox: SandboxProcess) -> None:
    """A browser's form, which needs nobody's leave, cannot move the clock."""
    forged = http.post(f"{sandbox.url}/control/clock", data={"speed": "5"})
    assert forged.status_code == 415
    plain = http.post(f"{sandbox.url}/control/clock", content='{"speed":5}', headers={"Content-Type": "text/plain"})
    assert plain.status_code == 415
    assert http.get(f"{sandbox.url}/control/clock").json()["speed"] == 1


def test_unknown_notification_is_not_resent(sandbox: SandboxProcess) -> None:
    """There is nothing to resend."""
    assert http.post(f"{sandbox.url}/control/notifications/999999/resend").status_code == 404
    assert http.post(f"{sandbox.url}/control/notifications/{10**30}/resend").status_code == 400


def test_control_is_for_this_machine(tmp_path: Path) -> None:
    """A caller who does not come from the loopback is refused, whatever he asks."""
    clock, merchant = Clock.at_world_time(), Merchant(new_account())
    store, signer = Store(in_file(tmp_path / "store.sqlite"), clock), Signer(merchant.platform_key)
    around = Surroundings("http://127.0.0.1/cashier/")
    platform = build(store, clock, merchant, signer, Letters().post, Faults(), around)
    with create_test_client(routes(Control(platform, {}, {}))) as stranger:
        for what in ("trades", "notifications", "clock", "faults"):
            assert stranger.get(f"/control/{what}").status_code == 403
        for what in ("clock", "faults", "notifications/1/resend"):
            assert stranger.post(f"/control/{what}", json={}).status_code == 403
    signer.close()
    store.close()


@pytest.mark.parametrize(
    ("url", "here", "anywhere"),
    [
        ("http://127.0.0.1/", True, True),
        ("https://localhost:8443/x?y=z", True, True),
        ("http://[::1]:80/", True, True),
        ("http://127.255.255.254/", True, True),
        ("https://example.com/notify", False, True),
        ("http://0.0.0.0/", False, True),
        ("http:///x", False, False),
        ("file:///etc/passwd", False, False),
    ],
)
def test_notify_url_is_judged_by_its_host(url: str, *, here: bool, anywhere: bool) -> None:
    """Loopback only, or any host of http and https when that is allowed."""
    assert (may_notify(url, remote=False), may_notify(url, remote=True)) == (here, anywhere)


def test_figures_for_prometheus(client: Client, sandbox: SandboxProcess) -> None:
    """The process tells what it uses, and how many notifications are to be sent now."""

    def told(name: str) -> float:
        lines = http.get(f"{sandbox.url}/metrics").text.splitlines()
        return float(next(line.split()[1] for line in lines if line.startswith(name + " ")))

    assert told("process_resident_memory_bytes") > 10_000_000
    assert told("process_cpu_seconds_total") > 0
    http.post(f"{sandbox.url}/control/faults", json={"notifications": "hold"}).raise_for_status()
    before = told("makegood_sandbox_notifications_due")
    client.press(client.precreate("held_back", "1.00", "http://127.0.0.1:9/"), "pay")
    assert told("makegood_sandbox_notifications_due") == before + 1
    http.post(f"{sandbox.url}/control/faults", json={"notifications": "normal"}).raise_for_status()
