"""Trouble that is asked for: what is drawn from a seed, and what comes of it at a running sandbox."""

import time
from collections.abc import Iterator

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from makegood.sandbox.faults import Faults, Kind, Rule, Trouble, rule_of, written
from tests.support.sandbox import SandboxProcess, running_sandbox
from tests.unit.sandbox.merchant import Client, Receiver, http, receiving
from tests.unit.sandbox.test_wechatpay_door import NATIVE, Wechat


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    """A sandbox for these tests alone: what goes wrong here would be felt elsewhere."""
    with running_sandbox(tmp_path_factory.mktemp("faults")) as process:
        yield process


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """The merchant's callback address."""
    with receiving() as listening:
        yield listening


@pytest.fixture
def client(sandbox: SandboxProcess) -> Iterator[Client]:
    """A merchant; nothing goes wrong any more afterwards."""
    yield Client(sandbox)
    http.post(f"{sandbox.url}/control/faults", json={}).raise_for_status()


def ask_for(sandbox: SandboxProcess, *rules: str, seed: int = 1) -> None:
    """Puts rules in force."""
    said = [
        {"kind": rule.kind, "platform": rule.platform, "probability": rule.probability} for rule in map(rule_of, rules)
    ]
    for one, rule in zip(said, map(rule_of, rules), strict=True):
        if rule.seconds is not None:
            one["seconds"] = rule.seconds
    http.post(f"{sandbox.url}/control/faults", json={"seed": seed, "rules": said}).raise_for_status()


rules = st.builds(
    Rule,
    kind=st.sampled_from(Kind),
    platform=st.sampled_from(["all", "alipay", "wechatpay", "stripe"]),
    probability=st.sampled_from([0.0, 0.25, 1.0]),
    seconds=st.sampled_from([None, 0.0, 2.5]),
)


@given(rule=rules)
def test_rules_are_read_as_they_are_written(rule: Rule) -> None:
    """What is shown of a rule can be given again."""
    assert rule_of(written(rule)) == rule


@pytest.mark.parametrize(
    "text", ["", "=", "nonsense", "slow=2", "slow=x", "bank:slow", "slow/-1", "slow=nan", "slow/1e9"]
)
def test_other_rules_are_refused(text: str) -> None:
    """What is no rule is refused with what can be written."""
    with pytest.raises(ValueError, match="write \\[PLATFORM:\\]KIND"):
        rule_of(text)


@given(seed=st.integers(0, 2**53), probability=st.floats(0, 1))
def test_a_seed_is_a_run(seed: int, probability: float) -> None:
    """The same seed and rule give the same draws, and no draw depends on another."""
    faults = Faults(seed=seed, rules=(Rule(Kind.LOSE, "alipay", probability),))
    one, other = Trouble(faults), Trouble(faults)
    subjects = [f"notification of {n}" for n in range(20)]
    drawn = {subject: one.happens(Kind.LOSE, "alipay", subject) for subject in subjects}
    assert drawn == {subject: other.happens(Kind.LOSE, "alipay", subject) for subject in reversed(subjects)}
    assert one.happens(Kind.LOSE, "stripe", subjects[0]) is None


def test_a_third_is_a_third() -> None:
    """A probability is how often it happens."""
    trouble = Trouble(Faults(seed=5, rules=(Rule(Kind.LOSE, "all", 1 / 3),)))
    happened = sum(trouble.happens(Kind.LOSE, "alipay", f"n{n}") is not None for n in range(3000))
    assert 900 < happened < 1100


def test_false_letters_come_before_the_true_one(client: Client, sandbox: SandboxProcess, receiver: Receiver) -> None:
    """A stale, a tampered and a wrong one come first, written down as what they are; the true one ends the ladder."""
    ask_for(sandbox, "stale", "tamper", "wrong_amount", "duplicate", "signtest", "unknown_serial")
    client.press(client.precreate("falsified", "20.00", receiver.url), "pay")
    stale, tampered, wrong, true, again = (receiver.next() for _ in range(5))
    assert client.is_genuine(stale)
    assert stale["notify_time"] < true["notify_time"]
    with pytest.raises(Exception):  # noqa: B017,PT011 - InvalidSignature has no text
        client.is_genuine(tampered)
    assert client.is_genuine(wrong)
    assert (wrong["total_amount"], true["total_amount"]) == ("0.01", "20.00")
    assert true == again
    found = wait_for(sandbox, "falsified", 5)
    assert [each["fault"] for each in found["attempts"]] == ["stale", "tamper", "wrong_amount", "", ""]
    assert found["due_at"] is None


def test_lost_and_late_notifications(client: Client, sandbox: SandboxProcess, receiver: Receiver) -> None:
    """A lost one is tried again on the ladder; a late one comes later, once."""
    ask_for(sandbox, "lose")
    client.press(client.precreate("lost_by_rule", "1.00", receiver.url), "pay")
    assert wait_for(sandbox, "lost_by_rule", 1)["attempts"][0]["answer"].startswith("lost")
    ask_for(sandbox, "delay/3600", seed=3)
    client.press(client.precreate("late", "1.00", receiver.url), "pay")
    assert receiver.silent_for(0.4)
    assert http.get(f"{sandbox.url}/control/notifications?limit=1000").json()["notifications"][-1]["attempts"] == []
    ask_for(sandbox)
    http.post(f"{sandbox.url}/control/clock", json={"advance_seconds": 3600}).raise_for_status()
    assert {receiver.next()["out_trade_no"], receiver.next()["out_trade_no"]} == {"lost_by_rule", "late"}


def test_paid_before_the_answer(client: Client, sandbox: SandboxProcess, receiver: Receiver) -> None:
    """The notification is there when the call that made the trade returns."""
    ask_for(sandbox, "early")
    client.precreate("early_bird", "1.00", receiver.url)
    assert receiver.next(0.05)["out_trade_no"] == "early_bird"


def test_lost_answer_took_effect(client: Client, sandbox: SandboxProcess) -> None:
    """The trade is there though its answer broke off."""
    ask_for(sandbox, "answer_lost")
    with pytest.raises(httpx.RemoteProtocolError):
        client.precreate("unheard", "1.00")
    http.post(f"{sandbox.url}/control/faults", json={}).raise_for_status()
    found = http.get(f"{sandbox.url}/control/trades?limit=1000").json()["trades"]
    assert "unheard" in [trade["out_trade_no"] for trade in found]


def test_refused_broken_and_slow(client: Client, sandbox: SandboxProcess) -> None:
    """Too many requests, a 502 and a slow answer, of Alipay alone."""
    ask_for(sandbox, "alipay:rate_limited")
    assert (
        client.post(client.form("alipay.trade.query", {"out_trade_no": "x"})).json()["error_response"]["code"]
        == "40005"
    )
    ask_for(sandbox, "alipay:server_error")
    assert client.post(client.form("alipay.trade.query", {"out_trade_no": "x"})).status_code == 502
    ask_for(sandbox, "alipay:slow/0.8", seed=2)
    began = time.monotonic()
    client.call("alipay.trade.query", {"out_trade_no": "x"})
    assert time.monotonic() - began > 0.2
    ask_for(sandbox, "stripe:server_error")
    assert client.call("alipay.trade.query", {"out_trade_no": "x"})["sub_code"] == "ACQ.TRADE_NOT_EXIST"


def wait_for(sandbox: SandboxProcess, number: str, attempts: int) -> dict[str, list[dict[str, str]]]:
    """The notification about a trade, when it was tried so often."""
    deadline = time.monotonic() + 10
    while True:
        page = http.get(f"{sandbox.url}/control/notifications?limit=1000").json()["notifications"]
        [found] = [each for each in page if each["out_trade_no"] == number]
        if len(found["attempts"]) >= attempts:
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.02)


@pytest.mark.usefixtures("client")
def test_lost_answer_without_a_body(sandbox: SandboxProcess) -> None:
    """An answer that has no body, as WeChat Pay's to a close, breaks off like any other."""
    wechat = Wechat(sandbox)
    assert wechat.ask("POST", NATIVE, wechat.order("closed_unheard")).status_code == 200
    ask_for(sandbox, "wechatpay:answer_lost")
    path = "/v3/pay/transactions/out-trade-no/closed_unheard"
    with pytest.raises(httpx.RemoteProtocolError):
        wechat.ask("POST", f"{path}/close", {"mchid": wechat.own["mchid"]})
    http.post(f"{sandbox.url}/control/faults", json={}).raise_for_status()
    found = wechat.ask("GET", f"{path}?mchid={wechat.own['mchid']}").json()
    assert found["trade_state"] == "CLOSED"
