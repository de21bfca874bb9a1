"""What happens to payments, as webhooks tell it."""

import msgspec

from makegood.sandbox import notifications
from makegood.sandbox.notifications import Event
from makegood.sandbox.store import Transaction
from makegood.sandbox.trades import Refund, Trade

from . import objects
from .merchant import endpoints
from .objects import JsonObject


class Teller:
    """Writes events down; `cashier` is the URL to which a code is appended."""

    def __init__(self, cashier: str) -> None:
        self._cashier = cashier

    def tell(self, tx: Transaction, trade: Trade, kind: str, about: JsonObject, delay: int = 0) -> Event:
        """Has all endpoints that want it told, after so many virtual milliseconds."""
        urls = [each.url for each in endpoints(tx) if each.wants(kind)]
        return notifications.happened(tx, trade, kind, msgspec.json.encode(about).decode(), urls, delay)

    def paid(self, tx: Transaction, trade: Trade) -> None:
        """A buyer has paid: the balance grows, and three things are told."""
        _move(tx, trade, None, trade.amount)
        self.tell(tx, trade, "charge.succeeded", objects.charge(trade))
        self.tell(tx, trade, "payment_intent.succeeded", objects.intent(trade, tx.now))
        if trade.product == objects.CHECKOUT:
            self.tell(tx, trade, "checkout.session.completed", self.session(tx, trade))

    def refunded(self, tx: Transaction, trade: Trade, made: Refund, about: JsonObject) -> None:
        """A refund was asked for: it is told, and its failure when it fails."""
        self.tell(tx, trade, "refund.created", about)
        if made.outcome == "SUCCESS":
            _move(tx, trade, made.request_no, -made.amount)
            self.tell(tx, trade, "charge.refunded", objects.charge(trade))
            self.tell(tx, trade, "refund.updated", about)
        else:
            failed = about | {"status": "failed", "failure_reason": "lost_or_stolen_card"}
            self.tell(tx, trade, "refund.failed", failed, max(0, made.settles_at - tx.now))

    def session(self, tx: Transaction, trade: Trade) -> JsonObject:
        """A Checkout Session as it stands now."""
        return objects.session(trade, tx.now, self._cashier)


def described(event: Event) -> JsonObject:
    """An event as JSON has it."""
    return {
        "id": f"evt_{event.code}",
        "object": "event",
        "api_version": objects.API_VERSION,
        "created": event.created_at // 1000,
        "data": {"object": msgspec.json.decode(event.content)},
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "type": event.kind,
    }


def _move(tx: Transaction, trade: Trade, request_no: str | None, amount: int) -> None:
    tx.rows(
        "INSERT INTO movements (trade_id, request_no, amount, moved_at) VALUES (?, ?, ?, ?)",
        trade.id,
        request_no,
        amount,
        tx.now,
    )
