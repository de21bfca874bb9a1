"""The same seed and the same requests are the same run, in whatever folder, though ids are drawn by chance."""

import time
from pathlib import Path
from typing import Any

import httpx

from tests.support.sandbox import SandboxProcess, running_sandbox
from tests.unit.sandbox.merchant import Client, http
from tests.unit.sandbox.test_stripe_door import ask

NOWHERE = "http://127.0.0.1:9"
RULES = [{"kind": "lose", "probability": 0.5}, {"kind": "duplicate", "probability": 0.5}]
INTENT = b"amount=500&currency=cny&payment_method=pm_card_visa&confirm=true"


def notified(sandbox: SandboxProcess) -> list[dict[str, Any]]:
    """All notifications, when each was tried."""
    deadline = time.monotonic() + 20
    while True:
        found = http.get(f"{sandbox.url}/control/notifications?limit=1000").json()["notifications"]
        if all(each["attempts"] for each in found):
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.05)


def fates(found: list[dict[str, Any]]) -> list[list[str]]:
    """What became of each notification's first attempts."""
    return [[each["answer"][:4] for each in one["attempts"]] for one in found]


def stripe_run(folder: Path) -> tuple[list[list[str]], list[list[str]]]:
    """Twelve payments, half of them with a reference, told to two endpoints: what became of each at either."""
    folder.mkdir()
    with running_sandbox(folder) as sandbox:
        own = sandbox.config["stripe"]
        http.post(f"{sandbox.url}/control/faults", json={"seed": 5, "rules": RULES}).raise_for_status()
        for name in ("a", "b"):
            form = f"url={NOWHERE}/{name}&enabled_events[]=payment_intent.succeeded".encode()
            ask(own, "POST", "/v1/webhook_endpoints", form).raise_for_status()
        for number in range(12):
            reference = b"&metadata[out_trade_no]=order%d" % number if number % 2 else b""
            ask(own, "POST", "/v1/payment_intents", INTENT + reference).raise_for_status()
        found = notified(sandbox)
    first, second = (fates([one for one in found if one["url"].endswith(name)]) for name in ("a", "b"))
    return first, second


def test_stripe_in_two_folders(tmp_path: Path) -> None:
    """The same notifications are lost and doubled; those to one endpoint are not bound to those to the other."""
    first, again = stripe_run(tmp_path / "1"), stripe_run(tmp_path / "2")
    assert first == again
    assert len(first[0]) == len(first[1]) == 12
    assert first[0] != first[1]
    assert len({str(fate) for fate in first[0]}) > 1


def early_run(folder: Path) -> list[bool]:
    """Which of sixteen payments were made before they were answered."""
    folder.mkdir()
    with running_sandbox(folder) as sandbox:
        own = sandbox.config["stripe"]
        early = {"kind": "early", "probability": 0.5}
        http.post(f"{sandbox.url}/control/faults", json={"seed": 3, "rules": [early]}).raise_for_status()
        for _ in range(16):
            ask(own, "POST", "/v1/payment_intents", b"amount=500&currency=cny").raise_for_status()
        listed: httpx.Response = http.get(f"{sandbox.url}/control/trades")
        return [one["state"] == "PAID" for one in listed.json()["trades"]]


def test_early_payments_in_two_folders(tmp_path: Path) -> None:
    """The same payments are made before their call is answered."""
    first = early_run(tmp_path / "1")
    assert first == early_run(tmp_path / "2")
    assert 0 < sum(first) < 16


def test_second_payment_has_a_fate_of_its_own(tmp_path: Path) -> None:
    """What becomes of the notification of a second payment is drawn apart from the first one's."""
    with running_sandbox(tmp_path) as sandbox:
        client = Client(sandbox)
        http.post(f"{sandbox.url}/control/faults", json={"seed": 5, "rules": RULES}).raise_for_status()
        for number in range(12):
            cashier = client.precreate(f"twice{number}", "1.00", NOWHERE)
            for action in ("pay", "pay_twice"):
                assert client.press(cashier, action).status_code == 200
        drawn = fates(notified(sandbox))
    assert drawn[0::2] != drawn[1::2]
