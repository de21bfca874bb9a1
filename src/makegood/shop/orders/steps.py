"""The two transactions of placing an order: open it, settle it. Only the driver of an order asks for them."""

from collections.abc import Sequence
from hashlib import blake2b

import msgspec

from makegood.engine.contracts import Operation
from makegood.engine.database.transaction import Transaction
from makegood.shop.orders import moves
from makegood.shop.orders.contracts import Order, PlaceOrder
from makegood.shop.orders.settings import OrdersSettings
from makegood.shop.orders.tables import LINES, ORDERS, LineRow, OrderRow
from makegood.shop.orders.view import NO_CHANGES, seen
from makegood.shop.types import Line, Participant

AMOUNT_MISMATCH = "amount_mismatch"


class Open(msgspec.Struct, frozen=True):
    """What the buyer wants; `refusal` is the code with which it is refused at once, or empty.

    `minted` is filled here with the ids that were given to it: when a commit's answer is lost and the batch runs
    again, it tells the order that this very call opened from one that somebody else did.
    """

    order: PlaceOrder
    refusal: str = ""
    minted: list[int] = []


class Opened(msgspec.Struct, frozen=True):
    """The order of this key, to be decided by `deadline` (ms UTC); None when the key has another body.

    `drive`: this call opened it, so this call asks the participants.
    """

    order: Order | None
    deadline: int = 0
    drive: bool = False


class Settle(msgspec.Struct, frozen=True):
    """What the participants said: all agreed, or the refusal's code and who took something, or may have.

    `discount` in fen is the coupon service's.
    """

    order_id: int
    refusal: str
    discount: int
    holders: tuple[Participant, ...]


class Settled(msgspec.Struct, frozen=True):
    """The decided order, without its lines: who settles it has them."""

    order: Order


OPEN = Operation("orders", "Open", Open, Opened, private=True)
SETTLE = Operation("orders", "Settle", Settle, Settled, private=True)


def open_orders(tx: Transaction, requests: Sequence[Open], settings: OrdersSettings) -> list[Opened]:
    """Opens an order for each key not seen before, of equal keys for the first; one with wrong sums is refused."""
    idems = [_digest(f"{request.order.user} {request.order.key}".encode()) for request in requests]
    known = {row.idem: row for row in tx.select_by(ORDERS, "idem", idems)}
    fresh: list[OrderRow] = []
    lines: list[LineRow] = []
    answers: list[Opened] = []
    for asked, idem in zip(requests, idems, strict=True):
        request = asked.order
        request_hash = _digest(msgspec.json.encode(request))
        row = known.get(idem)
        if row is None:
            row = known[idem] = _open(tx, asked, idem, request_hash, settings)
            asked.minted.append(row.order_id)
            fresh.append(row)
            lines.extend(_line_rows(row.order_id, request.lines))
        drive = row.order_id in asked.minted
        answers.append(_opened(row, request, drive=drive) if row.request_hash == request_hash else Opened(None))
    tx.insert(ORDERS, fresh)
    tx.insert(LINES, lines)
    return answers


def settle_orders(tx: Transaction, requests: Sequence[Settle]) -> list[Settled]:
    """Decides orders that are still OPEN; any other keeps its decision."""
    rows = tx.lock(ORDERS, [request.order_id for request in requests])
    decided: list[OrderRow] = []
    answers: list[Settled] = []
    for request in requests:
        row = rows[request.order_id]
        if row.status == "OPEN":
            _decide(tx, row, request)
            decided.append(row)
        answers.append(Settled(seen(row, ())))
    tx.update(ORDERS, decided)
    return answers


def _decide(tx: Transaction, row: OrderRow, request: Settle) -> None:
    refusal = request.refusal or ("" if request.discount == row.discount else AMOUNT_MISMATCH)
    if refusal:
        moves.refuse(tx, row, refusal, request.holders)
    else:
        moves.confirm(tx, row)


def _open(tx: Transaction, asked: Open, idem: str, request_hash: str, settings: OrdersSettings) -> OrderRow:
    request = asked.order
    goods_amount = sum(line.quantity * line.unit_price for line in request.lines)
    discount = goods_amount + request.shipping_fee - request.balance - request.amount_due
    most = 0 if request.coupon_id is None else goods_amount
    sums_match = request.shipping_fee == settings.fee_for(goods_amount) and 0 <= discount <= most
    deadline = tx.now + int(settings.decide_within * 1000)
    row = OrderRow(
        order_id=tx.new_id(),
        user=request.user,
        idem=idem,
        request_hash=request_hash,
        status="OPEN",
        payment_status="UNPAID",
        shipping_status="UNSHIPPED",
        decision="",
        goods_amount=goods_amount,
        coupon_id=request.coupon_id,
        discount=discount if sums_match else 0,
        shipping_fee=request.shipping_fee,
        balance=request.balance,
        amount_due=request.amount_due,
        created_at=tx.now,
        deadline=deadline,
        pay_by=tx.now + int(settings.pay_within * 1000),
        payment_id=None,
        due_at=deadline,
        changes=NO_CHANGES,
    )
    if refusal := asked.refusal if sums_match else AMOUNT_MISMATCH:
        moves.refuse(tx, row, refusal, ())
    return row


def _opened(row: OrderRow, request: PlaceOrder, *, drive: bool) -> Opened:
    return Opened(seen(row, request.lines), row.deadline, drive and row.status == "OPEN")


def _line_rows(order_id: int, lines: Sequence[Line]) -> list[LineRow]:
    return [LineRow(order_id, at, line.sku, line.quantity, line.unit_price) for at, line in enumerate(lines)]


def _digest(text: bytes) -> str:
    return blake2b(text, digest_size=16).hexdigest()
