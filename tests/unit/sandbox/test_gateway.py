"""The gateway of a running sandbox: who is let in, and what anybody else is told."""

import json
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from makegood.sandbox.alipay.gateway import METHODS
from makegood.sandbox.alipay.pages import PRODUCTS
from tests.support.sandbox import SandboxProcess
from tests.unit.sandbox.merchant import Client, Form, http

QUERY = {"out_trade_no": "nobody"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
quick = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def inner(answer: httpx.Response) -> tuple[str, Any]:
    """The answer's name and object; every answer is HTTP 200 and has exactly this shape."""
    assert answer.status_code == 200, answer.text
    content = answer.json()
    name, body = next(iter(content.items()))
    assert set(content) <= {name, "sign"}
    assert {"code", "msg"} <= set(body)
    return name, body


def refused(answer: httpx.Response) -> str:
    """The sub_code of an answer that refuses."""
    _, body = inner(answer)
    assert body["code"] in ("20000", "40001", "40002", "40004"), body
    assert body["sub_msg"]
    return body["sub_code"]


def test_signed_request_is_answered_by_post_and_get(client: Client) -> None:
    """Form, query string, and the one for the common parameters and the other for the content."""
    form = client.form("alipay.trade.query", QUERY)
    gateway = client.settings["gateway"]
    content = {"biz_content": form.pop("biz_content")}
    answers = [
        http.post(gateway, data=form | content),
        http.get(gateway, params=form | content),
        http.post(gateway, params=form, data=content),
    ]
    assert [refused(answer) for answer in answers] == ["ACQ.TRADE_NOT_EXIST"] * 3
    assert len({answer.text for answer in answers}) == 1


@pytest.mark.parametrize(
    ("missing", "sub_code"),
    [
        ("method", "isv.missing-method"),
        ("app_id", "isv.missing-app-id"),
        ("sign_type", "isv.missing-signature-type"),
        ("sign", "isv.missing-signature"),
        ("timestamp", "isv.missing-timestamp"),
        ("version", "isv.missing-version"),
    ],
)
def test_missing_parameter_is_named(client: Client, missing: str, sub_code: str) -> None:
    """A common parameter that is not there is refused by name."""
    form = client.form("alipay.trade.query", QUERY)
    del form[missing]
    assert refused(client.post(form)) == sub_code


@pytest.mark.parametrize(
    ("name", "value", "sub_code"),
    [
        ("app_id", "2021000000000000", "isv.invalid-app-id"),
        ("sign_type", "RSA", "isv.invalid-signature-type"),
        ("charset", "gbk", "isv.invalid-charset"),
        ("timestamp", "2026-11-22T12:00:00Z", "isv.invalid-timestamp"),
        ("version", "2.0", "isv.invalid-parameter"),
        ("format", "XML", "isv.invalid-format"),
        ("method", "alipay.trade.pay", "isv.invalid-method"),
        ("biz_content", "", "isv.invalid-parameter"),
        ("biz_content", "{", "isv.invalid-parameter"),
        ("biz_content", '{"a":' * 100_000, "isv.invalid-parameter"),
        ("biz_content", "[]", "ACQ.INVALID_PARAMETER"),
        ("biz_content", "{}", "ACQ.INVALID_PARAMETER"),
        ("biz_content", '{"out_trade_no": 5}', "ACQ.INVALID_PARAMETER"),
    ],
)
def test_wrong_parameter_is_refused(client: Client, name: str, value: str, sub_code: str) -> None:
    """A properly signed request with one wrong value is refused for that value."""
    form = client.form("alipay.trade.query", QUERY)
    del form["sign"]
    assert refused(client.post(client.sign(form | {name: value}))) == sub_code


@pytest.mark.parametrize("name", ["app_id", "method", "timestamp", "biz_content", "notify_url", "sign"])
def test_tampered_request_is_refused(client: Client, name: str) -> None:
    """A change of any parameter after signing is refused, and nothing comes of it."""
    number = f"tampered_{name}"
    content = {"out_trade_no": number, "total_amount": "1.00", "subject": "Apples"}
    form = client.form("alipay.trade.precreate", content, notify_url="http://127.0.0.1:9/")
    changes: Form = {
        "app_id": form["app_id"][::-1],
        "method": "alipay.trade.query",
        "timestamp": "2026-11-22 12:00:01",
        "biz_content": form["biz_content"].replace("1.00", "0.01"),
        "notify_url": "http://127.0.0.1:8/",
        "sign": form["sign"][::-1],
    }
    expected = "isv.invalid-app-id" if name == "app_id" else "isv.invalid-signature"
    assert refused(client.post(form | {name: changes[name]})) == expected
    listed = http.get(client.settings["gateway"].replace("alipay/gateway.do", "control/trades")).json()
    assert number not in [trade["out_trade_no"] for trade in listed["trades"]]


def test_answers_are_signed_except_to_strangers(client: Client) -> None:
    """Every refusal of a known app is signed over its raw JSON; an unknown app has no key to check one."""
    assert client.call("alipay.trade.query", QUERY)["sub_code"] == "ACQ.TRADE_NOT_EXIST"
    name, _ = inner(stranger := client.post({**client.form("alipay.trade.query", QUERY), "app_id": "1"}))
    assert name == "alipay_trade_query_response"
    assert "sign" not in stranger.json()
    name, _ = inner(client.post(client.form("alipay.trade.pay", QUERY)))
    assert name == "error_response"


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/notify",
        "http://192.168.1.1/notify",
        "http://127.0.0.1.example.com/",
        "http://127.0.0.1@example.com/",
        "ftp://127.0.0.1/",
        "//127.0.0.1/",
        "http://",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1/ \n",
        "http://[::1/",
        "http://127.0.0.1/" + "x" * 240,
    ],
)
def test_notifications_stay_on_this_machine(client: Client, url: str) -> None:
    """A notify_url that is no http address of the loopback is refused."""
    content = {"out_trade_no": "far_away", "total_amount": "1.00", "subject": "Apples"}
    answer = client.call("alipay.trade.precreate", content, notify_url=url)
    assert answer["sub_code"] == "ACQ.INVALID_PARAMETER"
    assert "notify_url" in answer["sub_msg"]


def test_number_as_amount_is_exact(client: Client) -> None:
    """An amount may be a JSON number, and is not rounded on its way."""
    content = {"out_trade_no": "float", "total_amount": 88.88, "subject": "Apples"}
    assert client.call("alipay.trade.precreate", content)["code"] == "10000"
    again = client.call("alipay.trade.precreate", {**content, "total_amount": "88.88"})
    assert again["code"] == "10000"
    content = {"out_trade_no": "fine", "total_amount": 88.881, "subject": "Apples"}
    assert client.call("alipay.trade.precreate", content)["sub_code"] == "ACQ.INVALID_PARAMETER"


def test_too_long_request_is_refused(client: Client) -> None:
    """A body above the limit is refused in the gateway's own form."""
    assert refused(client.post({"biz_content": "x" * 300_000})) == "isv.invalid-parameter"
    assert refused(client.post({f"p{n}": "x" for n in range(200)})) == "isv.invalid-parameter"


@quick
@given(
    body=st.binary(max_size=300), kind=st.sampled_from(["application/x-www-form-urlencoded", "text/plain", "a/b", ""])
)
def test_garbage_body_is_refused(client: Client, body: bytes, kind: str) -> None:
    """Whatever bytes are posted, the answer is a refusal as the gateway says it."""
    refused(http.post(client.settings["gateway"], content=body, headers={"Content-Type": kind}))


parameters = st.dictionaries(
    st.sampled_from(["app_id", "method", "sign", "sign_type", "timestamp", "version", "charset", "biz_content", "x"]),
    st.text(max_size=40),
)


@quick
@given(junk=parameters)
def test_garbage_parameters_are_refused(client: Client, junk: Form) -> None:
    """Whatever a signed request's parameters are turned into, by whichever way they come, it is refused."""
    assume(junk.get("method") not in PRODUCTS)  # a browser's requests, which are refused in HTML
    form = client.form("alipay.trade.query", QUERY) | junk
    refused(client.post(form))
    refused(http.get(f"{client.settings['gateway']}?{urlencode(form)}"))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=80),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=5), inside, max_size=3),
    max_leaves=5,
)
fields = ["out_trade_no", "trade_no", "total_amount", "subject", "body", "timeout_express", "time_expire"]
fields += ["out_request_no", "refund_amount", "query_options", "seller_id"]
contents = st.dictionaries(st.sampled_from(fields), json_values, max_size=6)


@quick
@given(method=st.sampled_from(sorted(METHODS)), content=contents)
def test_garbage_content_is_answered(client: Client, method: str, content: object) -> None:
    """Whatever a properly signed biz_content says, the answer is a signed success or refusal."""
    form = client.form(method, {})
    del form["sign"]
    name, body = inner(client.post(client.sign(form | {"biz_content": json.dumps(content)})))
    assert name == method.replace(".", "_") + "_response"
    assert body["code"] in ("10000", "40002", "40004")


def test_sandbox_printed_no_error(sandbox: SandboxProcess) -> None:
    """After all that, nothing but its address was printed."""
    assert sandbox.log().splitlines() == [f"The payment sandbox listens at {sandbox.url}"]


def test_body_of_unknown_length_is_read(client: Client) -> None:
    """A form sent in chunks is answered as one of stated length, and refused as one when it is too long."""
    form = client.form("alipay.trade.query", {"out_trade_no": "never_made"})
    answer = http.post(client.settings["gateway"], content=iter([urlencode(form).encode()]), headers=FORM)
    assert refused(answer) == "ACQ.TRADE_NOT_EXIST"
    endless = iter([b"biz_content=", *[b"x" * 1_000] * 300])
    assert refused(http.post(client.settings["gateway"], content=endless, headers=FORM)) == "isv.invalid-parameter"


def test_parameters_may_be_divided(client: Client) -> None:
    """Query string and form are one request, whichever holds what."""
    form = client.form("alipay.trade.query", {"out_trade_no": "never_made"})
    first = {name: form[name] for name in ("method", "app_id", "sign")}
    rest = {name: value for name, value in form.items() if name not in first}
    answer = http.post(client.settings["gateway"], params=first, data=rest)
    assert refused(answer) == "ACQ.TRADE_NOT_EXIST"


@pytest.mark.parametrize("day", ["0001-01-01", "1970-01-01", "1979-12-31", "2107-01-01", "9999-12-31", "1980-1-1"])
def test_day_that_no_bill_can_have(client: Client, day: str) -> None:
    """A day before there were zips, or after them, is refused when the bill is asked for."""
    asked = {"bill_type": "trade", "bill_date": day}
    answer = client.call("alipay.data.dataservice.bill.downloadurl.query", asked)
    assert answer["sub_code"] == "isv.invalid-arguments"


def test_oldest_bill_can_be_downloaded(client: Client) -> None:
    """Whatever address is given leads to a bill."""
    asked = {"bill_type": "trade", "bill_date": "1980-01-01"}
    answer = client.call("alipay.data.dataservice.bill.downloadurl.query", asked)
    assert http.get(answer["bill_download_url"]).status_code == 200
