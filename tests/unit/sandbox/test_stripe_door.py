"""Stripe's door of a running sandbox: whoever knocks, and whatever they say, is answered cleanly."""

from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.sandbox import SandboxProcess
from tests.unit.sandbox.merchant import http

quick = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
FORM = "application/x-www-form-urlencoded"


@pytest.fixture(scope="module")
def own(sandbox: SandboxProcess) -> dict[str, str]:
    """The merchant's settings."""
    return sandbox.config["stripe"]


def ask(own: dict[str, str], method: str, path: str, body: bytes = b"", **headers: str) -> httpx.Response:
    """The answer to a request with the merchant's key."""
    known = {"Authorization": f"Bearer {own['api_key']}", "Content-Type": FORM}
    return http.request(method, own["gateway"] + path, content=body, headers=known | headers)


def refused(answer: httpx.Response, *statuses: int) -> dict[str, Any]:
    """The error of an answer that refuses."""
    assert answer.status_code in (statuses or (400, 401, 402, 404, 413)), answer.text
    error = answer.json()["error"]
    assert error["message"]
    assert error["type"].endswith("_error")
    assert answer.headers["request-id"].startswith("req_")
    return error


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer x", "Basic ?", "Basic eA==", "Digest x", "Bearer " + "x" * 5000]
)
def test_who_has_no_key_is_refused(own: dict[str, str], header: str) -> None:
    """Another key, another scheme, and none."""
    refused(ask(own, "GET", "/v1/refunds", Authorization=header), 401)


def test_key_as_a_user_name(own: dict[str, str]) -> None:
    """The key may come as curl's user name."""
    answer = httpx.get(own["gateway"] + "/v1/refunds", auth=(own["api_key"], ""))
    assert answer.json()["object"] == "list"


@pytest.mark.parametrize(
    "form",
    [
        b"amount=5",
        b"amount=0&currency=cny",
        b"amount=x&currency=cny",
        b"amount=1e3&currency=cny",
        b"amount=99999999999999&currency=cny",
        b"amount=5&currency=yuan",
        b"amount[a]=5&currency=cny",
        b"amount=5&currency=cny&metadata=x",
        b"a[b]=1&a=2&a[c]=3&amount=1&currency=cny",
        b"a=1&a[b]=2",
        b"a[b][c][d][e][f][g]=1",
        b"[a]=1",
        b"a]b=1",
        b"\xff=\xfe",
        b"&".join(b"a%d=1" % n for n in range(600)),
    ],
)
def test_intents_that_cannot_be(own: dict[str, str], form: bytes) -> None:
    """What is wrong is refused, and nothing is made."""
    before = ask(own, "GET", "/v1/payment_intents").json()["data"]
    refused(ask(own, "POST", "/v1/payment_intents", form), 400)
    assert ask(own, "GET", "/v1/payment_intents").json()["data"] == before


@pytest.mark.parametrize(
    "url",
    ["", "http://example.com/", "ftp://127.0.0.1/", "http://127.0.0.1/" + "x" * 300],
)
def test_webhooks_stay_on_this_machine(own: dict[str, str], url: str) -> None:
    """An endpoint elsewhere is refused."""
    form = f"url={quote(url)}&enabled_events[]=*".encode()
    assert refused(ask(own, "POST", "/v1/webhook_endpoints", form), 400)["code"] == "url_invalid"


def test_endpoints_come_and_go(own: dict[str, str]) -> None:
    """At most sixteen, each of which can be deleted; only a new one shows the secret."""
    form = b"url=http%3A%2F%2F127.0.0.1%3A9%2F&enabled_events[]=refund.failed"
    made = [ask(own, "POST", "/v1/webhook_endpoints", form).json() for _ in range(16)]
    assert {each["secret"] for each in made} == {own["webhook_secret"]}
    refused(ask(own, "POST", "/v1/webhook_endpoints", form), 400)
    listed = ask(own, "GET", "/v1/webhook_endpoints").json()["data"]
    assert [each["id"] for each in listed] == [each["id"] for each in reversed(made)]
    assert "secret" not in ask(own, "GET", f"/v1/webhook_endpoints/{made[0]['id']}").json()
    for each in made:
        assert ask(own, "DELETE", f"/v1/webhook_endpoints/{each['id']}").json()["deleted"]
    refused(ask(own, "DELETE", f"/v1/webhook_endpoints/{made[0]['id']}"), 404)
    assert ask(own, "GET", "/v1/webhook_endpoints").json()["data"] == []


def test_declined_answer_is_replayed(own: dict[str, str]) -> None:
    """A card that was declined is declined again by the same key, though it would be taken now."""
    form = b"amount=5&currency=cny&payment_method=pm_card_visa_chargeDeclined&confirm=true"
    key = {"Idempotency-Key": "declined"}
    first, again = (ask(own, "POST", "/v1/payment_intents", form, **key) for _ in range(2))
    assert refused(first, 402)["code"] == "card_declined"
    assert (again.status_code, again.content) == (402, first.content)
    assert again.headers["idempotent-replayed"] == "true"
    refused(ask(own, "POST", "/v1/payment_intents", form, **{"Idempotency-Key": "x" * 256}), 400)


paths = st.sampled_from(
    [
        "/v1/checkout/sessions",
        "/v1/payment_intents",
        "/v1/refunds",
        "/v1/webhook_endpoints",
        "/v1/payment_intents/x/confirm",
    ]
)
names = st.sampled_from(
    [
        "amount",
        "currency",
        "metadata[a]",
        "line_items[0][quantity]",
        "line_items[0]",
        "line_items[0][price_data][currency]",
        "line_items[0][price_data][unit_amount]",
        "line_items[0][price_data][product_data][name]",
        "expires_at",
        "mode",
        "payment_intent",
        "charge",
        "url",
        "enabled_events[]",
        "confirm",
        "payment_method",
        "payment_intent_data",
        "expand[]",
        "created",
        "created[gte]",
        "created[lt]",
        "limit",
        "starting_after",
        "type",
    ]
)
values = (
    st.text(max_size=20) | st.integers().map(str) | st.sampled_from(["cny", "true", "pi_x", "re_x", "cs_test_x", ""])
)


@quick
@given(path=paths, body=st.binary(max_size=200))
def test_garbage_bodies_are_refused(own: dict[str, str], path: str, body: bytes) -> None:
    """Whatever bytes are posted, the answer is a refusal."""
    refused(ask(own, "POST", path, body))


@quick
@given(path=paths, fields=st.lists(st.tuples(names, values), max_size=8))
def test_garbage_fields_are_answered(own: dict[str, str], path: str, fields: list[tuple[str, str]]) -> None:
    """Whatever a form says, posted or asked for, it is carried out or refused, never an error of the sandbox."""
    form = "&".join(f"{name}={quote(value)}" for name, value in fields)
    for answer in (ask(own, "POST", path, form.encode()), ask(own, "GET", f"{path}?{form}")):
        assert answer.status_code < 500, answer.text


@quick
@given(rest=st.text(st.characters(codec="utf-8", exclude_characters="."), max_size=40))
def test_garbage_addresses_are_refused(own: dict[str, str], rest: str) -> None:
    """Whatever is asked for, there is an answer."""
    for prefix in ("/v1/", "/v1/refunds/", "/v1/events/", "/v1/checkout/sessions/", "/v1/webhook_endpoints/"):
        for method in ("GET", "POST", "DELETE", "PUT"):
            answer = ask(own, method, prefix + quote(rest, safe="/") + "x")
            refused(answer, 404)


def test_too_long_bodies_are_refused(own: dict[str, str]) -> None:
    """A body above the limit is refused, whether its length is stated or not."""
    refused(ask(own, "POST", "/v1/refunds", b"x" * 270_000), 413)
    endless = (b"x" * 10_000 for _ in range(40))
    key = {"Authorization": f"Bearer {own['api_key']}"}
    refused(http.post(own["gateway"] + "/v1/refunds", content=endless, headers=key), 413)


def test_sandbox_printed_no_error(sandbox: SandboxProcess) -> None:
    """After all that, nothing but its address was printed."""
    assert sandbox.log().splitlines() == [f"The payment sandbox listens at {sandbox.url}"]
