"""Webhooks: an event, signed; answered by any 2xx, or sent again for three days with growing pauses."""

from typing import Any, Final

import msgspec

from makegood.sandbox.faults import Kind
from makegood.sandbox.letters import Letter, Moments, tampered
from makegood.sandbox.notifications import Due

from .events import described
from .merchant import Account, signature

HOUR: Final = 3_600_000
STALE_MILLISECONDS: Final = 24 * HOUR
_AMOUNTS: Final = ("amount", "amount_total", "amount_subtotal", "amount_received", "amount_captured")
_TWISTS: Final = (Kind.STALE, Kind.TAMPER, Kind.WRONG_AMOUNT, Kind.KEY_ROTATION)


class Notices:
    """How Stripe tells a merchant."""

    ladder: tuple[int, ...] = (300_000, 1_800_000, *(hours * HOUR for hours in (2, 5, 10, 12, 12, 12, 12)))
    timeout: float = 10.0
    twists: frozenset[Kind] = frozenset(_TWISTS)

    def __init__(self, account: Account) -> None:
        self._account = account

    async def write(self, due: Due, moments: Moments, twist: str = "") -> Letter:
        """The letter of an attempt; with a twist it is false in that way."""
        body = msgspec.json.encode(self._content(due, twist))
        stamp = (moments.stamp - STALE_MILLISECONDS if twist == Kind.STALE else moments.stamp) // 1000
        secrets = [self._account.webhook_secret]
        if twist == Kind.KEY_ROTATION:
            secrets.insert(0, self._account.next_webhook_secret)
        signed = ",".join(f"v1={signature(secret, stamp, body)}" for secret in secrets)
        headers = {"Content-Type": "application/json; charset=utf-8", "Stripe-Signature": f"t={stamp},{signed}"}
        return Letter(due.url, headers, tampered(body, due) if twist == Kind.TAMPER else body)

    def accepts(self, status: int, answer: bytes) -> bool:
        """Whether the merchant's answer ends the ladder: whatever it says, its status counts."""
        del answer
        return 200 <= status < 300

    def identify(self, due: Due) -> str:
        """The event's id."""
        return f"evt_{due.event.code}" if due.event else ""

    def _content(self, due: Due, twist: str) -> dict[str, Any]:
        assert due.event is not None
        content = described(due.event)
        if twist == Kind.WRONG_AMOUNT:
            content["id"] = f"evt_{due.event.code[::-1]}"
            about = content["data"]["object"]
            about |= {name: 1 if about[name] != 1 else 2 for name in _AMOUNTS if about.get(name)}
        return content
