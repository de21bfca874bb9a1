"""Lost notifications: a payment that nobody has heard of is asked about at its platform, at growing intervals.

Once nobody wants the payment any more (its order is closed, another payment was captured, or it has expired), the
platform is asked to close it instead, which tells as much and ends it.
"""

from collections.abc import Sequence

import msgspec

from makegood.engine.contracts import Task
from makegood.engine.database.transaction import Transaction
from makegood.shop.payments.breaks import Breaks
from makegood.shop.payments.gateways.port import Gateway, Trade
from makegood.shop.payments.opening import payments_of
from makegood.shop.payments.recording import Fact
from makegood.shop.payments.settings import PaymentsSettings
from makegood.shop.payments.tables import BILLS, PAYMENTS, PaymentRow


class AskTrade(msgspec.Struct, frozen=True):
    """A payment to ask its platform about; with `close` the platform is to end it if it is not paid.

    `trade_no` is the platform's own number of it, where it has one so far.
    """

    payment_id: int
    channel: str
    close: bool
    trade_no: str = ""


ASK_TASK = Task("query-trade", AskTrade)


def ask_due(tx: Transaction, settings: PaymentsSettings, limit: int) -> int:
    """Asks about payments that are due, and gives up those that expired long ago; says how many."""
    due = tx.due(PAYMENTS, "due_at", tx.now, limit)
    locked = tx.lock(PAYMENTS, [row.payment_id for row in due])
    rows = [row for row in locked.values() if row.due_at is not None and row.due_at <= tx.now]
    unwanted = _unwanted(tx, rows)
    breaks = Breaks(tx)
    for row in rows:
        if tx.now >= row.expires_at + int(settings.give_up_asking * 1000):
            row.due_at = None
            breaks.add("unresolved", row.channel, str(row.payment_id), amount=row.amount, detail="no answer for good")
        else:
            question = AskTrade(row.payment_id, row.channel, row.payment_id in unwanted, row.trade_no)
            tx.enqueue(ASK_TASK, str(row.payment_id), question)
            row.asked += 1
            row.due_at = tx.now + pause(settings, row.asked)
    tx.update(PAYMENTS, rows)
    breaks.store()
    return len(due)


def pause(settings: PaymentsSettings, asked: int) -> int:
    """Milliseconds until the next question, `asked` questions after the first pause."""
    return int(min(settings.longest_ask, settings.first_ask * 2.0 ** min(asked, 32)) * 1000)


async def ask(gateway: Gateway, payment_id: int, trade_no: str) -> Fact | None:
    """What the platform says of the payment, None when it has not been decided. Raises GatewayError."""
    return _fact(gateway.channel, str(payment_id), await gateway.query(str(payment_id), trade_no))


async def close(gateway: Gateway, payment_id: int, trade_no: str) -> Fact | None:
    """Ends the payment at the platform: what came of it, None when that is unknown. Raises GatewayError."""
    match await gateway.close(str(payment_id), trade_no):
        case "closed":
            return Fact(gateway.channel, str(payment_id), "closed", "query")
        case "paid":
            return await ask(gateway, payment_id, trade_no)
        case "unknown":
            return None


def _fact(channel: str, number: str, trade: Trade) -> Fact | None:
    match trade.state:
        case "paid":
            kind = "captured"
        case "closed":
            kind = "closed" if trade.paid_at is None else "undone"
        case "unpaid" | "unknown_trade":
            return None
    return Fact(channel, number, kind, "query", trade.amount, trade.trade_no, trade.paid_at or 0)


def _unwanted(tx: Transaction, rows: Sequence[PaymentRow]) -> set[int]:
    order_ids = [row.order_id for row in rows]
    closed = {id for id, bill in tx.select(BILLS, order_ids).items() if bill.state == "CLOSED"}
    siblings = payments_of(tx, order_ids)
    paid = {id for id, held in siblings.items() if any(row.state == "PAID" for row in held)}
    return {row.payment_id for row in rows if row.order_id in closed | paid or tx.now >= row.expires_at}
