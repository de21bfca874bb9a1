"""What payments says and hears."""

from typing import Annotated, Literal

import msgspec

from makegood.engine.contracts import Event, Operation
from makegood.shop.types import PageLimit, Price, User

Channel = Annotated[str, msgspec.Meta(min_length=1, max_length=32, pattern=r"^[a-z0-9_]+$(?!\n)")]
PaymentState = Literal["OPEN", "PAID", "CLOSED"]
RefundState = Literal["REQUESTED", "SUCCEEDED", "FAILED"]
ToldBy = Literal["notice", "query"]
"""Who told us: the platform by itself, or the platform when asked."""
Effect = Literal["captured", "closed", "refund", "repeat", "break", "none"]
"""What a notification did."""
MAX_FOUND = 1_000
"""Most payments asked for by their ids at once."""
BreakKind = Literal[
    "amount_mismatch",
    "unknown_payment",
    "other_trade",
    "refund_abnormal",
    "refund_failed",
    "refund_stuck",
    "refund_unknown",
    "refund_waiting",
    "refund_without_capture",
    "refunded_elsewhere",
    "unresolved",
]


class OpenPayment(msgspec.Struct, frozen=True):
    """A user wants to pay an order through a channel; `client_ip` is their address, "" when it is not known."""

    user: User
    order_id: int
    channel: Channel
    client_ip: Annotated[str, msgspec.Meta(max_length=45)] = ""


class PaymentOpened(msgspec.Struct, frozen=True):
    """Refusals: not_found, not_payable, unknown_channel, platform_unavailable. Asking again gives the same payment."""

    refusal: str = ""
    payment_id: int = 0
    pay_url: str = ""


class Notify(msgspec.Struct, frozen=True):
    """A platform's callback as it came; header names in lower case."""

    channel: str
    body: bytes
    headers: dict[str, str]


class Notified(msgspec.Struct, frozen=True):
    """The exact answer for the platform. An unknown channel is status 404."""

    status: int
    content_type: str
    body: bytes


class CloseOrder(msgspec.Struct, frozen=True):
    """Orders asks that no payment of this order may succeed any more."""

    order_id: int


class OrderClosed(msgspec.Struct, frozen=True):
    """`closed`: none will; `paid`: this one has, with `amount` fen; `unknown`: ask again later."""

    outcome: Literal["closed", "paid", "unknown"]
    payment_id: int = 0
    amount: int = 0


class RefundPart(msgspec.Struct, frozen=True):
    """An operator refunds a part of a payment, or all of it; `amount` in fen. `refund_key` makes a repeat harmless."""

    payment_id: int
    amount: Price
    refund_key: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]


class PartRefunded(msgspec.Struct, frozen=True):
    """Refusals: not_found, not_refundable, amount_exceeds_captured, key_reused (with another amount).

    The refund itself follows.
    """

    refusal: str = ""
    refund: "Refund | None" = None


class Refund(msgspec.Struct, frozen=True):
    """A refund: `amount` in fen, times in ms UTC."""

    refund_id: int
    amount: int
    state: RefundState
    reason: str
    at: int
    changed_at: int


class Payment(msgspec.Struct, frozen=True):
    """A payment with its refunds: amounts in fen, times in ms UTC."""

    payment_id: int
    order_id: int
    user: str
    channel: str
    amount: int
    state: PaymentState
    captured: int
    refunded: int
    trade_no: str
    pay_url: str
    created_at: int
    captured_at: int | None
    refunds: tuple[Refund, ...] = ()


class PaymentsOfOrder(msgspec.Struct, frozen=True):
    """Ask for all payments of an order."""

    order_id: int


class Payments(msgspec.Struct, frozen=True):
    """Payments, the oldest first."""

    payments: tuple[Payment, ...]


class FindPayments(msgspec.Struct, frozen=True):
    """Ask for payments by their ids; those that do not exist are left out of the answer."""

    payment_ids: Annotated[tuple[int, ...], msgspec.Meta(max_length=MAX_FOUND)]


class Notification(msgspec.Struct, frozen=True):
    """A callback that was proven to be the platform's, and what it did.

    `kind` is what it said of the trade, `amount` in fen; `occurred_at` is the platform's time, `at` ours, in ms UTC.
    A repeat of the same `notify_id` has no effect: it came again `repeats` times, at `repeated_at` (ms UTC) last.
    """

    channel: str
    notify_id: str
    trade_no: str
    kind: str
    amount: int
    occurred_at: int
    at: int
    effect: Effect
    repeats: int = 0
    repeated_at: int | None = None


class PaymentTrail(msgspec.Struct, frozen=True):
    """How we learnt of a payment: its proven callbacks, the oldest first, and what was asked of the platform.

    `told_by` is None until it is captured. `asked` questions were asked, the next is due at `ask_at` (ms UTC, None for
    no more). `changed_at` (ms UTC) is when its state last changed.
    """

    payment_id: int
    told_by: ToldBy | None
    changed_at: int
    expires_at: int
    asked: int
    ask_at: int | None
    notifications: tuple[Notification, ...]


class TrailOfOrder(msgspec.Struct, frozen=True):
    """Ask how we learnt of an order's payments."""

    order_id: int


class Trail(msgspec.Struct, frozen=True):
    """The order's payments and breaks, the oldest first, and the latest refused callbacks that name one of them.

    Of a refused callback nothing is proven, not even that it is about the payment it names.
    """

    payments: tuple[PaymentTrail, ...]
    refused: tuple["RefusedNotice", ...]
    breaks: tuple["Break", ...] = ()


class ListPayments(msgspec.Struct, frozen=True):
    """Ask for all payments in the order of their ids, behind `after`."""

    after: int | None = None
    limit: PageLimit = 100


class PaymentsPage(msgspec.Struct, frozen=True):
    """Payments; `next` is the `after` of the next page, None at the end."""

    payments: tuple[Payment, ...]
    next: int | None = None


class Break(msgspec.Struct, frozen=True):
    """A difference between a platform and us that a person has to settle; amounts in fen, `at` in ms UTC.

    `number` is the merchant's trade number as the platform says it, `trade_no` the platform's own.
    """

    break_id: int
    kind: BreakKind
    channel: str
    number: str
    trade_no: str
    amount: int
    at: int
    detail: str


class ListBreaks(msgspec.Struct, frozen=True):
    """Ask for breaks, the oldest first, behind `after`."""

    after: int | None = None
    limit: PageLimit = 100


class BreaksPage(msgspec.Struct, frozen=True):
    """Breaks; `next` is the `after` of the next page, None at the end."""

    breaks: tuple[Break, ...]
    next: int | None = None


class RefusedNotice(msgspec.Struct, frozen=True):
    """A callback nobody should believe: why, when (ms UTC), and the beginning of its body."""

    refusal_id: int
    channel: str
    reason: str
    detail: str
    at: int
    body: bytes


class ListRefusedNotices(msgspec.Struct, frozen=True):
    """Ask for refused callbacks, the newest first, behind `after`."""

    after: int | None = None
    limit: PageLimit = 100


class RefusedNoticesPage(msgspec.Struct, frozen=True):
    """Refused callbacks; `next` is the `after` of the next page, None at the end."""

    notices: tuple[RefusedNotice, ...]
    next: int | None = None


class Succeeded(msgspec.Struct, frozen=True):
    """A platform captured a payment; `amount` in fen, `at` in ms UTC."""

    payment_id: int
    order_id: int
    user: str
    channel: str
    amount: int
    at: int


class Refunded(msgspec.Struct, frozen=True):
    """A platform refunded `amount` fen; with it `cumulative` of the `captured` fen are refunded.

    `amount` is 0 when a whole refund was asked for and parts had given everything back already.
    """

    payment_id: int
    refund_id: int
    order_id: int
    user: str
    amount: int
    cumulative: int
    captured: int
    at: int


OPEN = Operation("payments", "Open", OpenPayment, PaymentOpened)
NOTIFY = Operation("payments", "Notify", Notify, Notified)
CLOSE = Operation("payments", "Close", CloseOrder, OrderClosed)
REFUND = Operation("payments", "Refund", RefundPart, PartRefunded)
OF_ORDER = Operation("payments", "OfOrder", PaymentsOfOrder, Payments)
FIND = Operation("payments", "Find", FindPayments, Payments)
TRAIL = Operation("payments", "Trail", TrailOfOrder, Trail)
LIST = Operation("payments", "List", ListPayments, PaymentsPage)
BREAKS = Operation("payments", "Breaks", ListBreaks, BreaksPage)
REFUSED_NOTICES = Operation("payments", "RefusedNotices", ListRefusedNotices, RefusedNoticesPage)

SUCCEEDED = Event("payments", "succeeded", Succeeded)
REFUNDED = Event("payments", "refunded", Refunded)
