"""WeChat Pay as its documentation has it, written a second time, so that the adapter is not its own judge."""

import base64
import json
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256

from makegood.keys import private_pem, public_pem
from makegood.shop.payments.gateways.wechatpay_settings import WechatPaySettings

from .peer import Asked, Reply
from .platform import MERCHANT_KEY, NOW, PLATFORM_KEY

MCHID, APPID = "1900000001", "wx0000000000000001"
MERCHANT_SERIAL, SERIAL = "5157F09EFDC096DE15EBE81A47057A7232F1B8E1", "PUB_KEY_ID_0000000000000000000001"
API_V3_KEY = "0123456789abcdef0123456789ABCDEF"
NUMBER = "1234567890123456789"
PAID: dict[str, Any] = {
    "mchid": MCHID,
    "appid": APPID,
    "out_trade_no": NUMBER,
    "transaction_id": "4200000000202601010000000001",
    "trade_type": "NATIVE",
    "trade_state": "SUCCESS",
    "trade_state_desc": "支付成功",
    "success_time": "2026-01-01T08:00:01+08:00",
    "payer": {"openid": "o0"},
    "amount": {"total": 8880, "payer_total": 8880, "currency": "CNY", "payer_currency": "CNY"},
}
REFUNDED: dict[str, Any] = {
    "mchid": MCHID,
    "out_trade_no": NUMBER,
    "transaction_id": PAID["transaction_id"],
    "out_refund_no": "77",
    "refund_id": "50300000002026010100000000001",
    "refund_status": "SUCCESS",
    "success_time": "2026-01-01T08:00:01+08:00",
    "user_received_account": "支付用户零钱",
    "amount": {"total": 8880, "refund": 880, "payer_total": 8880, "payer_refund": 880},
}


def own(gateway: str = "https://platform.test", **changed: Any) -> WechatPaySettings:
    """A merchant's settings."""
    settings: dict[str, Any] = {
        "mchid": MCHID,
        "appid": APPID,
        "merchant_serial": MERCHANT_SERIAL,
        "merchant_private_key": private_pem(MERCHANT_KEY),
        "api_v3_key": API_V3_KEY,
        "platform_public_key_id": SERIAL,
        "platform_public_key": public_pem(PLATFORM_KEY.public_key()),
        "gateway": gateway,
    }
    return WechatPaySettings(**settings | changed)


def signed(
    body: bytes, key: RSAPrivateKey = PLATFORM_KEY, *, serial: str = SERIAL, at: int = NOW // 1000
) -> dict[str, str]:
    """The headers by which the platform signs a body, at a time in seconds."""
    nonce = "NONCE0123456789"
    text = f"{at}\n{nonce}\n".encode() + body + b"\n"
    return {
        "wechatpay-timestamp": str(at),
        "wechatpay-nonce": nonce,
        "wechatpay-signature": base64.b64encode(key.sign(text, PKCS1v15(), SHA256())).decode(),
        "wechatpay-serial": serial,
        "wechatpay-signature-type": "WECHATPAY2-SHA256-RSA2048",
    }


def sealed(content: bytes, key: str = API_V3_KEY, about: str = "transaction") -> dict[str, str]:
    """A resource as notifications carry it."""
    nonce = "0123456789ab"
    ciphertext = AESGCM(key.encode()).encrypt(nonce.encode(), content, about.encode())
    return {
        "algorithm": "AEAD_AES_256_GCM",
        "ciphertext": base64.b64encode(ciphertext).decode(),
        "nonce": nonce,
        "associated_data": about,
        "original_type": about,
    }


def notification(content: Mapping[str, Any] | bytes, event: str = "TRANSACTION.SUCCESS", **changed: Any) -> bytes:
    """The body of a notification of `content`."""
    inner = content if isinstance(content, bytes) else json.dumps(content).encode()
    whole = {
        "id": "EV-2018022511223320873",
        "create_time": "2026-01-01T08:00:02+08:00",
        "resource_type": "encrypt-resource",
        "event_type": event,
        "summary": "支付成功",
        "resource": sealed(inner),
        **changed,
    }
    return json.dumps({name: value for name, value in whole.items() if value is not None}).encode()


def says(content: Mapping[str, Any] | None, status: int = 200, key: RSAPrivateKey = PLATFORM_KEY) -> Reply:
    """A signed answer."""
    body = b"" if content is None else json.dumps(content).encode()
    return Reply(status, body, signed(body, key))


def fails(status: int, code: str, message: str = "失败") -> Reply:
    """A signed error."""
    return says({"code": code, "message": message}, status)


def is_signed(asked: Asked) -> bool:
    """Whether the merchant signed this request, as the documentation has it."""
    scheme, _, rest = asked.headers["authorization"].partition(" ")
    fields = {name: value.strip('"') for name, _, value in (part.partition("=") for part in rest.split(","))}
    text = (
        f"{asked.method}\n{asked.target}\n{fields['timestamp']}\n{fields['nonce_str']}\n".encode() + asked.body + b"\n"
    )
    MERCHANT_KEY.public_key().verify(base64.b64decode(fields["signature"]), text, PKCS1v15(), SHA256())
    return (scheme, fields["mchid"], fields["serial_no"]) == ("WECHATPAY2-SHA256-RSA2048", MCHID, MERCHANT_SERIAL)
