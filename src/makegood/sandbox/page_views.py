"""What the page shows, put into words: a trade, its notifications, every attempt with the request and the answer."""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from . import notifications, trades
from .clock import rfc3339
from .letters import Moments, Voice
from .money import money
from .notifications import Attempt, Due
from .store import Store, Transaction
from .trades import Choice, Refund, Trade

MAX_NOTIFICATIONS: Final = 100


class RefundView(NamedTuple):
    """A refund."""

    number: str
    amount: str
    status: str
    at: str


class AttemptView(NamedTuple):
    """An attempt; `request` is what was sent, empty when nothing was."""

    number: int
    at: str
    twist: str
    status: str
    answer: str
    next_at: str
    request: str


class NotificationView(NamedTuple):
    """A notification with its attempts."""

    id: int
    number: str
    what: str
    url: str
    delivered_at: str
    due_at: str
    attempts: list[AttemptView]


class TradeView(NamedTuple):
    """A trade."""

    id: int
    platform: str
    product: str
    number: str
    subject: str
    amount: str
    refunded: str
    state: str
    cashier: str
    times: list[tuple[str, str]]
    declined: list[str]
    refunds: list[RefundView]
    notifications: list[NotificationView]


class Looks:
    """Reads the ledger for the page.

    `cashier` is the URL a code is appended to; `references` says what the merchant's number is, by platform, where the
    ledger has another.
    """

    def __init__(
        self, store: Store, voices: Mapping[str, Voice], cashier: str, references: Mapping[str, Callable[[Trade], str]]
    ) -> None:
        self._references = references
        self._store = store
        self._voices = voices
        self._cashier = cashier

    async def trades(self, choice: Choice, before: int, limit: int) -> list[TradeView]:
        """Trades, the newest first."""
        return await self._store.read(
            lambda tx: [self._trade(tx, trade, refunds) for trade, refunds in trades.latest(tx, before, limit, choice)]
        )

    async def trade(self, identity: int) -> TradeView | None:
        """One with its notifications."""
        found = await self._store.read(lambda tx: self._with_notifications(tx, identity))
        if found is None:
            return None
        view, told = found
        return view._replace(notifications=[await self._notification(due, attempts) for due, attempts in told])

    async def trade_of(self, notification: int) -> int:
        """The trade that a notification is about, 0 when there is none."""
        found = await self._store.read(lambda tx: notifications.by_id(tx, notification))
        return found[0].trade.id if found else 0

    def _with_notifications(
        self, tx: Transaction, identity: int
    ) -> tuple[TradeView, list[tuple[Due, list[Attempt]]]] | None:
        trade = trades.by_id(tx, identity)
        if trade is None:
            return None
        told = notifications.of_trade(tx, identity, MAX_NOTIFICATIONS)
        declined = [shown(at) for at in notifications.declined(tx, identity)]
        return self._trade(tx, trade, trades.refunds_of(tx, trade))._replace(declined=declined), told

    def _trade(self, tx: Transaction, trade: Trade, refunds: list[Refund]) -> TradeView:
        times = {
            "made": trade.created_at,
            "scanned": trade.opened_at,
            "paid": trade.paid_at,
            "closed": trade.closed_at,
            "ends": trade.expires_at if not trade.paid_at else None,
        }
        return TradeView(
            trade.id,
            trade.platform,
            trade.product,
            self._references.get(trade.platform, _number)(trade),
            trade.subject,
            money(trade, trade.amount),
            money(trade, trade.refunded) if trade.refunded else "",
            f"{trade.state(tx.now)}{' (paid twice)' if trade.copy else ''}",
            self._cashier + trade.code,
            [(name, shown(at)) for name, at in times.items() if at],
            [],
            [
                RefundView(each.request_no, money(trade, each.amount), each.status(tx.now), shown(each.refunded_at))
                for each in refunds
            ],
            [],
        )

    async def _notification(self, due: Due, attempts: list[Attempt]) -> NotificationView:
        row = due.notification
        what = due.event.kind if due.event else f"refund {row.request_no}" if row.request_no else "payment"
        return NotificationView(
            row.id,
            self._voices[due.trade.platform].identify(due),
            what,
            due.url,
            shown(row.delivered_at),
            shown(row.due_at),
            [await self._attempt(due, each) for each in attempts],
        )

    async def _attempt(self, due: Due, attempt: Attempt) -> AttemptView:
        return AttemptView(
            attempt.number,
            shown(attempt.sent_at),
            attempt.twist.replace("_", " "),
            str(attempt.status) if attempt.status else "none",
            attempt.answer,
            shown(attempt.next_at),
            await self._request(due, attempt) if attempt.stamp else "",
        )

    async def _request(self, due: Due, attempt: Attempt) -> str:
        """A letter is the same whenever it is written, so that it need not be kept."""
        moments = Moments(attempt.sent_at, attempt.stamp)
        letter = await self._voices[due.trade.platform].write(due, moments, attempt.twist)
        headers = "\n".join(f"{name}: {value}" for name, value in letter.headers.items())
        return f"POST {letter.url}\n{headers}\n\n{letter.body.decode('utf-8', 'replace')}"


def _number(trade: Trade) -> str:
    return trade.out_trade_no


def shown(milliseconds: int | None) -> str:
    """A time to the second, UTC; nothing when there is none."""
    return (rfc3339(milliseconds) or "")[:19].replace("T", " ")
