"""Alipay's signatures (sign type RSA2: SHA256 with RSA, PKCS #1 v1.5, base64).

Source: Alipay Open Platform, signing and verification. A request is signed over all its parameters but `sign`,
a notification over all its fields but `sign` and `sign_type`; an answer over the exact text of its
`alipay_…_response` member, so that member is taken out of the body as it came and never written anew.
"""

import base64
from collections.abc import Mapping

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256

_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_TEXT = msgspec.json.Decoder(str)


class Unproven(Exception):
    """A text whose signature is missing or does not fit: believe nothing it says."""


def signed_form(parameters: Mapping[str, str], key: RSAPrivateKey) -> dict[str, str]:
    """The parameters of a request that have a value, and their `sign`."""
    given = {name: value for name, value in parameters.items() if value}
    signature = key.sign(_canonical(given).encode(), PKCS1v15(), SHA256())
    return {**given, "sign": base64.b64encode(signature).decode()}


def check_notification(fields: Mapping[str, str], key: RSAPublicKey) -> None:
    """Raises Unproven unless `sign` fits all other fields."""
    signed = {name: value for name, value in fields.items() if name not in ("sign", "sign_type")}
    _verify(_canonical(signed).encode(), fields.get("sign", ""), key)


def proven_answer(body: bytes, member: str, key: RSAPublicKey) -> bytes:
    """The JSON text of `member` (or `error_response`) of an answer, as it came, its signature proven.

    Raises Unproven without a fitting signature, ValueError when the body is no such answer.
    """
    try:
        members = _MEMBERS.decode(body)
        text = bytes(members.get(member) or members["error_response"])
        sign = _TEXT.decode(members.get("sign") or b'""')
    except (msgspec.DecodeError, KeyError, RecursionError) as error:
        raise ValueError(f"no JSON object with {member}: {error!r}") from error
    try:
        _verify(text, sign, key)
    except Unproven as error:
        raise Unproven(f"{error}: {text[:300].decode(errors='replace')}") from error
    return text


def _canonical(parameters: Mapping[str, str]) -> str:
    return "&".join(f"{name}={parameters[name]}" for name in sorted(parameters))


def _verify(text: bytes, sign: str, key: RSAPublicKey) -> None:
    if not sign:
        raise Unproven("not signed")
    try:
        key.verify(base64.b64decode(sign, validate=True), text, PKCS1v15(), SHA256())
    except (InvalidSignature, ValueError) as error:
        raise Unproven("signed by somebody else, or changed on the way") from error
