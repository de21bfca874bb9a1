"""The account at Stripe, what it remembers of a payment, and who is told of events."""

import hashlib
import hmac
from typing import Final, Literal

import msgspec

from makegood.sandbox import settings
from makegood.sandbox.clock import random_digits, random_hex
from makegood.sandbox.store import Transaction
from makegood.sandbox.trades import Trade

MAX_ENDPOINTS: Final = 16
_ENDPOINTS: Final = "stripe_endpoints"


class Account(msgspec.Struct, frozen=True):
    """An account with its secrets; the next webhook secret is what a rotation signs with, too."""

    series: str
    api_key: str
    webhook_secret: str
    next_webhook_secret: str

    def settings(self, url: str) -> dict[str, str]:
        """What a shop needs to be this merchant; holds the merchant's secrets."""
        return {"gateway": url, "api_key": self.api_key, "webhook_secret": self.webhook_secret}


class Endpoint(msgspec.Struct, frozen=True):
    """Where events are sent, and which."""

    id: str
    url: str
    events: tuple[str, ...]
    created: int

    def wants(self, kind: str) -> bool:
        """Whether events of that kind go there."""
        return "*" in self.events or kind in self.events


class Details(msgspec.Struct, frozen=True, omit_defaults=True):
    """What Stripe remembers of a payment: its session's part, and its PaymentIntent's."""

    metadata: dict[str, str] = {}
    intent_metadata: dict[str, str] = {}
    success_url: str = ""
    cancel_url: str = ""
    reference: str = ""
    payment_method: str = ""
    declined: str = ""
    canceled_by: Literal["", "merchant"] = ""


def new_account() -> Account:
    """An account nobody had before."""
    return Account(
        series=random_digits(6),
        api_key="sk_test_" + random_hex(48).lower(),
        webhook_secret="whsec_" + random_hex(40).lower(),
        next_webhook_secret="whsec_" + random_hex(40).lower(),
    )


def details_of(trade: Trade) -> Details:
    """What Stripe remembers of it."""
    return msgspec.json.decode(trade.details or "{}", type=Details)


def packed(details: Details) -> str:
    """The same, as it is kept."""
    return msgspec.json.encode(details).decode()


def reference_of(trade: Trade) -> str:
    """The merchant's own number of a payment, as far as the merchant said one."""
    details = details_of(trade)
    known = {**details.metadata, **details.intent_metadata}
    return details.reference or known.get("out_trade_no") or known.get("payment_id") or trade.out_trade_no


def endpoints(tx: Transaction) -> list[Endpoint]:
    """Where events are sent."""
    return settings.load(tx, _ENDPOINTS, list[Endpoint]) or []


def keep_endpoints(tx: Transaction, kept: list[Endpoint]) -> None:
    """Remembers where events are sent."""
    settings.save(tx, _ENDPOINTS, kept)


def signature(secret: str, stamp: int, body: bytes) -> str:
    """HMAC-SHA256 of what a webhook says at a time, in seconds UTC."""
    return hmac.new(secret.encode(), b"%d." % stamp + body, hashlib.sha256).hexdigest()
