"""The merchant of WeChat Pay, the platform's keys, and the numbers the platform gives to things."""

import hashlib
from datetime import UTC, datetime, timedelta, timezone
from functools import cached_property
from typing import Final, NamedTuple

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.x509.oid import NameOID

from makegood.keys import generate_private_key, load_private_key, private_pem, public_pem
from makegood.sandbox import trades
from makegood.sandbox.clock import random_digits, random_hex
from makegood.sandbox.store import Transaction
from makegood.sandbox.trades import Refund, Trade

BEIJING: Final = timezone(timedelta(hours=8))
CERTIFICATE_YEARS: Final = 5
ID_DIGITS: Final = 10


class Certificate(msgspec.Struct, frozen=True):
    """A certificate of the platform, with its private key (PEM both); times are RFC 3339."""

    serial: str
    pem: str
    private_key: str
    effective: str
    expires: str


class Account(msgspec.Struct, frozen=True):
    """A merchant and the keys of both sides (PEM). The series keeps two sandboxes' numbers apart.

    The first certificate is of the platform's key; the others are of its next ones.
    """

    mchid: str
    appid: str
    series: str
    api_v3_key: str
    merchant_serial: str
    merchant_private_key: str
    public_key_id: str
    platform_private_key: str
    certificates: tuple[Certificate, ...]


class Key(NamedTuple):
    """What the platform signs with, and the serial by which merchants know it."""

    serial: str
    key: RSAPrivateKey


class Merchant:
    """An account with its keys."""

    def __init__(self, account: Account) -> None:
        self.account: Account = account
        self.public_key = load_private_key(account.merchant_private_key).public_key()
        self._platform = load_private_key(account.platform_private_key)

    @cached_property
    def next_key(self) -> Key:
        """What the platform will sign with; reading a key takes long, so it is read when it is wanted."""
        last = self.account.certificates[-1]
        return Key(last.serial, load_private_key(last.private_key))

    def key_for(self, serial: str) -> Key:
        """What an answer is signed with for a merchant who names this serial; the first certificate for any other."""
        first, last = self.account.certificates[0], self.account.certificates[-1]
        if serial == last.serial:
            return self.next_key
        return Key(serial if serial == self.account.public_key_id else first.serial, self._platform)

    def settings(self, url: str) -> dict[str, str]:
        """What a shop needs to be this merchant; holds the merchant's secrets."""
        account = self.account
        return {
            "gateway": url,
            "mchid": account.mchid,
            "appid": account.appid,
            "api_v3_key": account.api_v3_key,
            "merchant_serial": account.merchant_serial,
            "merchant_private_key": account.merchant_private_key,
            "platform_public_key_id": account.public_key_id,
            "platform_public_key": public_pem(self._platform.public_key()),
            "platform_keys": "".join(each.pem for each in account.certificates),
        }

    def transaction_id(self, trade: Trade) -> str:
        """The platform's number of a trade: 28 digits."""
        return f"4200{self.account.series}{beijing(trade.created_at):%Y%m%d}{trade.id:0{ID_DIGITS}d}"

    def refund_id(self, refund: Refund) -> str:
        """The platform's number of a refund: 29 digits."""
        digest = int.from_bytes(hashlib.sha256(refund.request_no.encode()).digest()[:4])
        return f"5030{self.account.series}{refund.trade_id:09d}{digest:010d}"

    def by_transaction_id(self, tx: Transaction, number: str) -> Trade | None:
        """The trade with the platform's number."""
        tail = number[-ID_DIGITS:]
        trade = trades.by_id(tx, int(tail)) if tail.isascii() and tail.isdigit() else None
        if trade is None or trade.platform != trades.WECHATPAY:
            return None
        return trade if self.transaction_id(trade) == number else None

    def openid(self) -> str:
        """The one buyer there is."""
        return f"o{self.account.series}sandbox-buyer-000001"[:28]


def new_account(now: int) -> Account:
    """A merchant nobody had before, at a time in the world's milliseconds UTC."""
    platform = generate_private_key()
    return Account(
        mchid="19" + random_digits(8),
        appid="wx" + random_hex(16).lower(),
        series=random_digits(6),
        api_v3_key=random_hex(32),
        merchant_serial=random_hex(40),
        merchant_private_key=private_pem(generate_private_key()),
        public_key_id="PUB_KEY_ID_" + random_digits(24),
        platform_private_key=private_pem(platform),
        certificates=(_certificate(platform, now), _certificate(generate_private_key(), now)),
    )


def beijing(milliseconds: int) -> datetime:
    """Milliseconds UTC on Beijing's clocks."""
    return datetime.fromtimestamp(milliseconds // 1000, UTC).astimezone(BEIJING)


def beijing_rfc3339(milliseconds: int) -> str:
    """Milliseconds UTC as the platform writes times."""
    return beijing(milliseconds).isoformat()


def _certificate(key: RSAPrivateKey, now: int) -> Certificate:
    serial = "4" + random_hex(39)
    begins = beijing(now) - timedelta(days=1)
    ends = begins + timedelta(days=365 * CERTIFICATE_YEARS)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Sandbox of a payment platform")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(int(serial, 16))
        .not_valid_before(begins)
        .not_valid_after(ends)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM).decode()
    return Certificate(serial, pem, private_pem(key), begins.isoformat(), ends.isoformat())
