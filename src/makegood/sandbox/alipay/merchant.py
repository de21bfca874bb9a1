"""The one merchant of the sandbox, and the numbers the platform gives to things."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Final, NamedTuple, Self

import msgspec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

from makegood.keys import generate_private_key, load_private_key, private_pem, public_pem
from makegood.sandbox.clock import random_digits
from makegood.sandbox.store import Transaction
from makegood.sandbox.trades import Trade, by_id

BEIJING: Final = timezone(timedelta(hours=8))
GATEWAY_PATH: Final = "/alipay/gateway.do"
BUYER_ID: Final = "2088000000000001"
BUYER_LOGON_ID: Final = "buy***@sandbox.example"
ID_DIGITS: Final = 9


class Account(msgspec.Struct, frozen=True):
    """A merchant and the keys of both sides (PEM). The series keeps two sandboxes' numbers apart."""

    app_id: str
    seller_id: str
    series: str
    merchant_private_key: str
    platform_private_key: str


class Keys(NamedTuple):
    """The private keys of both sides."""

    merchant: RSAPrivateKey
    platform: RSAPrivateKey

    @classmethod
    def of(cls, account: Account) -> Self:
        """Those of an account; raises InvalidKeyError for one of fewer than 2048 bits."""
        return cls(load_private_key(account.merchant_private_key), load_private_key(account.platform_private_key))


class Merchant:
    """An account with its keys; those that are given are taken as they are, however short."""

    def __init__(self, account: Account, keys: Keys | None = None) -> None:
        known = keys or Keys.of(account)
        self.account: Account = account
        self.platform_key: RSAPrivateKey = known.platform
        self.public_key: RSAPublicKey = known.merchant.public_key()

    def settings(self, url: str) -> dict[str, str]:
        """What a shop needs to be this merchant; holds the merchant's private key."""
        return {
            "gateway": url + GATEWAY_PATH,
            "app_id": self.account.app_id,
            "seller_id": self.account.seller_id,
            "merchant_private_key": self.account.merchant_private_key,
            "platform_public_key": public_pem(self.platform_key.public_key()),
        }

    def trade_no(self, trade: Trade) -> str:
        """The platform's number of a trade: 28 digits."""
        return self._number(trade.created_at, "22001", trade.id)

    def notify_id(self, created_at: int, identity: int) -> str:
        """The platform's number of a notification, the same at every attempt: 28 digits."""
        return self._number(created_at, "00222", identity)

    def by_trade_no(self, tx: Transaction, number: str) -> Trade | None:
        """The trade with the platform's number."""
        tail = number[-ID_DIGITS:]
        trade = by_id(tx, int(tail)) if tail.isascii() and tail.isdigit() else None
        return trade if trade and self.trade_no(trade) == number else None

    def _number(self, created_at: int, kind: str, identity: int) -> str:
        day = beijing_time(created_at)[:10].replace("-", "")
        return f"{day}{kind}{self.account.series}{identity:0{ID_DIGITS}d}"


def new_account() -> Account:
    """A merchant nobody had before."""
    return Account(
        app_id="2021" + random_digits(12),
        seller_id="2088" + random_digits(12),
        series=random_digits(6),
        merchant_private_key=private_pem(generate_private_key()),
        platform_private_key=private_pem(generate_private_key()),
    )


def beijing_time(milliseconds: int) -> str:
    """Virtual milliseconds UTC as the platform writes time: `yyyy-MM-dd HH:mm:ss`, UTC+8."""
    return datetime.fromtimestamp(milliseconds // 1000, UTC).astimezone(BEIJING).strftime("%Y-%m-%d %H:%M:%S")
