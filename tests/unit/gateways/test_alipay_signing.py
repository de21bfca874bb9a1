"""Signatures, against python-alipay-sdk and against everything JSON allows."""

import json
from typing import Any
from urllib.parse import parse_qsl

import pytest
from alipay import AliPay
from hypothesis import given, settings
from hypothesis import strategies as st

from makegood.keys import private_pem, public_pem
from makegood.shop.payments.gateways.alipay_signing import (
    Unproven,
    check_notification,
    proven_answer,
    signed_form,
)

from .platform import APP, CAPTURE, MERCHANT_KEY, PLATFORM_KEY, STRANGERS_KEY, Form, envelope, sign

MEMBER = "alipay_trade_query_response"
PLATFORM_PUBLIC_KEY = PLATFORM_KEY.public_key()
SDK = AliPay(
    appid=APP,
    app_private_key_string=private_pem(MERCHANT_KEY),
    alipay_public_key_string=public_pem(PLATFORM_PUBLIC_KEY),
)

names = st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=12).filter(lambda name: name != "sign")
words = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
texts = words | st.sampled_from(["}", '{"', '\\"}', "\\", f'"{MEMBER}":{{}}', "https://qr.alipay.com/bax"])
values = st.recursive(scalars | texts, lambda inner: st.lists(inner) | st.dictionaries(texts, inner), max_leaves=20)


@settings(max_examples=50)
@given(st.dictionaries(names, words.filter(bool), min_size=1, max_size=8))
def test_request_as_the_sdk_signs_it(parameters: Form) -> None:
    """A request of ours is, to the byte, what Alipay's users' SDK makes of the same parameters."""
    theirs = dict(parse_qsl(SDK.sign_data(dict(parameters)), keep_blank_values=True, strict_parsing=True))
    assert signed_form(parameters, MERCHANT_KEY) == theirs


def test_parameter_without_value() -> None:
    """Alipay signs no parameter without a value, so none is sent."""
    assert "notify_url" not in signed_form({"app_id": APP, "notify_url": ""}, MERCHANT_KEY)


def signed_notice(fields: Form) -> Form:
    """The fields as Alipay would send them."""
    text = "&".join(f"{name}={fields[name]}" for name in sorted(fields) if name != "sign_type")
    return {**fields, "sign": sign(text)}


@settings(max_examples=50)
@given(st.dictionaries(names, words, max_size=8))
def test_notice_accepted_as_the_sdk_does(fields: Form) -> None:
    """A notification we accept is one the SDK accepts."""
    form = signed_notice(fields | {"sign_type": "RSA2"})
    check_notification(form, PLATFORM_PUBLIC_KEY)
    signature = form.pop("sign")
    assert SDK.verify(form, signature)


@settings(max_examples=50)
@given(st.sampled_from(sorted(CAPTURE)), words)
def test_notice_changed_on_the_way(name: str, value: str) -> None:
    """No signed field of a notification can be changed; the SDK is of the same mind."""
    form = signed_notice(CAPTURE)
    changed = {**form, name: value}
    if name == "sign_type" or changed == form:
        return
    with pytest.raises(Unproven):
        check_notification(changed, PLATFORM_PUBLIC_KEY)
    signature = changed.pop("sign")
    assert not SDK.verify(changed, signature)


@pytest.mark.parametrize("signature", ["", "====", "YWJj", "不", "A" * 344, sign("something else")])
def test_notice_with_no_real_signature(signature: str) -> None:
    """Whatever stands in the place of a signature, only the real one counts."""
    with pytest.raises(Unproven):
        check_notification({**CAPTURE, "sign": signature}, PLATFORM_PUBLIC_KEY)


@given(
    content=st.dictionaries(texts, values, max_size=6),
    ascii_only=st.booleans(),
    indent=st.none() | st.integers(0, 3),
    sign_first=st.booleans(),
    space=st.sampled_from(["", " ", "\n\t"]),
)
def test_answer_is_taken_out_as_it_came(
    content: dict[str, Any], ascii_only: bool, indent: int | None, sign_first: bool, space: str
) -> None:
    """Whatever nests in an answer, in whatever order and spacing, the very text that was signed comes out."""
    text = json.dumps(content, ensure_ascii=ascii_only, indent=indent).replace("/", "\\/")
    members = [f'"{MEMBER}"{space}:{space}{text}', f'"sign":{space}"{sign(text)}"']
    decoy = json.dumps({"cert": f'"{MEMBER}":{{"code":"10000"}}'})[1:-1]
    ordered = [decoy, *(reversed(members) if sign_first else members)]
    body = f"{space}{{{f'{space},'.join(ordered)}}}{space}"
    assert proven_answer(body.encode(), MEMBER, PLATFORM_PUBLIC_KEY) == text.encode()


def test_answer_read_as_the_sdk_reads_it() -> None:
    """The SDK accepts the answers that we accept, and reads the same in them."""
    text = '{"code":"10000","qr_code":"https:\\/\\/qr.alipay.com\\/bax","list":[{"a":{}}]}'
    body = envelope("alipay.trade.query", text)
    theirs = SDK._verify_and_return_sync_response(body.decode(), MEMBER)  # pyright: ignore[reportPrivateUsage]
    assert json.loads(proven_answer(body, MEMBER, PLATFORM_PUBLIC_KEY)) == theirs


def test_error_answer() -> None:
    """An answer under the general name for errors is read too."""
    body = envelope("error", '{"code":"20000"}')
    assert proven_answer(body, MEMBER, PLATFORM_PUBLIC_KEY) == b'{"code":"20000"}'


@pytest.mark.parametrize(
    "body",
    [
        envelope("alipay.trade.query", '{"code":"10000"}', STRANGERS_KEY),
        envelope("alipay.trade.query", '{"code":"10000"}').replace(b"10000", b"10001"),
        envelope("alipay.trade.query", '{"code":"10000"}').replace(b'{"code"', b'{ "code"'),
        b'{"alipay_trade_query_response":{"code":"10000"}}',
        b'{"alipay_trade_query_response":{"code":"40002"},"sign":""}',
    ],
)
def test_answer_without_fitting_signature(body: bytes) -> None:
    """An answer of a stranger, a changed one, and one without a signature are not proven."""
    with pytest.raises(Unproven):
        proven_answer(body, MEMBER, PLATFORM_PUBLIC_KEY)


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"{}", b'{"sign":1}', b'{"sign":null,"error_response":{}}', b"\xff",
             b'{"a":' * 20_000 + b"1" + b"}" * 20_000, b'{"alipay_trade_query_response":{}}x']
)  # fmt: skip
def test_no_answer_at_all(body: bytes) -> None:
    """What is no answer of Alipay's is told apart from one that is not proven."""
    with pytest.raises(ValueError, match="no JSON object"):
        proven_answer(body, MEMBER, PLATFORM_PUBLIC_KEY)


@given(st.binary(max_size=200))
def test_arbitrary_bytes_prove_nothing(body: bytes) -> None:
    """Garbage raises one of the two documented exceptions."""
    with pytest.raises((Unproven, ValueError)):
        proven_answer(body, MEMBER, PLATFORM_PUBLIC_KEY)
