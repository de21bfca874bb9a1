"""WeChat Pay's door of a running sandbox: whoever knocks, and whatever they say, is answered cleanly."""

import base64
import json
import time
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from makegood.keys import load_private_key, load_public_key
from tests.support.sandbox import SandboxProcess
from tests.unit.sandbox.merchant import http
from tests.unit.sandbox.post_box import Arrived, PostBox, post_box

quick = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
NATIVE = "/v3/pay/transactions/native"


class Wechat:
    """A merchant, written apart from the sandbox's own code."""

    def __init__(self, sandbox: SandboxProcess) -> None:
        self.own: dict[str, str] = sandbox.config["wechatpay"]
        self._key = load_private_key(self.own["merchant_private_key"])
        self._platform = load_public_key(self.own["platform_public_key"])

    def ask(
        self, method: str, path: str, content: object = None, *, raw: bytes | None = None, **changed: str
    ) -> httpx.Response:
        """The answer to a signed request, or to one that is not quite what was signed."""
        body = raw if raw is not None else json.dumps(content).encode() if content is not None else b""
        fields = {
            "mchid": self.own["mchid"],
            "nonce_str": "n0nce",
            "timestamp": str(int(time.time())),
            "serial_no": self.own["merchant_serial"],
            **changed,
        }
        signed = f"{method}\n{path}\n{fields['timestamp']}\n{fields['nonce_str']}\n".encode() + body + b"\n"
        signature = base64.b64encode(self._key.sign(signed, PKCS1v15(), SHA256())).decode()
        said = ",".join(f'{name}="{value}"' for name, value in {"signature": signature, **fields}.items())
        headers = {
            "Authorization": f"WECHATPAY2-SHA256-RSA2048 {said}",
            "Content-Type": "application/json",
            "Wechatpay-Serial": self.own["platform_public_key_id"],
        }
        return http.request(method, self.own["gateway"] + path, content=body, headers=headers)

    def is_genuine(self, headers: Any, body: bytes) -> bool:
        """Whether the platform signed that."""
        signed = f"{headers['Wechatpay-Timestamp']}\n{headers['Wechatpay-Nonce']}\n".encode() + body + b"\n"
        try:
            signature = base64.b64decode(headers["Wechatpay-Signature"])
            self._platform.verify(signature, signed, PKCS1v15(), SHA256())
        except (InvalidSignature, ValueError):
            return False
        return headers["Wechatpay-Serial"] == self.own["platform_public_key_id"]

    def order(self, number: str, **more: object) -> dict[str, object]:
        """What an order is made from."""
        return {
            "appid": self.own["appid"],
            "mchid": self.own["mchid"],
            "description": "tea",
            "out_trade_no": number,
            "notify_url": "http://127.0.0.1:9/",
            "amount": {"total": 100, "currency": "CNY"},
            **more,
        }

    def opened(self, arrived: Arrived) -> Any:
        """What a notification says."""
        resource = json.loads(arrived.body)["resource"]
        sealed = base64.b64decode(resource["ciphertext"])
        key = AESGCM(self.own["api_v3_key"].encode())
        return json.loads(key.decrypt(resource["nonce"].encode(), sealed, resource["associated_data"].encode()))


@pytest.fixture(scope="module")
def wechat(sandbox: SandboxProcess) -> Wechat:
    """The merchant."""
    return Wechat(sandbox)


def refused(wechat: Wechat, answer: httpx.Response, *statuses: int) -> str:
    """The code of a refusal, which is signed."""
    assert answer.status_code in (statuses or (400, 401, 403, 404)), answer.text
    assert wechat.is_genuine(answer.headers, answer.content)
    assert answer.headers["Request-ID"]
    said = answer.json()
    assert set(said) == {"code", "message"}
    assert said["message"]
    return said["code"]


@pytest.mark.parametrize(
    "changed",
    [
        {"timestamp": "1"},
        {"timestamp": str(int(time.time()) + 3600)},
        {"timestamp": "x"},
        {"timestamp": "9" * 30},
        {"nonce_str": ""},
        {"mchid": "1"},
        {"serial_no": "1"},
        {"signature": "AAAA"},
        {"signature": "?"},
    ],
)
def test_who_is_not_the_merchant_is_refused(wechat: Wechat, changed: dict[str, str]) -> None:
    """A request of another time, merchant, key or signature is a SIGN_ERROR."""
    assert (
        refused(wechat, wechat.ask("POST", NATIVE, wechat.order("refused_1"), raw=None, **changed), 401) == "SIGN_ERROR"
    )


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"appid": "wx1"}, "APPID_MCHID_NOT_MATCH"),
        ({"amount": {"total": 0}}, "PARAM_ERROR"),
        ({"amount": {"total": 1, "currency": "USD"}}, "PARAM_ERROR"),
        ({"out_trade_no": "short"}, "PARAM_ERROR"),
        ({"out_trade_no": "x" * 33}, "PARAM_ERROR"),
        ({"notify_url": "http://example.com/"}, "PARAM_ERROR"),
        ({"notify_url": ""}, "PARAM_ERROR"),
        ({"time_expire": "2020-01-01T00:00:00+08:00"}, "PARAM_ERROR"),
        ({"time_expire": "2099-01-01T00:00:00+08:00"}, "PARAM_ERROR"),
        ({"time_expire": "tomorrow"}, "PARAM_ERROR"),
        ({"description": ""}, "PARAM_ERROR"),
    ],
)
def test_orders_that_cannot_be(wechat: Wechat, more: dict[str, object], code: str) -> None:
    """What is wrong is named, and nothing is made."""
    answer = wechat.ask("POST", NATIVE, wechat.order("cannot_be_1", **more))
    assert refused(wechat, answer) == code
    query = f"/v3/pay/transactions/out-trade-no/cannot_be_1?mchid={wechat.own['mchid']}"
    assert refused(wechat, wechat.ask("GET", query), 404) == "ORDER_NOT_EXIST"


def test_other_products_need_their_own(wechat: Wechat) -> None:
    """h5 needs the buyer's address, jsapi the buyer."""
    for product in ("h5", "jsapi"):
        answer = wechat.ask("POST", f"/v3/pay/transactions/{product}", wechat.order("needs_more"))
        assert refused(wechat, answer) == "PARAM_ERROR"


def test_faults_of_notifications(wechat: Wechat, sandbox: SandboxProcess) -> None:
    """A probe, an unknown serial, a stale, a tampered and a wrong one come before the true one."""
    kinds = ("signtest", "unknown_serial", "stale", "tamper", "wrong_amount")
    rules = [{"kind": kind, "platform": "wechatpay"} for kind in kinds]
    http.post(f"{sandbox.url}/control/faults", json={"rules": rules}).raise_for_status()
    with post_box() as box:
        made = wechat.ask("POST", NATIVE, wechat.order("falsified", notify_url=box.url))
        http.post(made.json()["code_url"], data={"action": "pay"}).raise_for_status()
        probe, unknown, stale, tampered, wrong, true = (box.next() for _ in range(6))
    http.post(f"{sandbox.url}/control/faults", json={}).raise_for_status()
    assert probe.headers["Wechatpay-Signature"].startswith("WECHATPAY/SIGNTEST/")
    assert not wechat.is_genuine(unknown.headers, unknown.body)
    assert wechat.is_genuine(stale.headers, stale.body)
    assert int(stale.headers["Wechatpay-Timestamp"]) < time.time() - 3600
    assert not wechat.is_genuine(tampered.headers, tampered.body)
    assert wechat.is_genuine(wrong.headers, wrong.body)
    assert (wechat.opened(wrong)["amount"]["total"], wechat.opened(true)["amount"]["total"]) == (1, 100)
    assert abs(int(true.headers["Wechatpay-Timestamp"]) - time.time()) < 300
    assert json.loads(wrong.body)["id"] != json.loads(true.body)["id"]


def test_refunds_that_fail(wechat: Wechat, sandbox: SandboxProcess) -> None:
    """An abnormal one is told as such; one that came to nothing leaves all to be refunded."""
    with post_box() as box:
        made = wechat.ask("POST", NATIVE, wechat.order("refund_fails", notify_url=box.url))
        http.post(made.json()["code_url"], data={"action": "pay"}).raise_for_status()
        box.next()
        for kind, outcome in (("refund_closed", "CLOSED"), ("refund_abnormal", "ABNORMAL")):
            http.post(f"{sandbox.url}/control/faults", json={"rules": [{"kind": kind}]}).raise_for_status()
            assert refund(wechat, kind, box).json()["status"] == "PROCESSING"
            told = box.next()
            assert json.loads(told.body)["event_type"] == f"REFUND.{outcome}"
            assert wechat.opened(told)["refund_status"] == outcome
            found = wechat.ask("GET", f"/v3/refund/domestic/refunds/{kind}")
            assert found.json()["status"] == outcome
        http.post(f"{sandbox.url}/control/faults", json={}).raise_for_status()
        assert refused(wechat, refund(wechat, "one_more", box)) == "INVALID_REQUEST"


def test_refund_without_money(wechat: Wechat, sandbox: SandboxProcess) -> None:
    """The merchant has not enough, until the fault ends."""
    with post_box() as box:
        made = wechat.ask("POST", NATIVE, wechat.order("refund_fails_2"))
        http.post(made.json()["code_url"], data={"action": "pay"}).raise_for_status()
        http.post(f"{sandbox.url}/control/faults", json={"rules": [{"kind": "not_enough"}]}).raise_for_status()
        assert refused(wechat, refund(wechat, "poor", box, "refund_fails_2"), 403) == "NOT_ENOUGH"
        http.post(f"{sandbox.url}/control/faults", json={}).raise_for_status()
        assert refund(wechat, "poor", box, "refund_fails_2").status_code == 200


def refund(wechat: Wechat, number: str, box: PostBox, order: str = "refund_fails") -> httpx.Response:
    """Asks for all of an order's money back."""
    amount = {"refund": 100, "total": 100, "currency": "CNY"}
    wanted = {"out_trade_no": order, "out_refund_no": number, "amount": amount, "notify_url": box.url}
    return wechat.ask("POST", "/v3/refund/domestic/refunds", wanted)


paths = st.sampled_from(
    [
        NATIVE,
        "/v3/pay/transactions/h5",
        "/v3/pay/transactions/out-trade-no/abc/close",
        "/v3/refund/domestic/refunds",
        "/v3/x",
        "/v3/",
    ]
)


@quick
@given(path=paths, body=st.binary(max_size=200))
def test_garbage_bodies_are_refused(wechat: Wechat, path: str, body: bytes) -> None:
    """Whatever bytes are posted, signed, the answer is a signed refusal."""
    refused(wechat, wechat.ask("POST", path, raw=body))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=80),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=5), inside, max_size=3),
    max_leaves=5,
)
names = ["out_trade_no", "description", "amount", "time_expire", "attach", "payer", "scene_info", "notify_url"]
names += ["out_refund_no", "transaction_id", "reason", "mchid", "appid"]


@quick
@given(path=paths, junk=st.dictionaries(st.sampled_from(names), json_values, max_size=4))
def test_garbage_fields_are_answered(wechat: Wechat, path: str, junk: dict[str, object]) -> None:
    """Whatever a properly signed body says, it is carried out or refused, never an error of the sandbox."""
    answer = wechat.ask("POST", path, wechat.order("garbage_1") | junk)
    assert answer.status_code < 500, answer.text
    assert wechat.is_genuine(answer.headers, answer.content)


@quick
@given(header=st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=200))
def test_garbage_authorization_is_refused(wechat: Wechat, header: str) -> None:
    """Whatever Authorization says, it is a SIGN_ERROR."""
    for value in (header.strip(), f"WECHATPAY2-SHA256-RSA2048 {header}x"):
        answer = http.get(wechat.own["gateway"] + "/v3/certificates", headers={"Authorization": value})
        assert answer.json()["code"] == "SIGN_ERROR"


@quick
@given(rest=st.text(st.characters(codec="utf-8", exclude_characters="."), max_size=40), query=st.text(max_size=40))
def test_garbage_addresses_are_refused(wechat: Wechat, rest: str, query: str) -> None:
    """Whatever is asked for, there is an answer."""
    for prefix in ("/v3/", "/v3/pay/transactions/", "/v3/refund/domestic/refunds/", "/v3/bill/tradebill?bill_date="):
        path = prefix + quote(rest, safe="/") + ("&" if "?" in prefix else "?") + quote(query, safe="=&")
        refused(wechat, wechat.ask("GET", path))


def test_too_long_bodies_are_refused(wechat: Wechat) -> None:
    """A body above the limit is refused, whether its length is stated or not."""
    assert refused(wechat, wechat.ask("POST", NATIVE, raw=b"x" * 270_000), 400, 401)
    endless = (b"x" * 10_000 for _ in range(40))
    answer = http.post(wechat.own["gateway"] + NATIVE, content=endless)
    assert answer.status_code == 401


def test_paid_before_the_answer(wechat: Wechat, sandbox: SandboxProcess) -> None:
    """The notification is there when the call that made the order returns, and the order is paid."""
    http.post(f"{sandbox.url}/control/faults", json={"rules": [{"kind": "early"}]}).raise_for_status()
    with post_box() as box:
        wechat.ask("POST", NATIVE, wechat.order("early_bird", notify_url=box.url)).raise_for_status()
        assert wechat.opened(box.next(0.05))["trade_state"] == "SUCCESS"
    http.post(f"{sandbox.url}/control/faults", json={}).raise_for_status()
    query = f"/v3/pay/transactions/out-trade-no/early_bird?mchid={wechat.own['mchid']}"
    assert wechat.ask("GET", query).json()["trade_state"] == "SUCCESS"


def await_attempts(sandbox: SandboxProcess, number: str, count: int) -> None:
    """Waits until so many attempts to tell of an order are written down."""
    deadline = time.monotonic() + 10
    while True:
        page = http.get(f"{sandbox.url}/control/notifications?limit=1000").json()["notifications"]
        if [len(each["attempts"]) for each in page if each["out_trade_no"] == number] == [count]:
            return
        assert time.monotonic() < deadline, page
        time.sleep(0.02)


def test_ladder_is_the_platforms(wechat: Wechat, sandbox: SandboxProcess) -> None:
    """A refused notification comes again after 15 s, 15 s, 30 s and 3 m, the same but for its signature."""
    with post_box() as box:
        box.status = 500
        made = wechat.ask("POST", NATIVE, wechat.order("on_the_ladder", notify_url=box.url))
        http.post(made.json()["code_url"], data={"action": "pay"}).raise_for_status()
        first = box.next()
        for tried, pause in enumerate((15, 15, 30, 180), 1):
            await_attempts(sandbox, "on_the_ladder", tried)
            assert box.silent_for(0.1)
            http.post(f"{sandbox.url}/control/clock", json={"advance_seconds": pause}).raise_for_status()
            again = box.next()
            assert again.body == first.body
            assert wechat.is_genuine(again.headers, again.body)
            assert abs(int(again.headers["Wechatpay-Timestamp"]) - time.time()) < 60
        await_attempts(sandbox, "on_the_ladder", 5)
        box.status = 200
        http.post(f"{sandbox.url}/control/clock", json={"advance_seconds": 600}).raise_for_status()
        box.next()
        await_attempts(sandbox, "on_the_ladder", 6)
        http.post(f"{sandbox.url}/control/clock", json={"advance_seconds": 86_400}).raise_for_status()
        assert box.silent_for(0.5)


def test_sandbox_printed_no_error(sandbox: SandboxProcess) -> None:
    """After all that, nothing but its address was printed."""
    assert sandbox.log().splitlines() == [f"The payment sandbox listens at {sandbox.url}"]
