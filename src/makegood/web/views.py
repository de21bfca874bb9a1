"""What people get to see: ids are strings, money is fen, times are RFC 3339 UTC."""

import msgspec

from makegood.shop.coupons.contracts import Coupon
from makegood.shop.orders.contracts import Change, Order, PaymentStatus, ShippingStatus, Status
from makegood.shop.stock.contracts import Good
from makegood.shop.types import Line
from makegood.times import rfc3339


class ChangeView(msgspec.Struct, frozen=True):
    """A change of an order's status, when, and why."""

    at: str
    status: Status
    payment_status: PaymentStatus
    shipping_status: ShippingStatus
    why: str

    @classmethod
    def of(cls, change: Change) -> "ChangeView":
        """The change as people see it."""
        return cls(rfc3339(change.at), change.status, change.payment_status, change.shipping_status, change.why)


class OrderView(msgspec.Struct, frozen=True):
    """An order; `decision` is empty while undecided, `confirmed`, or the code of the refusal."""

    order_id: str
    status: Status
    payment_status: PaymentStatus
    shipping_status: ShippingStatus
    amount_due: int
    lines: tuple[Line, ...]
    goods_amount: int
    coupon_id: str | None
    discount: int
    shipping_fee: int
    balance: int
    decision: str
    created_at: str
    pay_by: str
    payment_id: str | None
    changes: list[ChangeView]

    @classmethod
    def of(cls, order: Order) -> "OrderView":
        """The order as its buyer sees it."""
        return cls(
            order_id=str(order.order_id),
            status=order.status,
            payment_status=order.payment_status,
            shipping_status=order.shipping_status,
            amount_due=order.amount_due,
            lines=order.lines,
            goods_amount=order.goods_amount,
            coupon_id=order.coupon_id,
            discount=order.discount,
            shipping_fee=order.shipping_fee,
            balance=order.balance,
            decision=order.decision,
            created_at=rfc3339(order.created_at),
            pay_by=rfc3339(order.pay_by),
            payment_id=None if order.payment_id is None else str(order.payment_id),
            changes=[ChangeView.of(change) for change in order.changes],
        )


class OrderList(msgspec.Struct, frozen=True):
    """Orders, the newest first; `next` is the `after` of the next page, null at the end."""

    orders: list[OrderView]
    next: str | None


class GoodsList(msgspec.Struct, frozen=True):
    """Goods in SKU order; `next` is the `after` of the next page, null at the end."""

    goods: tuple[Good, ...]
    next: str | None


class CouponView(msgspec.Struct, frozen=True):
    """A coupon that can be used before `valid_until`; value and minimum in fen."""

    coupon_id: str
    value: int
    minimum: int
    valid_until: str

    @classmethod
    def of(cls, coupon: Coupon) -> "CouponView":
        """The coupon as its holder sees it."""
        return cls(coupon.coupon_id, coupon.value, coupon.minimum, rfc3339(coupon.valid_until))


class Me(msgspec.Struct, frozen=True):
    """What a user has; `balance` in fen."""

    user: str
    balance: int
    points: int
    coupons: list[CouponView]


class QuoteView(msgspec.Struct, frozen=True):
    """What an order would cost, in fen."""

    goods_amount: int
    shipping_fee: int
    discount: int
    balance: int
    amount_due: int


class SessionView(msgspec.Struct, frozen=True):
    """A bearer token, and when it expires."""

    token: str
    expires_at: str


class PaymentView(msgspec.Struct, frozen=True):
    """A payment that waits for its payer at `pay_url`."""

    payment_id: str
    pay_url: str
