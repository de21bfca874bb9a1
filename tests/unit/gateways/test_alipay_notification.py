"""Notifications: which are believed, and what they say."""

from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from makegood.shop.payments.gateways.alipay_notification import MAX_FIELDS
from makegood.shop.payments.gateways.port import MAX_NOTIFICATION, Gateway, Notice, Rejected

from .platform import CAPTURE, STRANGERS_KEY, Platform, gateway, notice, settings

ALIPAY: Gateway = gateway(Platform().answer)
REFUND = {"refund_fee": "8.80", "gmt_refund": "2026-01-02 09:00:00.321", "out_biz_no": "R1"}
words = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


def read(body: bytes, by: Gateway = ALIPAY) -> Notice:
    """The notice in the body."""
    return by.read_notification(body, {"content-type": "application/x-www-form-urlencoded; charset=utf-8"})


def refusal(body: bytes, by: Gateway = ALIPAY) -> str:
    """Why the body is not believed."""
    with pytest.raises(Rejected) as caught:
        read(body, by)
    assert caught.value.detail
    return caught.value.reason


def test_capture() -> None:
    """A capture says whose payment it is, how much came in, in fen, and when."""
    told = read(notice())
    assert (told.kind, told.payment_id, told.trade_no) == ("captured", "P1", CAPTURE["trade_no"])
    assert (told.amount, told.occurred_at) == (8880, 1_767_225_601_000)
    assert told.notify_id == CAPTURE["notify_id"]
    assert told.raw["subject"] == "茶叶 250 g"


@pytest.mark.parametrize(
    ("status", "kind"),
    [("TRADE_SUCCESS", "captured"), ("TRADE_FINISHED", "captured"), ("TRADE_CLOSED", "closed"),
     ("WAIT_BUYER_PAY", "other"), ("TRADE_PENDING", "other")],
)  # fmt: skip
def test_kind_by_status(status: str, kind: str) -> None:
    """The state of the trade says what happened; a state we do not know changes nothing."""
    assert read(notice(trade_status=status)).kind == kind


@pytest.mark.parametrize("status", ["TRADE_SUCCESS", "TRADE_FINISHED", "TRADE_CLOSED"])
def test_refund_is_never_a_capture(status: str) -> None:
    """A notice of a refund carries a capture's state, and is a refund all the same."""
    told = read(notice(trade_status=status, **REFUND))
    assert (told.kind, told.amount, told.occurred_at) == ("refund", 880, 1_767_315_600_321)


@pytest.mark.parametrize("only", sorted(REFUND))
def test_one_refund_field_is_enough(only: str) -> None:
    """A single refund field keeps a notice from being taken for a capture."""
    body = notice(**{only: REFUND[only]})
    if only == "refund_fee":
        assert read(body).kind == "refund"
    else:
        assert refusal(body) == "malformed"


def test_closed_time() -> None:
    """A close happened when Alipay says it did, else when the notice was sent."""
    assert read(notice(trade_status="TRADE_CLOSED")).occurred_at == 1_767_225_605_000
    closed = notice(trade_status="TRADE_CLOSED", gmt_close="2026-01-01 08:00:03")
    assert read(closed).occurred_at == 1_767_225_603_000


def test_same_notice_again() -> None:
    """A repeat reads the same, notify_id included, so that it can be known for one."""
    assert read(notice()) == read(notice())


def test_stranger() -> None:
    """A notice that somebody else signed is not believed."""
    assert refusal(notice(STRANGERS_KEY)) == "bad_signature"


def test_no_signature() -> None:
    """A notice without a signature is not believed."""
    assert refusal(urlencode(CAPTURE).encode()) == "bad_signature"


@pytest.mark.parametrize("field", ["total_amount", "out_trade_no", "trade_status", "seller_id", "notify_id"])
def test_changed_field(field: str) -> None:
    """A notice that was changed on its way is not believed."""
    fields = dict(parse_qsl(notice().decode()))
    assert refusal(urlencode({**fields, field: "1"}).encode()) == "bad_signature"


def test_other_app() -> None:
    """A true notice for another application is not ours."""
    assert refusal(notice(app_id="2021000000000002")) == "wrong_app"
    assert refusal(notice(app_id=None)) == "wrong_app"


def test_other_seller() -> None:
    """Money that went to another account did not pay our order."""
    assert refusal(notice(seller_id="2088000000000002")) == "wrong_seller"
    assert refusal(notice(seller_id=None)) == "wrong_seller"


def test_any_seller() -> None:
    """A merchant without a seller_id takes notices to any of the application's accounts."""
    assert read(notice(seller_id="2088000000000002"), gateway(Platform().answer, settings(None))).amount == 8880


@pytest.mark.parametrize(
    "change", [{"notify_type": "dut_user_sign"}, {"charset": "gbk"}, {"sign_type": "RSA"}, {"sign_type": None}]
)  # fmt: skip
def test_unsupported(change: dict[str, str | None]) -> None:
    """A notice about no trade, in another charset or by a weaker signature is refused by name."""
    assert refusal(notice(**change)) == "unsupported"


@pytest.mark.parametrize(
    "change",
    [{"total_amount": "1e3"}, {"total_amount": "88.801"}, {"total_amount": None}, {"total_amount": "-88.80"},
     {"gmt_payment": "yesterday"}, {"out_trade_no": ""}, {"trade_no": "9" * 129}, {"notify_id": None},
     {"trade_status": None}, {"gmt_payment": None, "notify_time": None}],
)  # fmt: skip
def test_signed_and_malformed(change: dict[str, str | None]) -> None:
    """Even Alipay's own signature makes no amount, time or number out of garbage."""
    assert refusal(notice(**change)) == "malformed"


def test_duplicate_field() -> None:
    """A field that comes twice could mean either: neither is believed."""
    assert refusal(notice() + b"&total_amount=0.01") == "duplicate_field"
    assert refusal(b"total_amount=0.01&" + notice()) == "duplicate_field"


def test_refund_field_hidden_in_its_neighbour() -> None:
    """A refund notice whose fields are merged keeps its signature, and still cannot pass for a capture."""
    fields = dict(parse_qsl(notice(**REFUND).decode()))
    for hidden, host in (("gmt_refund", "gmt_payment"), ("out_biz_no", "notify_type")):
        del fields[hidden]
        fields[host] += f"&{hidden}={REFUND[hidden]}"
    fields["receipt_amount"] += f"&refund_fee={fields.pop('refund_fee')}"
    assert refusal(urlencode(fields).encode()) == "malformed"


def test_limits() -> None:
    """A body too large to be a notice, or of too many fields, is not even looked at."""
    assert refusal(b"a=" + b"b" * MAX_NOTIFICATION) == "too_large"
    assert refusal("&".join(f"a{i}=1" for i in range(MAX_FIELDS + 1)).encode()) == "malformed"


@pytest.mark.parametrize("body", [b"\xff=1", b"a=%FF", b"app_id", b"{}", b"a=1&&b=2", b"A=1", b"a%26b=1"])
def test_no_form(body: bytes) -> None:
    """What is no UTF-8 form of plain names is malformed."""
    assert refusal(body) == "malformed"


@given(st.binary(max_size=400))
def test_arbitrary_bytes(body: bytes) -> None:
    """Nothing but Rejected ever comes of arbitrary bytes."""
    with pytest.raises(Rejected):
        read(body)


@given(st.dictionaries(st.sampled_from([*CAPTURE, *REFUND, "sign"]), words))
def test_arbitrary_forms(fields: dict[str, str]) -> None:
    """Nothing but Rejected ever comes of a form that nobody signed."""
    with pytest.raises(Rejected):
        read(urlencode({**CAPTURE, **fields}).encode())


@effort(max_examples=60)
@given(st.dictionaries(st.sampled_from([*CAPTURE, *REFUND]).filter(lambda name: name != "app_id"), st.none() | words))
def test_arbitrary_signed_forms(changes: dict[str, Any]) -> None:
    """A signed form is read or Rejected; whatever else stands in it, a refund field makes it no capture."""
    try:
        told = read(notice(**changes))
    except Rejected:
        return
    captured = told.raw["trade_status"] == "TRADE_SUCCESS" and not REFUND.keys() & told.raw.keys()
    assert (told.kind == "captured") == captured


def test_answers_to_the_platform() -> None:
    """Alipay stops at exactly `success`; anything else makes it send the notice again."""
    assert (ALIPAY.accepted.status, ALIPAY.accepted.body) == (200, b"success")
    assert ALIPAY.rejected.status == 400
    assert ALIPAY.rejected.body != b"success"
