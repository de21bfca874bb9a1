"""The shop's answers, as far as the replay reads them; unknown fields are ignored. Money in fen."""

import msgspec

from makegood.replay.baskets import Amounts, OrderLine


class Session(msgspec.Struct, frozen=True):
    """A user's session."""

    token: str


class OrderView(Amounts, frozen=True, kw_only=True):
    """An order as its buyer sees it."""

    order_id: str
    status: str
    payment_status: str
    decision: str = ""

    @property
    def is_put_back(self) -> bool:
        """Whether it was cancelled and holds nothing: whatever it took, and was paid, was given back."""
        return self.status == "CANCELLED" and self.payment_status in ("UNPAID", "REFUNDED")


class OrderPage(msgspec.Struct, frozen=True):
    """One page of a user's orders."""

    orders: list[OrderView]
    next: str | None = None


class Good(msgspec.Struct, frozen=True):
    """One SKU on sale."""

    sku: str
    price: int
    stock: int


class GoodsPage(msgspec.Struct, frozen=True):
    """One page of the goods."""

    goods: list[Good]
    next: str | None = None


class HeldCoupon(msgspec.Struct, frozen=True):
    """A coupon a user can still use."""

    coupon_id: str


class Me(msgspec.Struct, frozen=True):
    """What a user has."""

    balance: int
    points: int
    coupons: list[HeldCoupon]


class Payment(msgspec.Struct, frozen=True):
    """A payment that was opened; `pay_url` is the cashier's page."""

    payment_id: str
    pay_url: str


class Problem(msgspec.Struct, frozen=True):
    """A problem as of RFC 9457, with the shop's stable code."""

    code: str
    detail: str = ""
    title: str = ""


class Refusal(msgspec.Struct, frozen=True):
    """What the shop, or the sandbox, would not do."""

    status: int
    code: str
    detail: str

    def __str__(self) -> str:
        return f"{self.code} (HTTP {self.status}): {self.detail}".rstrip(": ")


class OrderRequest(msgspec.Struct, frozen=True, omit_defaults=True):
    """The body that places an order."""

    lines: tuple[OrderLine, ...]
    balance: int = msgspec.field()
    shipping_fee: int = msgspec.field()
    amount_due: int = msgspec.field()
    coupon_id: str | None = None


class PaymentRequest(msgspec.Struct, frozen=True):
    """The body that opens a payment."""

    order_id: str
    channel: str


class SessionRequest(msgspec.Struct, frozen=True):
    """The body by which an operator signs a user in."""

    user: str


def refusal(status: int, body: bytes) -> Refusal:
    """The problem in an answer; an answer that is no problem document keeps its first 200 characters."""
    try:
        problem = msgspec.json.decode(body, type=Problem)
    except msgspec.MsgspecError:
        return Refusal(status, f"http_{status}", body[:200].decode("utf-8", "replace"))
    return Refusal(status, problem.code, problem.detail or problem.title)
