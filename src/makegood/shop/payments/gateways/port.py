"""The port to a payment platform: everything the payments service knows of Alipay, WeChat Pay or Stripe.

Amounts are int fen, times int milliseconds UTC. Every call may be repeated with the same numbers: the platform
does the thing once and gives the same answer. An adapter keeps no state and retries at most a broken
connection; the service's tasks repeat a call, with back-off.

GatewayError
├── GatewayUnavailable     nothing is known of the call: make it again, with the same numbers
└── GatewayRefused         the platform did nothing, and will not until a person changes something
Rejected                   a notification nobody should believe: answer `Gateway.rejected` and change nothing
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import date
from typing import Literal, Protocol, TypeVar

import msgspec

T = TypeVar("T")

MAX_AMOUNT = 10_000_000_000
"""Largest amount of one payment, in fen (100,000,000 yuan, the lowest limit among the platforms)."""
MAX_NOTIFICATION = 64 * 1024
"""Largest notification body, in bytes; a larger one is Rejected."""
MAX_NUMBER = 128
"""Most characters of any number that a platform gives, or repeats."""
LAST_MOMENT = 253_000_000_000_000
"""Latest moment that is believed, in ms UTC: the year 9987. Behind the end of 9999 there is no way to write a time."""

TradeState = Literal["unpaid", "paid", "closed", "unknown_trade"]
Closing = Literal["closed", "paid", "unknown"]
RefundStatus = Literal["succeeded", "processing", "waiting", "abnormal", "failed"]
NoticeKind = Literal["captured", "refund", "closed", "other"]
Reason = Literal[
    "too_large",
    "malformed",
    "duplicate_field",
    "bad_signature",
    "unknown_serial",
    "stale",
    "probe",
    "wrong_app",
    "wrong_seller",
    "unsupported",
]
"""`unknown_serial`: signed with a key we were not given; `stale`: signed too long ago, or ahead of our clock.

`probe`: a false signature by which a platform tests whether we look at it: refuse it, and raise no alarm.
"""

# What every platform takes: Alipay knows no hyphen, WeChat Pay no number above 32 characters.
_PAYMENT_ID = re.compile(r"[0-9A-Za-z_]{1,32}")
_REFUND_ID = re.compile(r"[0-9A-Za-z_]{1,64}")


class GatewayError(Exception):
    """A call to a payment platform did not give what was asked for."""


class GatewayUnavailable(GatewayError):
    """Whether the platform did it is unknown, or it cannot do it now: call again with the same numbers."""


class GatewayRefused(GatewayError):
    """The platform did nothing and says why: `code` is its own, `advice` says what a person has to do."""

    def __init__(self, code: str, detail: str, advice: str) -> None:
        super().__init__(f"{code}: {detail}; {advice}")
        self.code = code
        self.detail = detail
        self.advice = advice


class Rejected(Exception):
    """A notification that proves nothing: answer `Gateway.rejected`; the platform sends a true one again.

    `reason` is stable, for metrics and alarms; `detail` says what to look at and quotes nothing secret.
    """

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason: Reason = reason
        self.detail = detail


class OpenPayment(msgspec.Struct, frozen=True):
    """A payment to open.

    `payment_id` is the merchant's trade number (商户订单号) and the idempotency key; `amount` is in fen,
    `expires_at` (ms UTC) is when the platform stops taking the payment, `notify_url` is where it calls back,
    `client_ip` the buyer's address, "" when it is not known. Raises ValueError for a number or an amount that no
    platform takes.
    """

    payment_id: str
    amount: int
    subject: str
    expires_at: int
    notify_url: str
    client_ip: str = ""

    def __post_init__(self) -> None:
        check_payment_id(self.payment_id)
        _check_amount(self.amount)
        if not self.subject.strip():
            raise ValueError("the subject of a payment is empty: say what is bought")


class Opened(msgspec.Struct, frozen=True):
    """An open payment; the buyer pays at `pay_url` (shown as a QR code, or followed).

    `trade_no` is the platform's own number of it, "" unless the platform cannot be asked by ours: it is to be kept with
    the payment, and given back with every question about it.
    """

    pay_url: str
    trade_no: str = ""


class Trade(msgspec.Struct, frozen=True):
    """What the platform knows of a payment.

    `unknown_trade` is no proof that the buyer cannot pay any more: some platforms know a trade only from the
    moment the buyer scanned the code. `trade_no` is the platform's own number, "" when it knows none; `amount`
    is in fen, 0 for an unknown trade. `paid_at` is ms UTC, None when the platform does not say; it stands on a
    closed trade too when that was paid and wholly refunded.
    """

    state: TradeState
    trade_no: str = ""
    amount: int = 0
    paid_at: int | None = None


class RefundPayment(msgspec.Struct, frozen=True):
    """A refund of `amount` fen out of the `captured` fen of a payment.

    `refund_id` is the merchant's number of this one refund and the idempotency key, `trade_no` the platform's number of
    the payment, `notify_url` where the platform tells what became of the refund. Raises ValueError for numbers that no
    platform takes, and for more than was captured.
    """

    payment_id: str
    refund_id: str
    amount: int
    reason: str
    captured: int
    trade_no: str = ""
    notify_url: str = ""

    def __post_init__(self) -> None:
        check_payment_id(self.payment_id)
        if not _REFUND_ID.fullmatch(self.refund_id):
            raise ValueError(f"refund number {self.refund_id!r}: use 1 to 64 letters, digits and underscores")
        _check_amount(self.amount)
        if self.amount > self.captured:
            raise ValueError(f"refund of {self.amount} fen out of {self.captured} captured: refund at most that")


class RefundState(msgspec.Struct, frozen=True):
    """Where a refund stands.

    "processing": ask for it again, with the same numbers; "waiting": the same, for the platform could not be asked or
    refuses it for now, as `detail` says (no gateway answers so: it raises GatewayUnavailable); "abnormal": the same,
    yet it only goes on when a person sees to it at the platform; "failed": for good, the money stays with the shop
    until another refund is asked for, and `detail` says why.
    """

    status: RefundStatus
    detail: str = ""


class Notice(msgspec.Struct, frozen=True):
    """A notification that was proven to come from the platform and to be meant for this merchant.

    `amount` (fen) is the trade's amount; in a refund notice what has been refunded of it so far, all refunds
    together, unless `refund_id` (the merchant's number) names one refund: then what that one gave back. `occurred_at`
    is ms UTC. A notice with any refund field is "refund", never "captured", whatever else it says; one of kind "other"
    changes nothing, and its `payment_id` is "" where it is about no payment. `raw` is what was received, field by
    field.
    """

    notify_id: str
    payment_id: str
    trade_no: str
    kind: NoticeKind
    amount: int
    occurred_at: int
    raw: dict[str, str]
    refund_id: str = ""


class BillLine(msgspec.Struct, frozen=True):
    """A line of a platform's bill: a payment captured, or a refund made.

    `number` is the merchant's trade number, `refund_number` the merchant's number of the refund ("" for a payment),
    `trade_no` the platform's own; `amount` in fen, `at` in ms UTC. A refund that is not `final` is on its way, or
    waits for a person at the platform: it has moved no money so far. Raises ValueError for numbers that are no
    platform's.
    """

    kind: Literal["payment", "refund"]
    number: str
    refund_number: str
    trade_no: str
    amount: int
    at: int
    final: bool = True

    def __post_init__(self) -> None:
        longest = max(len(self.number), len(self.refund_number), len(self.trade_no))
        if longest > MAX_NUMBER:
            raise ValueError(f"a number of {longest} characters: at most {MAX_NUMBER} are kept")


class Answer(msgspec.Struct, frozen=True):
    """The HTTP answer to a notification, exactly as the platform wants it."""

    status: int
    content_type: str
    body: bytes


class Compute(Protocol):
    """Runs CPU-heavy work (an RSA signature: a millisecond) off the event loop; in line in a simulation."""

    def __call__(self, work: Callable[[], T], /) -> Awaitable[T]:
        """The result of `work`, or what it raised."""
        ...


class Gateway(Protocol):
    """One payment platform. Every call ends within the adapter's timeout; all may be repeated."""

    @property
    def channel(self) -> str:
        """The platform's name in our API, such as "alipay"."""
        ...

    @property
    def account(self) -> str:
        """Which merchant at which platform, such as "alipay:2021000000": channels of one account share its bills."""
        ...

    @property
    def accepted(self) -> Answer:
        """The answer to a notification that took effect, or had before."""
        ...

    @property
    def rejected(self) -> Answer:
        """The answer to a notification that was Rejected, or could not be stored: it comes again."""
        ...

    async def open(self, payment: OpenPayment) -> Opened:
        """Opens a payment, or gives the one that is open. Raises GatewayUnavailable, GatewayRefused."""
        ...

    async def query(self, payment_id: str, trade_no: str = "") -> Trade:
        """What became of a payment; `trade_no` as its opening gave it. Raises GatewayUnavailable, GatewayRefused."""
        ...

    async def close(self, payment_id: str, trade_no: str = "") -> Closing:
        """Ends a payment that is not paid. Raises GatewayUnavailable, GatewayRefused.

        "closed": nothing was captured; "paid": something was, and it was left alone, so query it (it may be
        refunded by now); "unknown": ask again.
        """
        ...

    async def refund(self, refund: RefundPayment) -> RefundState:
        """Gives money back, once for each refund number. Raises GatewayUnavailable, GatewayRefused."""
        ...

    async def bill(self, day: date) -> list[BillLine]:
        """All that was captured and refunded on a day by China's clock (UTC+8); nothing is an empty list.

        Raises GatewayUnavailable, also while the bill is not ready, and GatewayRefused.
        """
        ...

    def read_notification(self, body: bytes, headers: Mapping[str, str]) -> Notice:
        """Proves and reads a notification; `headers` have lower-case names. Raises Rejected, nothing else."""
        ...


def check_payment_id(payment_id: str) -> None:
    """Raises ValueError for a trade number that some platform would not take."""
    if not _PAYMENT_ID.fullmatch(payment_id):
        raise ValueError(f"payment number {payment_id!r}: use 1 to 32 letters, digits and underscores")


def checked_moment(at: int) -> int:
    """The moment (ms UTC). Raises ValueError for one before 1970, or after `LAST_MOMENT`."""
    if not 0 <= at <= LAST_MOMENT:
        raise ValueError(f"{at} ms since 1970 is no moment at which somebody pays")
    return at


def _check_amount(amount: int) -> None:
    if not 0 < amount <= MAX_AMOUNT:
        raise ValueError(f"amount of {amount} fen: give 1 to {MAX_AMOUNT}")
