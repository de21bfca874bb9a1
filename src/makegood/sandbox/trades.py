"""The ledger of trades: what may become of one, whatever platform's protocol asks for it."""

from enum import StrEnum
from typing import Final, NamedTuple

import msgspec

from .store import Transaction

MAX_TRADES: Final = 2_000_000
ALIPAY: Final = "alipay"
WECHATPAY: Final = "wechatpay"
STRIPE: Final = "stripe"
PLATFORMS: Final = (ALIPAY, WECHATPAY, STRIPE)
PRECREATE: Final = "precreate"
PROCESSING: Final = "PROCESSING"
SUCCESS: Final = "SUCCESS"
ABNORMAL: Final = "ABNORMAL"
CLOSED: Final = "CLOSED"


class State(StrEnum):
    """Where a trade stands."""

    CODE = "CODE"  # a QR code was made, nobody scanned it
    WAITING = "WAITING"  # scanned, not paid
    PAID = "PAID"  # and stays so when refunded
    CLOSED = "CLOSED"  # scanned, then closed or expired before it was paid
    DEAD = "DEAD"  # closed or expired before it was scanned: the trade never came into being


class Trade(msgspec.Struct, frozen=True):
    """A row of the ledger. Amounts are fen; times are virtual milliseconds UTC.

    `details` are the platform's own. The second payment of a number that a buyer paid twice is copy 1 of its trade.
    """

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
    platform: str = ALIPAY
    product: str = PRECREATE
    details: str = ""
    copy: int = 0

    @property
    def currency(self) -> str:
        """ISO 4217, in small letters; amounts are in its hundredths."""
        return self.body if self.platform == STRIPE else "cny"

    def state(self, now: int) -> State:
        """The state at a time: an unpaid trade ends at its expiry without anybody writing it down."""
        stored = State(self.stored_state)
        if now < self.expires_at:
            return stored
        return {State.CODE: State.DEAD, State.WAITING: State.CLOSED}.get(stored, stored)


_WIDTH: Final = len(Trade.__struct_fields__)


class Refund(msgspec.Struct, frozen=True):
    """A refund of a trade; `total` is the sum of its refunds up to and with this one, in fen.

    One that comes to nothing (CLOSED) gives nothing back, so its amount is not in that sum.
    """

    trade_id: int
    request_no: str
    amount: int
    total: int
    refunded_at: int
    outcome: str = SUCCESS
    settles_at: int = 0
    details: str = ""

    def status(self, now: int) -> str:
        """How it stands at a time: it is under way until it settles."""
        return PROCESSING if now < self.settles_at else self.outcome


class NewTrade(msgspec.Struct, frozen=True):
    """What a merchant asks for. The amount is fen, the expiry virtual milliseconds UTC."""

    code: str
    out_trade_no: str
    amount: int
    subject: str
    body: str
    notify_url: str
    expires_at: int
    platform: str = ALIPAY
    product: str = PRECREATE
    details: str = ""


class NewRefund(msgspec.Struct, frozen=True):
    """A refund that a merchant asks for: the amount is fen. It settles after so many virtual milliseconds."""

    request_no: str
    amount: int
    outcome: str = SUCCESS
    settles_in: int = 0
    details: str = ""
    notify_url: str = ""


def create(tx: Transaction, new: NewTrade, *, opened: bool = False) -> Trade | None:
    """A trade with a fresh code, which waits for its buyer at once if `opened`; None when the ledger is full."""
    if _room(tx) <= 0:
        return None
    return _trade(
        tx,
        "INSERT INTO trades (code, out_trade_no, amount, subject, body, notify_url, expires_at, platform, product,"
        " details, state, created_at, opened_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING *",
        *msgspec.structs.astuple(new),
        State.WAITING.value if opened else State.CODE.value,
        tx.now,
        tx.now if opened else None,
    )


def by_id(tx: Transaction, identity: int) -> Trade | None:
    """The trade with that row number."""
    return _trade(tx, "SELECT * FROM trades WHERE id = ?", identity)


def by_code(tx: Transaction, code: str) -> Trade | None:
    """The trade behind a QR code."""
    return _trade(tx, "SELECT * FROM trades WHERE code = ?", code)


def by_out_trade_no(tx: Transaction, number: str, platform: str = ALIPAY) -> Trade | None:
    """The platform's trade with the merchant's number, the first that was paid."""
    return _trade(tx, "SELECT * FROM trades WHERE out_trade_no = ? AND platform = ? AND copy = 0", number, platform)


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


def pay_twice(tx: Transaction, trade: Trade) -> Trade | None:
    """The buyer pays a paid trade once more, in a trade of its own with the same number; None when that was done."""
    if _trade(tx, "SELECT * FROM trades WHERE out_trade_no = ? AND platform = ? AND copy = 1", *_key(trade)):
        return None
    columns = "out_trade_no, amount, subject, body, notify_url, state, created_at, expires_at, opened_at, platform"
    again = _trade(
        tx,
        f"INSERT INTO trades (code, copy, paid_at, {columns}, product, details)"  # noqa: S608 - texts of this module
        f" SELECT ?2, 1, ?3, {columns}, product, details FROM trades WHERE id = ?1 RETURNING *",
        trade.id,
        tx.new_token(),
        tx.now,
    )
    if again:
        notify(tx, again, None)
    return again


def rewrite(tx: Transaction, trade: Trade, details: str) -> Trade:
    """Changes what the platform itself remembers of it."""
    return _changed(tx, trade, "details = ?2", details)


def close(tx: Transaction, trade: Trade) -> Trade:
    """Nobody can pay it any more: a trade that waits is closed, a code is dead."""
    end = State.DEAD if trade.state(tx.now) is State.CODE else State.CLOSED
    return _changed(tx, trade, f"state = '{end}', closed_at = ?2", tx.now)


def refund(tx: Transaction, trade: Trade, request_no: str, amount: int) -> Refund:
    """Gives fen back, no more than is left (the table refuses that), and the merchant is to be notified."""
    return give_back(tx, trade, NewRefund(request_no, amount))


def give_back(tx: Transaction, trade: Trade, new: NewRefund) -> Refund:
    """The same, as the platform has it; the merchant is told when it settles."""
    refunded = _changed(tx, trade, "refunded = refunded + ?2", 0 if new.outcome == CLOSED else new.amount)
    settles_at = tx.now + new.settles_in
    row = Refund(trade.id, new.request_no, new.amount, refunded.refunded, tx.now, new.outcome, settles_at, new.details)
    tx.rows("INSERT INTO refunds VALUES (?, ?, ?, ?, ?, ?, ?, ?)", *msgspec.structs.astuple(row))
    notify(tx, refunded, row, url=new.notify_url)
    return row


def find_refund(tx: Transaction, trade: Trade, request_no: str) -> Refund | None:
    """The refund with the merchant's request number."""
    row = tx.row("SELECT * FROM refunds WHERE trade_id = ? AND request_no = ?", trade.id, request_no)
    return Refund(*row) if row else None


def refund_numbered(tx: Transaction, request_no: str, platform: str) -> tuple[Trade, Refund] | None:
    """The platform's refund with the merchant's request number, and its trade."""
    row = tx.row(
        "SELECT trades.*, refunds.* FROM refunds JOIN trades ON trades.id = refunds.trade_id"
        " WHERE request_no = ? AND platform = ? ORDER BY trade_id LIMIT 1",
        request_no,
        platform,
    )
    return (Trade(*row[:_WIDTH]), Refund(*row[_WIDTH:])) if row else None


def notify(tx: Transaction, trade: Trade, of: Refund | None, *, url: str = "") -> None:
    """Has the merchant told about a payment, or about a refund when it settles; without a URL nobody is told."""
    if url or trade.notify_url:
        tx.rows(
            "INSERT INTO notifications (trade_id, request_no, created_at, due_at, url) VALUES (?, ?, ?, ?, ?)",
            trade.id,
            of.request_no if of else None,
            tx.now,
            max(tx.now, of.settles_at) if of else tx.now,
            url,
        )


class Choice(NamedTuple):
    """Which trades are wanted: of a platform and a product, or of any."""

    platform: str = ""
    product: str = ""

    def condition(self) -> str:
        """For a WHERE, with parameters ?3 and ?4."""
        return "(?3 = '' OR platform = ?3) AND (?4 = '' OR product = ?4)"


ALL: Final = Choice()


def page(tx: Transaction, after: int, limit: int, choice: Choice = ALL) -> list[tuple[Trade, list[Refund]]]:
    """Trades with their refunds in the order in which they were made, after a row number, at most `limit`."""
    return _with_refunds(tx, f"id > ?1 AND {choice.condition()} ORDER BY id LIMIT ?2", after, limit, choice)


def latest(tx: Transaction, before: int, limit: int, choice: Choice = ALL) -> list[tuple[Trade, list[Refund]]]:
    """The same, the newest first, before a row number."""
    return _with_refunds(tx, f"id < ?1 AND {choice.condition()} ORDER BY id DESC LIMIT ?2", before, limit, choice)


def refunds_of(tx: Transaction, trade: Trade) -> list[Refund]:
    """Its refunds, the oldest first."""
    return [
        Refund(*row)
        for row in tx.rows("SELECT * FROM refunds WHERE trade_id = ? ORDER BY refunded_at, total", trade.id)
    ]


def _with_refunds(tx: Transaction, which: str, at: int, limit: int, choice: Choice) -> list[tuple[Trade, list[Refund]]]:
    rows = tx.rows(f"SELECT * FROM trades WHERE {which}", at, limit, *choice)  # noqa: S608 - a text of this module
    found = {trade.id: (trade, list[Refund]()) for trade in (Trade(*row) for row in rows)}
    if found:
        for row in tx.rows(
            "SELECT * FROM refunds WHERE trade_id BETWEEN ? AND ? ORDER BY total", min(found), max(found)
        ):
            refund_row = Refund(*row)
            if refund_row.trade_id in found:
                found[refund_row.trade_id][1].append(refund_row)
    return list(found.values())


def _key(trade: Trade) -> tuple[str, str]:
    return trade.out_trade_no, trade.platform


def _room(tx: Transaction) -> int:
    # Two queries: SQLite looks either end up in the index, but reads the whole table when asked for both at once.
    [(newest,)] = tx.rows("SELECT max(id) FROM trades")
    [(oldest,)] = tx.rows("SELECT min(id) FROM trades")
    return MAX_TRADES if newest is None else MAX_TRADES - (newest - oldest + 1)


def _changed(tx: Transaction, trade: Trade, change: str, value: int | str) -> Trade:
    statement = f"UPDATE trades SET {change} WHERE id = ?1 RETURNING *"  # noqa: S608 - a text of this module
    [row] = tx.rows(statement, trade.id, value)
    return Trade(*row)


def _trade(tx: Transaction, statement: str, *values: int | str | None) -> Trade | None:
    row = tx.row(statement, *values)
    return Trade(*row) if row else None
