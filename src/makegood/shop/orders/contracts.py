"""What orders says and hears."""

from typing import Annotated, Literal

import msgspec

from makegood.engine.contracts import Event, Operation
from makegood.shop.types import (
    MAX_LINES,
    CouponId,
    Fen,
    IdempotencyKey,
    Line,
    PageLimit,
    Participant,
    Quantity,
    Sku,
    User,
)

Status = Literal["OPEN", "CONFIRMED", "COMPLETED", "CANCELLED"]
PaymentStatus = Literal["UNPAID", "PAID", "REFUNDING", "REFUNDED"]
ShippingStatus = Literal["UNSHIPPED", "SHIPPED", "RECEIVED"]
Lines = Annotated[tuple[Line, ...], msgspec.Meta(min_length=1, max_length=MAX_LINES)]


class PlaceOrder(msgspec.Struct, frozen=True):
    """What the buyer saw and agreed to, all amounts in fen; no SKU twice (checked at the door)."""

    user: User
    key: IdempotencyKey
    lines: Lines
    coupon_id: CouponId | None
    balance: Fen
    shipping_fee: Fen
    amount_due: Fen


class Order(msgspec.Struct, frozen=True):
    """An order as people see it: amounts in fen, times in ms UTC."""

    order_id: int
    user: str
    status: Status
    payment_status: PaymentStatus
    shipping_status: ShippingStatus
    lines: tuple[Line, ...]
    goods_amount: int
    coupon_id: str | None
    discount: int
    shipping_fee: int
    balance: int
    amount_due: int
    created_at: int
    pay_by: int
    payment_id: int | None
    decision: str
    """`` while undecided, `confirmed`, or the code of the refusal; once set it never changes."""
    changes: tuple["Change", ...]


class Change(msgspec.Struct, frozen=True, array_like=True):
    """A change of status, and when (ms UTC)."""

    at: int
    status: Status
    payment_status: PaymentStatus
    shipping_status: ShippingStatus
    why: str


class Placed(msgspec.Struct, frozen=True):
    """`confirmed` (201), `refused` (409, `refusal` is the code), `undecided` (202), `key_reused` (422)."""

    outcome: Literal["confirmed", "refused", "undecided", "key_reused"]
    refusal: str = ""
    order: Order | None = None


class FindOrder(msgspec.Struct, frozen=True):
    """Ask for an order; with `user` only if it is theirs."""

    order_id: int
    user: str | None = None


class FoundOrder(msgspec.Struct, frozen=True):
    """The order, or None."""

    order: Order | None


class OrdersOfUser(msgspec.Struct, frozen=True):
    """Ask for a user's decided orders, the newest first, behind `after`. Cancelled and refused ones included."""

    user: str
    after: int | None = None
    limit: PageLimit = 100


class OrdersFound(msgspec.Struct, frozen=True):
    """Orders; `next` is the `after` of the next page, None at the end."""

    orders: tuple[Order, ...]
    next: int | None = None


class QuoteLine(msgspec.Struct, frozen=True):
    """A line without its price."""

    sku: Sku
    quantity: Quantity


QuoteLines = Annotated[tuple[QuoteLine, ...], msgspec.Meta(min_length=1, max_length=MAX_LINES)]


class Quote(msgspec.Struct, frozen=True):
    """Ask what an order would cost; only SKU and quantity count. `balance` in fen, None for as much as there is.

    A balance larger than what is due counts as what is due.
    """

    user: User
    lines: QuoteLines
    coupon_id: CouponId | None = None
    balance: Fen | None = None


class Quoted(msgspec.Struct, frozen=True):
    """Amounts in fen, or the code of what stands in the way: unknown_sku, coupon_unusable, insufficient_balance."""

    refusal: str = ""
    goods_amount: int = 0
    shipping_fee: int = 0
    discount: int = 0
    balance: int = 0
    amount_due: int = 0


class ChangeOrder(msgspec.Struct, frozen=True):
    """Ask to cancel, refund, ship or receive an order; with `user` only if it is theirs."""

    order_id: int
    user: str | None = None


class Changed(msgspec.Struct, frozen=True):
    """What came of it: the order as it is now. `refusal`: not_found, not_cancellable, not_refundable,
    not_shippable, not_receivable; `undecided`: asked for, and not settled yet (202)."""

    refusal: str = ""
    undecided: bool = False
    order: Order | None = None


class AskOutcomes(msgspec.Struct, frozen=True):
    """A participant asks what came of orders it holds something for."""

    participant: Participant
    order_ids: tuple[int, ...]


class Outcomes(msgspec.Struct, frozen=True):
    """Of the orders asked about: those that keep what they took, and those that must give it back."""

    keep: tuple[int, ...] = ()
    give_back: tuple[int, ...] = ()


class Confirmed(msgspec.Struct, frozen=True):
    """An order was confirmed; amounts in fen."""

    order_id: int
    user: str
    amount_due: int


class Cancelled(msgspec.Struct, frozen=True):
    """An order was refused or cancelled; `participants` took something for it, or may have."""

    order_id: int
    user: str
    code: str
    participants: tuple[Participant, ...]


class Paid(msgspec.Struct, frozen=True):
    """An order became paid; `payment_id` is None when nothing was due."""

    order_id: int
    user: str
    payment_id: int | None
    amount: int


class RefundRequested(msgspec.Struct, frozen=True):
    """The whole of a payment is to be refunded (None: nothing was captured), and these participants give back."""

    order_id: int
    user: str
    payment_id: int | None
    participants: tuple[Participant, ...]
    reason: Literal["asked", "late", "second", "wrong_amount"]


PLACE = Operation("orders", "Place", PlaceOrder, Placed)
FIND = Operation("orders", "Find", FindOrder, FoundOrder)
OF_USER = Operation("orders", "OfUser", OrdersOfUser, OrdersFound)
QUOTE = Operation("orders", "Quote", Quote, Quoted)
CANCEL = Operation("orders", "Cancel", ChangeOrder, Changed)
REFUND = Operation("orders", "Refund", ChangeOrder, Changed)
SHIP = Operation("orders", "Ship", ChangeOrder, Changed)
RECEIVE = Operation("orders", "Receive", ChangeOrder, Changed)
OUTCOMES = Operation("orders", "Outcomes", AskOutcomes, Outcomes)

CONFIRMED = Event("orders", "confirmed", Confirmed)
CANCELLED = Event("orders", "cancelled", Cancelled)
PAID = Event("orders", "paid", Paid)
REFUND_REQUESTED = Event("orders", "refund-requested", RefundRequested)
