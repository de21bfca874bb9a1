"""Callbacks as the payment sandbox would sign them, made with its own key: what only the platform, or a thief, can."""

import base64
import sqlite3
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from makegood.keys import load_private_key

BEIJING = timezone(timedelta(hours=8))
Fields = dict[str, str]


class Platform:
    """What the sandbox of this shop's folder knows and tells nobody."""

    def __init__(self, data: Path) -> None:
        connection = sqlite3.connect(f"file:{data / 'sandbox' / 'sandbox.sqlite'}?mode=ro", uri=True)
        try:
            [(value,)] = connection.execute("SELECT value FROM settings WHERE name = 'alipay'")
        finally:
            connection.close()
        account: dict[str, Any] = msgspec.json.decode(value)
        self.key = load_private_key(account["platform_private_key"])
        self.app_id: str = account["app_id"]
        self.seller_id: str = account["seller_id"]

    def captured(self, payment_id: str, amount: int, notify_id: str) -> Fields:
        """What is said of a payment that was captured; `amount` in fen."""
        now = datetime.now(UTC).astimezone(BEIJING).strftime("%Y-%m-%d %H:%M:%S")
        return {
            "app_id": self.app_id,
            "auth_app_id": self.app_id,
            "charset": "utf-8",
            "version": "1.0",
            "notify_type": "trade_status_sync",
            "notify_id": notify_id,
            "notify_time": now,
            "trade_no": f"2026{payment_id}",
            "out_trade_no": payment_id,
            "trade_status": "TRADE_SUCCESS",
            "total_amount": f"{amount // 100}.{amount % 100:02}",
            "seller_id": self.seller_id,
            "gmt_payment": now,
        }


def signed(fields: Fields, key: RSAPrivateKey) -> bytes:
    """The body of a callback with these fields, signed with this key (RSA2)."""
    content = "&".join(f"{name}={value}" for name, value in sorted(fields.items()) if value)
    signature = base64.b64encode(key.sign(content.encode(), PKCS1v15(), hashes.SHA256())).decode()
    return urlencode(fields | {"sign": signature, "sign_type": "RSA2"}).encode()
