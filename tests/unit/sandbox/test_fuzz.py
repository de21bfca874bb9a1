"""The doors of a running sandbox, knocked at by the right merchant with something wrong: carried out, or refused.

Every refusal has the platform's own shape, nothing is a fault of the sandbox, and no spoilt amount becomes another.
"""

import json
import re
import socket
from collections.abc import Iterator, Mapping
from decimal import Decimal
from itertools import count
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.mutated import TEXTS, mutations, spoilt
from tests.support.sandbox import SandboxProcess
from tests.unit.sandbox.merchant import Client, http
from tests.unit.sandbox.test_stripe_door import FORM, ask
from tests.unit.sandbox.test_wechatpay_door import NATIVE, Wechat

quick = settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
NUMBERS = count(1)
NUMBER = "a_number_to_come"
HEADER_VALUES = (
    *(b"", b"\xe9", b"x" * 3_000, b"x" * 300, b"=", b"==", b"A", b"Bearer", b"Basic /w==", b"Basic ????", b"null"),
    *(b"-1", b"multipart/form-data", b"application/json; charset=\xff", b"gzip", b"1e9", b"9" * 30, b'"', b"a;b"),
)


@pytest.fixture(scope="module")
def own(sandbox: SandboxProcess) -> dict[str, str]:
    """Stripe's merchant."""
    return sandbox.config["stripe"]


@pytest.fixture(scope="module")
def wechat(sandbox: SandboxProcess) -> Wechat:
    """WeChat Pay's."""
    return Wechat(sandbox)


def numbered(body: bytes) -> tuple[bytes, str]:
    """The body with a number that was never used, and that number."""
    number = f"fuzz_{next(NUMBERS)}"
    return body.replace(NUMBER.encode(), number.encode()), number


def amounts(sandbox: SandboxProcess) -> dict[str, int]:
    """What each trade is of, in fen."""
    page = http.get(f"{sandbox.url}/control/trades?limit=1000").json()
    assert page["next"] is None, "the test has more trades than a page"
    return {trade["out_trade_no"]: trade["amount"] for trade in page["trades"]}


def alipay_answer(answer: httpx.Response) -> dict[str, Any]:
    """The inner object of an answer as the gateway gives them: always HTTP 200, with code and msg."""
    assert answer.status_code == 200, answer.text
    [name] = [name for name in answer.json() if name.endswith("_response")]
    said = answer.json()[name]
    assert said["code"] in ("10000", "20001", "40001", "40002", "40004"), said
    assert said["code"] == "10000" or (said["sub_code"] and said["sub_msg"]), said
    return said


ALIPAY_CONTENTS: dict[str, Mapping[str, Any]] = {
    "alipay.trade.precreate": {
        "out_trade_no": NUMBER,
        "total_amount": "20.00",
        "subject": "Two apples",
        "body": "red",
        "time_expire": "2099-01-01 00:00:00",
        "timeout_express": "90m",
    },
    "alipay.trade.query": {"out_trade_no": NUMBER, "trade_no": "2026010122001000001"},
    "alipay.trade.close": {"out_trade_no": NUMBER},
    "alipay.trade.refund": {"out_trade_no": NUMBER, "refund_amount": "1.00", "out_request_no": "r1"},
    "alipay.trade.fastpay.refund.query": {
        "out_trade_no": NUMBER,
        "out_request_no": "r1",
        "query_options": ["gmt_refund_pay"],
    },
    "alipay.data.dataservice.bill.downloadurl.query": {"bill_type": "trade", "bill_date": "2026-01-01"},
}


@pytest.mark.parametrize("method", ALIPAY_CONTENTS)
def test_alipay_contents(client: Client, sandbox: SandboxProcess, method: str) -> None:
    """Every part of biz_content left out, doubled, or replaced; what is made is of the amount that was said."""
    said: dict[str, int] = {}
    for body in mutations(ALIPAY_CONTENTS[method], share=3):
        content, number = numbered(body)
        text = content.decode(errors="replace")
        answer = alipay_answer(client.post(client.form(method, {}) | resigned(client, method, text)))
        if method == "alipay.trade.precreate" and answer["code"] == "10000":
            said[answer["out_trade_no"]] = int(Decimal(str(json.loads(text)["total_amount"])) * 100)
        assert answer["code"] != "10000" or answer.get("out_trade_no", number) == number or "out_trade_no" in said
    assert {number: fen for number, fen in amounts(sandbox).items() if number in said} == said


def resigned(client: Client, method: str, content: str) -> dict[str, str]:
    """The parameters of a request with this biz_content, as it is."""
    form = {name: value for name, value in client.form(method, {}).items() if name != "sign"}
    return client.sign({**form, "biz_content": content})


def test_alipay_parameters(client: Client) -> None:
    """Every parameter around the content left out, doubled or replaced, and signed as it is; posted and asked for."""
    form = client.form("alipay.trade.query", {"out_trade_no": "x"})
    for name in (*form, "notify_url", "return_url", "format", "encrypt_type"):
        others = {other: value for other, value in form.items() if other not in (name, "sign")}
        alipay_answer(client.post(client.sign(others)))
        for text in TEXTS:
            if "\ud800" not in text:
                signed = client.sign({**others, name: text}) | ({"sign": text} if name == "sign" else {})
                alipay_answer(client.post(signed))
        doubled = urlencode(form) + f"&{name}=x"
        alipay_answer(http.post(client.settings["gateway"], content=doubled.encode(), headers={"Content-Type": FORM}))
        alipay_answer(http.get(f"{client.settings['gateway']}?{doubled}"))


@quick
@given(st.integers(0, 900), st.integers(0, 255), st.integers(0, 4))
def test_alipay_spoilt(client: Client, at: int, byte: int, how: int) -> None:
    """A byte of the form changed, added or lost."""
    body = spoilt(urlencode(client.form("alipay.trade.query", {"out_trade_no": "x"})).encode(), at, byte, how)
    alipay_answer(http.post(client.settings["gateway"], content=body, headers={"Content-Type": FORM}))


def wechat_answer(wechat: Wechat, answer: httpx.Response) -> Any:
    """What a signed answer says; a refusal has a code and a message."""
    assert answer.status_code < 500, answer.text
    assert wechat.is_genuine(answer.headers, answer.content)
    if answer.status_code in (200, 204):
        return answer.json() if answer.content else {}
    assert set(answer.json()) == {"code", "message"}
    assert answer.json()["message"]
    return None


WECHAT_CONTENTS: dict[str, dict[str, Any]] = {
    NATIVE: {"time_expire": "", "attach": "a"},
    "/v3/pay/transactions/h5": {"scene_info": {"payer_client_ip": "192.0.2.7", "h5_info": {"type": "Wap"}}},
    "/v3/pay/transactions/jsapi": {"payer": {"openid": "o0"}},
    "/v3/refund/domestic/refunds": {"out_refund_no": "r1", "amount": {"refund": 1, "total": 100, "currency": "CNY"}},
    f"/v3/pay/transactions/out-trade-no/{NUMBER}/close": {},
}


@pytest.mark.parametrize("path", WECHAT_CONTENTS)
def test_wechat_contents(wechat: Wechat, sandbox: SandboxProcess, path: str) -> None:
    """Every part of a body left out, doubled, or replaced, properly signed."""
    said: dict[str, int] = {}
    for body in mutations(wechat.order(NUMBER) | WECHAT_CONTENTS[path], share=4):
        content, _ = numbered(body)
        if wechat_answer(wechat, wechat.ask("POST", path, raw=content)) and "transactions" in path:
            told = json.loads(content.decode(errors="replace"), parse_int=lambda digits: int(digits[:20]))
            said[told["out_trade_no"]] = told["amount"]["total"]
    found = amounts(sandbox)
    assert {number: found[number] for number in said} == said


@quick
@given(st.integers(0, 300), st.integers(0, 255), st.integers(0, 4))
def test_wechat_spoilt(wechat: Wechat, at: int, byte: int, how: int) -> None:
    """A byte of the body changed, added or lost before it was signed."""
    body = json.dumps(wechat.order("spoilt_order")).encode()
    wechat_answer(wechat, wechat.ask("POST", NATIVE, raw=spoilt(body, at, byte, how)))


def test_wechat_authorization(wechat: Wechat) -> None:
    """Every field of the Authorization replaced: signed by the right key all the same, and refused or answered."""
    for name in ("mchid", "nonce_str", "timestamp", "serial_no", "signature"):
        for text in TEXTS:
            if text.isascii() and text.isprintable() and '"' not in text:
                wechat_answer(wechat, wechat.ask("GET", "/v3/certificates", raw=b"", **{name: text[:4_000]}))


STRIPE_FORMS: dict[str, dict[str, str]] = {
    "/v1/checkout/sessions": {
        "mode": "payment",
        "client_reference_id": "1",
        "line_items[0][quantity]": "1",
        "line_items[0][price_data][currency]": "cny",
        "line_items[0][price_data][unit_amount]": "100",
        "line_items[0][price_data][product_data][name]": "tea",
        "metadata[payment_id]": "1",
        "payment_intent_data[metadata][payment_id]": "1",
        "success_url": "http://127.0.0.1/",
        "expires_at": "",
    },
    "/v1/payment_intents": {
        "amount": "100",
        "currency": "cny",
        "metadata[a]": "b",
        "payment_method": "",
        "confirm": "",
    },
    "/v1/refunds": {"payment_intent": "pi_x", "amount": "1", "metadata[refund_id]": "1", "reason": "duplicate"},
    "/v1/webhook_endpoints": {"url": "", "enabled_events[]": "*"},
}


def forms(fields: Mapping[str, str]) -> Iterator[list[tuple[str, str]]]:
    """The form with each field left out, doubled, renamed, and replaced."""
    for at, name in enumerate(fields):
        rest = [(other, value) for other, value in fields.items() if other != name]
        yield rest
        yield [*rest, (name, fields[name]), (name, "2")]
        for renamed in (
            f"{name}[]",
            f"{name}[a]",
            f"[{name}]",
            name[:-1],
            name.upper(),
            f"{name}[a][b][c][d][e]",
            "\0",
        ):
            yield [*rest, (renamed, fields[name])]
        for text in TEXTS[at % 2 :: 2]:
            yield [*rest, (name, text)]


def stripe_answer(answer: httpx.Response) -> Any:
    """What an answer says; a refusal has an error of a type, with a message."""
    assert answer.status_code < 500, answer.text
    said = answer.json()
    if answer.status_code == 200:
        return said
    assert said["error"]["message"]
    assert said["error"]["type"].endswith("_error")
    return None


@pytest.mark.parametrize("path", STRIPE_FORMS)
def test_stripe_forms(own: dict[str, str], path: str) -> None:
    """Every field left out, doubled, renamed or replaced; what is made is of the amount that was said."""
    for form in forms(STRIPE_FORMS[path]):
        made = stripe_answer(ask(own, "POST", path, urlencode(form, errors="replace").encode()))
        if made and made["object"] == "payment_intent":
            assert made["amount"] == int(dict(form)["amount"])
        if made and made["object"] == "webhook_endpoint":
            stripe_answer(ask(own, "DELETE", f"{path}/{made['id']}"))


def test_stripe_lists(own: dict[str, str]) -> None:
    """Every question about a list, with whatever values."""
    for path in ("checkout/sessions", "payment_intents", "refunds", "balance_transactions", "webhook_endpoints"):
        for name in ("limit", "starting_after", "created", "created[gte]", "created[x]", "type", "expand[]", "charge"):
            for text in TEXTS[:: 3 if name == "limit" else 6]:
                stripe_answer(ask(own, "GET", f"/v1/{path}?{urlencode({name: text}, errors='replace')}"))


def test_stripe_keys(own: dict[str, str]) -> None:
    """An Idempotency-Key may be anything that a header can carry, within its length; with it the same is said again."""
    for value in (*HEADER_VALUES, b"k'; DROP TABLE answered", b"x" * 255, b"x" * 256):
        for _ in range(2):
            headers = {b"authorization": f"Bearer {own['api_key']}".encode(), b"idempotency-key": value}
            body = {"amount": "1", "currency": "cny"}
            stripe_answer(http.post(f"{own['gateway']}/v1/payment_intents", data=body, headers=headers))


def test_headers(client: Client, wechat: Wechat, own: dict[str, str]) -> None:
    """Whatever stands in a header, each platform answers as it does."""
    names = ("authorization", "content-type", "accept", "accept-encoding", "wechatpay-serial", "cookie", "host")
    for name in (*names, "stripe-version", "expect", "x-forwarded-for", "idempotency-key", "content-encoding"):
        for value in HEADER_VALUES:
            if name == "host" and value != b"9" * 30:
                continue
            headers = {name.encode(): value}
            form = client.form("alipay.trade.query", {"out_trade_no": "x"})
            alipay_answer(http.post(client.settings["gateway"], data=form, headers=headers))
            answer = http.post(wechat.own["gateway"] + NATIVE, content=b"{}", headers=headers)
            assert answer.json()["code"] == "SIGN_ERROR"
            stripe_answer(http.get(f"{own['gateway']}/v1/refunds", headers=headers))


TARGETS = (
    *(b"/", b"//", b"/%00", b"/%ff", b"/\xff", b"/..", b"/v1", b"/v1/", b"/v3/", b"/v3", b"*", b"/?", b"/?%ff=%zz"),
    *(b"/v1/%ff/%00", b"/v3/pay/transactions/out-trade-no/%ff%00?mchid=%ff", b"/v3/refund/domestic/refunds/%ff%00"),
    *(b"/v3/bill/tradebill?bill_date=%ff", b"/v3/billdownload/file?token=%ff.%00.x", b"/alipay/bill?token=%ff.x.y"),
    *(b"/alipay/bill?token=" + b"\xe9." * 30, b"/cashier/%ff", b"/cashier/\xff", b"/cashier/" + b"x" * 5_000),
    *(b"/cashier/%00", b"/cashier/a%2Fb", b"/trades/-1", b"/trades/99999999999999999999999", b"/trades/%ff"),
    *(
        b"/trades/1e3",
        b"/notifications/99999999999999999999/resend",
        b"/?platform=%ff",
        b"/?before=1e9",
        b"/?before=-1",
    ),
    *(b"/control/trades?limit=1e3", b"/control/trades?after=99999999999999999999", b"/control/trades?platform=%ff%00"),
    *(b"/control/notifications?limit=", b"/control/notifications/9999999999999999999999/resend", b"/metrics?x=%ff"),
    *(b"/alipay/gateway.do?app_id=%ff&biz_content=%ff", b"/alipay/gateway.do?" + b"&".join([b"a=1"] * 200)),
    *(b"http://127.0.0.1/v1/refunds", b"/alipay/gateway.do?" + b"x" * 60_000),
)


@pytest.mark.parametrize("method", [b"GET", b"POST", b"DELETE", b"PROPFIND"])
def test_targets(sandbox: SandboxProcess, method: bytes) -> None:
    """Whatever is asked for, with bytes that no client would write, the answer is none of a fault."""
    for target in TARGETS:
        status = raw_status(sandbox, method + b" " + target + b" HTTP/1.1")
        assert status < 500, (method, target, status)


def raw_status(sandbox: SandboxProcess, line: bytes) -> int:
    """The status of the answer to a request line as it is; 0 when the connection is closed for it."""
    where = urlsplit(sandbox.url)
    with socket.create_connection((where.hostname or "", where.port or 0), timeout=10) as connection:
        host = f"{where.hostname}:{where.port}".encode()
        connection.sendall(line + b"\r\nHost: " + host + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        answer = connection.makefile("rb").readline()
    return int(answer.split()[1]) if answer else 0


def test_cashier(client: Client) -> None:
    """Whatever a form says, the cashier does what its buttons do, or nothing."""
    page = client.precreate("fuzz_at_the_cashier")
    for text in TEXTS:
        for accept in ("application/json", "text/html"):
            body = urlencode({"action": text}, errors="replace").encode()
            answer = http.post(page, content=body, headers={"Accept": accept, "Content-Type": FORM})
            assert answer.status_code in (200, 400, 404, 409, 413, 422), answer.text
            assert http.get(f"{page}{quote(text[:50], safe='')}").status_code in (200, 404, 405, 422)
    for body in (b"\xff", b"action=%ff", b"action", b"&" * 4_000, b"action=pay&action=decline", b"x" * 4_097):
        for accept in ("application/json", "text/html"):
            assert http.post(page, content=body, headers={"Accept": accept}).status_code < 500


CONTROLS: dict[str, Mapping[str, Any]] = {
    "clock": {"speed": 1.0, "advance_seconds": 0},
    "faults": {
        "notifications": "normal",
        "seed": 1,
        "rules": [{"kind": "lose", "platform": "wechatpay", "probability": 0.0, "seconds": 1}],
    },
}


@pytest.mark.parametrize("what", CONTROLS)
def test_control(sandbox: SandboxProcess, what: str) -> None:
    """Every part of what tests may change left out, doubled, or replaced: taken, or 4xx."""
    try:
        for body in mutations(CONTROLS[what], share=2):
            answer = http.post(
                f"{sandbox.url}/control/{what}", content=body, headers={"Content-Type": "application/json"}
            )
            assert answer.status_code in (200, 400, 413), (body[:200], answer.text)
            assert http.get(f"{sandbox.url}/control/{what}").status_code == 200
    finally:
        http.post(f"{sandbox.url}/control/faults", json={}).raise_for_status()
        http.post(f"{sandbox.url}/control/clock", json={"speed": 1.0}).raise_for_status()


def test_forms_of_the_page(sandbox: SandboxProcess) -> None:
    """Every field of the page's forms replaced: taken, or 4xx; the page can be shown afterwards."""
    token = re.search(r'name="token" value="([^"]+)"', http.get(f"{sandbox.url}/settings").text)
    assert token is not None
    shown = {"clock": ("advance", "speed"), "faults": ("kind", "platform", "chance", "seconds", "seed", "remove")}
    proper = {"kind": "slow", "platform": "stripe", "chance": "0", "token": token[1]}
    try:
        for page, names in shown.items():
            for name in (*names, "token"):
                for text in (*TEXTS, "1e308", "-1e308", "1e-320", "nan", "0x1"):
                    fields = {**(proper if page == "faults" else {"token": token[1]}), name: text}
                    body = urlencode(fields, errors="replace").encode()
                    answer = http.post(f"{sandbox.url}/settings/{page}", content=body, headers={"Content-Type": FORM})
                    assert answer.status_code in (303, 400, 403, 413), (fields, answer.text)
            assert http.get(f"{sandbox.url}/settings").status_code == 200
    finally:
        http.post(f"{sandbox.url}/control/faults", json={}).raise_for_status()
        http.post(f"{sandbox.url}/control/clock", json={"speed": 1.0}).raise_for_status()


def test_pages_show_what_was_made(sandbox: SandboxProcess) -> None:
    """Whatever is in the ledger by now, every page shows it, as text."""
    for path in ("/", "/?platform=alipay", "/?platform=stripe", "/control/trades?limit=1000", "/metrics"):
        answer = http.get(sandbox.url + path)
        assert answer.status_code == 200, answer.text
        assert "<script>alert" not in answer.text or answer.headers["content-type"].startswith("application/json")


def test_sandbox_printed_no_error(sandbox: SandboxProcess) -> None:
    """After all that, nothing but its address was printed."""
    assert sandbox.log().splitlines() == [f"The payment sandbox listens at {sandbox.url}"]
