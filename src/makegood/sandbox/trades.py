"""The ledger of trades: what may become of one, whatever platform's protocol asks for it."""

from enum import StrEnum
from typing import Final

import msgspec

from .store import Transaction

MAX_TRADES: Final = 2_000_000


class State(StrEnum):
    """Where a trade stands."""

    CODE = "CODE"  # a QR code was made, nobody scanned it
    WAITING = "WAITING"  # scanned, not paid
    PAID = "PAID"  # and stays so when refunded
    CLOSED = "CLOSED"  # scanned, then closed or expired before it was paid
    DEAD = "DEAD"  # closed or expired before it was scanned: the trade never came into being


class Trade(msgspec.Struct, frozen=True):
    """A row of the ledger. Amounts are fen; times are virtual milliseconds UTC."""

    id: int
    code: str
    out_trade_no: str
    amount: int
    subject: str
    body: str
    notify_url: str
    stored_state: str
    created_at: int
    expires_at: int
    opened_at: int | None
    paid_at: int | None
    closed_at: int | None
    refunded: int

    def state(self, now: int) -> State:
        """The state at a time: an unpaid trade ends at its expiry without anybody writing it down."""
        stored = State(self.stored_state)
        if now < self.expires_at:
            return stored
        return {State.CODE: State.DEAD, State.WAITING: State.CLOSED}.get(stored, stored)


class Refund(msgspec.Struct, frozen=True):
    """A refund of a trade; `total` is the sum of its refunds up to and with this one, in fen."""

    trade_id: int
    request_no: str
    amount: int
    total: int
    refunded_at: int


class NewTrade(msgspec.Struct, frozen=True):
    """What a merchant asks for. The amount is fen, the expiry virtual milliseconds UTC."""

    code: str
    out_trade_no: str
    amount: int
    subject: str
    body: str
    notify_url: str
    expires_at: int


def create(tx: Transaction, new: NewTrade) -> Trade | None:
    """A trade with a fresh code; None when the ledger is full."""
    if _room(tx) <= 0:
        return None
    return _trade(
        tx,
        "INSERT INTO trades (code, out_trade_no, amount, subject, body, notify_url, expires_at, state, created_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING *",
        *msgspec.structs.astuple(new),
        State.CODE.value,
        tx.now,
    )


def by_id(tx: Transaction, identity: int) -> Trade | None:
    """The trade with that row number."""
    return _trade(tx, "SELECT * FROM trades WHERE id = ?", identity)


def by_code(tx: Transaction, code: str) -> Trade | None:
    """The trade behind a QR code."""
    return _trade(tx, "SELECT * FROM trades WHERE code = ?", code)


def by_out_trade_no(tx: Transaction, number: str) -> Trade | None:
    """The trade with the merchant's number."""
    return _trade(tx, "SELECT * FROM trades WHERE out_trade_no = ?", number)


def scan(tx: Transaction, trade: Trade) -> Trade:
    """The buyer scans the code: a trade that is still a code comes into being; any other stays as it is."""
    if trade.state(tx.now) is not State.CODE:
        return trade
    return _changed(tx, trade, "state = 'WAITING', opened_at = ?2", tx.now)


def pay(tx: Transaction, trade: Trade) -> Trade:
    """The buyer pays a trade that waits, and the merchant is to be notified."""
    paid = _changed(tx, trade, "state = 'PAID', paid_at = ?2", tx.now)
    notify(tx, paid, None)
    return paid


def close(tx: Transaction, trade: Trade) -> Trade:
    """Nobody can pay it any more: a trade that waits is closed, a code is dead."""
    end = State.DEAD if trade.state(tx.now) is State.CODE else State.CLOSED
    return _changed(tx, trade, f"state = '{end}', closed_at = ?2", tx.now)


def refund(tx: Transaction, trade: Trade, request_no: str, amount: int) -> Refund:
    """Gives fen back, no more than is left (the table refuses that), and the merchant is to be notified."""
    refunded = _changed(tx, trade, "refunded = refunded + ?2", amount)
    row = Refund(trade.id, request_no, amount, refunded.refunded, tx.now)
    tx.rows("INSERT INTO refunds VALUES (?, ?, ?, ?, ?)", *msgspec.structs.astuple(row))
    notify(tx, refunded, row)
    return row


def find_refund(tx: Transaction, trade: Trade, request_no: str) -> Refund | None:
    """The refund with the merchant's request number."""
    row = tx.row("SELECT * FROM refunds WHERE trade_id = ? AND request_no = ?", trade.id, request_no)
    return Refund(*row) if row else None


def notify(tx: Transaction, trade: Trade, of: Refund | None) -> None:
    """Has the merchant told about a payment, or about a refund; a merchant without a notify_url is not."""
    if trade.notify_url:
        tx.rows(
            "INSERT INTO notifications (trade_id, request_no, created_at, due_at) VALUES (?, ?, ?, ?)",
            trade.id,
            of.request_no if of else None,
            tx.now,
            tx.now,
        )


def page(tx: Transaction, after: int, limit: int) -> list[tuple[Trade, list[Refund]]]:
    """Trades with their refunds in the order in which they were made, after a row number, at most `limit`."""
    rows = tx.rows("SELECT * FROM trades WHERE id > ? ORDER BY id LIMIT ?", after, limit)
    found = {trade.id: (trade, list[Refund]()) for trade in (Trade(*row) for row in rows)}
    if found:
        for row in tx.rows(
            "SELECT * FROM refunds WHERE trade_id BETWEEN ? AND ? ORDER BY total", min(found), max(found)
        ):
            refund_row = Refund(*row)
            found[refund_row.trade_id][1].append(refund_row)
    return list(found.values())


def _room(tx: Transaction) -> int:
    # Two queries: SQLite looks either end up in the index, but reads the whole table when asked for both at once.
    [(newest,)] = tx.rows("SELECT max(id) FROM trades")
    [(oldest,)] = tx.rows("SELECT min(id) FROM trades")
    return MAX_TRADES if newest is None else MAX_TRADES - (newest - oldest + 1)


def _changed(tx: Transaction, trade: Trade, change: str, value: int) -> Trade:
    statement = f"UPDATE trades SET {change} WHERE id = ?1 RETURNING *"  # noqa: S608 - a text of this module
    [row] = tx.rows(statement, trade.id, value)
    return Trade(*row)


def _trade(tx: Transaction, statement: str, *values: int | str) -> Trade | None:
    row = tx.row(statement, *values)
    return Trade(*row) if row else None
