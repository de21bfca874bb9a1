"""The stripe SDK as a merchant of the sandbox."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import stripe

from tests.support.sandbox import SandboxProcess, running_sandbox
from tests.unit.sandbox.post_box import Arrived, PostBox, post_box

DAY = 24 * 3600


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[SandboxProcess]:
    """A sandbox for one test."""
    with running_sandbox(tmp_path) as process:
        yield process


@pytest.fixture
def box() -> Iterator[PostBox]:
    """The shop's callback address."""
    with post_box() as listening:
        yield listening


def pointed_at(sandbox: SandboxProcess, key: str = "") -> Any:
    """The SDK, which never tries again by itself."""
    own = sandbox.config["stripe"]
    client = stripe.StripeClient(key or own["api_key"], base_addresses={"api": own["gateway"]}, max_network_retries=0)
    return client.v1


@pytest.fixture
def sdk(sandbox: SandboxProcess) -> Any:
    """The SDK as the merchant."""
    return pointed_at(sandbox)


def session(sdk: Any, amount: int = 8880, **more: Any) -> Any:
    """A new Checkout Session over two things."""
    price = {"currency": "cny", "unit_amount": amount // 2, "product_data": {"name": "tea & 茶"}}
    wanted = {"mode": "payment", "success_url": "https://shop.test/?id={CHECKOUT_SESSION_ID}"}
    return sdk.checkout.sessions.create({**wanted, "line_items": [{"price_data": price, "quantity": 2}], **more})


def pay(url: str) -> None:
    """The buyer pays."""
    httpx.post(url, data={"action": "pay"}).raise_for_status()


def told(sandbox: SandboxProcess, box: PostBox, count: int) -> dict[str, Any]:
    """The next events by their kinds, each verified by the SDK."""
    found: list[Arrived] = [box.next() for _ in range(count)]
    secret = sandbox.config["stripe"]["webhook_secret"]
    events = [stripe.Webhook.construct_event(each.body, each.headers["Stripe-Signature"], secret) for each in found]
    return {event.type: event for event in events}


def test_session_from_making_to_refund(sandbox: SandboxProcess, sdk: Any, box: PostBox) -> None:
    """A session is made, paid, told, refunded in parts, and stands in the lists."""
    endpoint = sdk.webhook_endpoints.create({"url": box.url, "enabled_events": ["*"]})
    assert endpoint.secret == sandbox.config["stripe"]["webhook_secret"]
    made = session(sdk, client_reference_id="4711", metadata={"order": "12"})
    assert (made.status, made.payment_status, made.amount_total, made.payment_intent) == ("open", "unpaid", 8880, None)
    pay(made.url)
    events = told(sandbox, box, 3)
    assert set(events) == {"charge.succeeded", "payment_intent.succeeded", "checkout.session.completed"}
    completed = events["checkout.session.completed"].data.object
    assert (completed.id, completed.client_reference_id, completed.payment_status) == (made.id, "4711", "paid")
    assert sdk.events.retrieve(events["charge.succeeded"].id).type == "charge.succeeded"
    paid = sdk.checkout.sessions.retrieve(made.id, {"expand": ["payment_intent"]})
    assert (paid.status, paid.payment_intent.status, paid.payment_intent.amount_received) == (
        "complete",
        "succeeded",
        8880,
    )
    part = sdk.refunds.create({"payment_intent": paid.payment_intent.id, "amount": 880, "metadata": {"n": "1"}})
    assert (part.status, part.amount, part.metadata["n"]) == ("succeeded", 880, "1")
    assert {"refund.created", "charge.refunded", "refund.updated"} == set(told(sandbox, box, 3))
    assert sdk.refunds.retrieve(part.id).amount == 880
    rest = sdk.refunds.create({"payment_intent": paid.payment_intent.id})
    assert rest.amount == 8000
    with pytest.raises(stripe.InvalidRequestError, match="already been refunded"):
        sdk.refunds.create({"payment_intent": paid.payment_intent.id})
    assert {each.id for each in sdk.refunds.list({"payment_intent": paid.payment_intent.id}).data} == {
        part.id,
        rest.id,
    }
    assert [each.id for each in sdk.checkout.sessions.list({"limit": 3}).data] == [made.id]


def test_balance_of_a_day(sdk: Any) -> None:
    """Every charge and refund is a line, in pages, with its source."""
    now = int(time.time())
    for amount in (100, 200, 300):
        pay(session(sdk, amount).url)
    newest = sdk.checkout.sessions.list({"limit": 1}).data[0]
    sdk.refunds.create({"payment_intent": newest.payment_intent, "amount": 50})
    created = {"gte": now - 60, "lt": now + DAY}
    lines = sdk.balance_transactions.list({"created": created, "limit": 2, "expand": ["data.source"]})
    found = list(lines.auto_paging_iter())
    assert [line.amount for line in found] == [-50, 300, 200, 100]
    assert [line.type for line in found] == ["refund", "charge", "charge", "charge"]
    assert found[1].source.payment_intent == newest.payment_intent
    assert found[0].source.object == "refund"
    assert sdk.balance_transactions.list({"created": created, "type": "refund"}).data[0].amount == -50
    assert sdk.balance_transactions.list({"created": {"lt": now - 60}}).data == []


def test_expired_session(sdk: Any) -> None:
    """An expired session cannot be paid, and is not expired twice."""
    made = session(sdk)
    assert sdk.checkout.sessions.expire(made.id).status == "expired"
    assert httpx.post(made.url, data={"action": "pay"}).status_code == 409
    with pytest.raises(stripe.InvalidRequestError):
        sdk.checkout.sessions.expire(made.id)
    with pytest.raises(stripe.InvalidRequestError, match=r"No such checkout\.session"):
        sdk.checkout.sessions.retrieve("cs_test_none")


def test_payment_intents(sandbox: SandboxProcess, sdk: Any, box: PostBox) -> None:
    """An intent is confirmed, declined, canceled, and says so."""
    sdk.webhook_endpoints.create({"url": box.url, "enabled_events": ["payment_intent.payment_failed"]})
    made = sdk.payment_intents.create({"amount": 500, "currency": "cny", "metadata": {"a": "b"}})
    assert made.status == "requires_payment_method"
    with pytest.raises(stripe.CardError) as declined:
        sdk.payment_intents.confirm(made.id, {"payment_method": "pm_card_chargeDeclined"})
    assert declined.value.code == "card_declined"
    assert set(told(sandbox, box, 1)) == {"payment_intent.payment_failed"}
    assert sdk.payment_intents.confirm(made.id, {"payment_method": "pm_card_visa"}).status == "succeeded"
    other = sdk.payment_intents.create({"amount": 1, "currency": "cny"})
    assert sdk.payment_intents.cancel(other.id).status == "canceled"
    with pytest.raises(stripe.InvalidRequestError) as late:
        sdk.payment_intents.confirm(other.id, {"payment_method": "pm_card_visa"})
    assert late.value.code == "payment_intent_unexpected_state"
    assert [each.id for each in sdk.payment_intents.list().data] == [other.id, made.id]


def test_keys_of_requests(sdk: Any) -> None:
    """The same key gives the same answer; with other parameters it is refused."""
    wanted = {"amount": 500, "currency": "cny"}
    first = sdk.payment_intents.create(wanted, {"idempotency_key": "k1"})
    again = sdk.payment_intents.create(wanted, {"idempotency_key": "k1"})
    assert first.id == again.id
    assert again.last_response.headers["Idempotent-Replayed"] == "true"
    with pytest.raises(stripe.IdempotencyError):
        sdk.payment_intents.create({**wanted, "amount": 501}, {"idempotency_key": "k1"})
    assert len(sdk.payment_intents.list().data) == 1


def test_tampered_events_are_refused(sandbox: SandboxProcess, sdk: Any, box: PostBox) -> None:
    """After a change of body, time or secret the SDK takes nothing; an old one it refuses, too."""
    sdk.webhook_endpoints.create({"url": box.url, "enabled_events": ["checkout.session.completed"]})
    pay(session(sdk).url)
    heard = box.next()
    header, secret = heard.headers["Stripe-Signature"], sandbox.config["stripe"]["webhook_secret"]
    assert stripe.Webhook.construct_event(heard.body, header, secret)
    for body, signed, key in (
        (heard.body.replace(b"8880", b"8881"), header, secret),
        (heard.body, header.replace("t=1", "t=2"), secret),
        (heard.body, header, secret + "x"),
    ):
        with pytest.raises(stripe.SignatureVerificationError):
            stripe.Webhook.construct_event(body, signed, key)


def test_faults_of_webhooks(sandbox: SandboxProcess, sdk: Any, box: PostBox) -> None:
    """A stale and a tampered event come first and are refused; one of a rotated key and the true amount is taken."""
    sdk.webhook_endpoints.create({"url": box.url, "enabled_events": ["checkout.session.completed"]})
    rules = [{"kind": kind, "platform": "stripe"} for kind in ("stale", "tamper", "key_rotation")]
    httpx.post(f"{sandbox.url}/control/faults", json={"rules": rules}).raise_for_status()
    pay(session(sdk).url)
    secret = sandbox.config["stripe"]["webhook_secret"]
    for _ in range(2):
        heard = box.next()
        with pytest.raises(stripe.SignatureVerificationError):
            stripe.Webhook.construct_event(heard.body, heard.headers["Stripe-Signature"], secret)
    heard = box.next()
    assert heard.headers["Stripe-Signature"].count("v1=") == 2
    event: Any = stripe.Webhook.construct_event(heard.body, heard.headers["Stripe-Signature"], secret)
    assert event.data.object.amount_total == 8880


def test_failed_refund(sandbox: SandboxProcess, sdk: Any, box: PostBox) -> None:
    """A refund that fails is pending first, gives nothing back, and its failure is told."""
    sdk.webhook_endpoints.create({"url": box.url, "enabled_events": ["refund.failed"]})
    rules = {"rules": [{"kind": "refund_abnormal"}]}
    httpx.post(f"{sandbox.url}/control/faults", json=rules).raise_for_status()
    made = session(sdk)
    pay(made.url)
    intent = sdk.checkout.sessions.retrieve(made.id).payment_intent
    refund = sdk.refunds.create({"payment_intent": intent})
    assert refund.status == "pending"
    assert told(sandbox, box, 1)["refund.failed"].data.object.id == refund.id
    assert sdk.refunds.retrieve(refund.id).status == "failed"
    assert sdk.payment_intents.retrieve(intent, {"expand": ["latest_charge"]}).latest_charge.amount_refunded == 0


def test_platform_in_trouble(sandbox: SandboxProcess, sdk: Any) -> None:
    """Too many requests and a broken platform are errors that the SDK knows by their kinds."""
    for kind, error in (("rate_limited", stripe.RateLimitError), ("server_error", stripe.APIError)):
        httpx.post(f"{sandbox.url}/control/faults", json={"rules": [{"kind": kind}]}).raise_for_status()
        with pytest.raises(error):
            sdk.payment_intents.list()


def test_stranger_is_refused(sandbox: SandboxProcess) -> None:
    """Another key is not let in."""
    with pytest.raises(stripe.AuthenticationError):
        pointed_at(sandbox, "sk_test_other").payment_intents.list()


def test_sessions_that_cannot_be(sdk: Any) -> None:
    """What is missing or wrong is named, and nothing is made."""
    wrong: list[dict[str, Any]] = [
        {"line_items": []},
        {"mode": "subscription"},
        {"expires_at": int(time.time()) + 10},
        {"success_url": "shop"},
        {"metadata": {str(at): "x" for at in range(51)}},
    ]
    for more in wrong:
        with pytest.raises(stripe.InvalidRequestError):
            session(sdk, **more)
    assert json.loads(str(sdk.checkout.sessions.list().data)) == []
