"""The bodies people send, checked strictly: unknown fields and wrong types are refused."""

from typing import Annotated

import msgspec

from makegood.shop.orders import contracts as orders
from makegood.shop.payments.contracts import Channel
from makegood.shop.types import (
    MAX_LINES,
    CouponId,
    Fen,
    Line,
    Price,
    Quantity,
    Sku,
    User,
)
from makegood.web.problems import Problem

MAX_ID = 2**63 - 1
Id = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,19}$", description="An id that the shop gave")]


class NewLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the buyer saw and wants; `unit_price` in fen."""

    sku: Sku
    quantity: Quantity
    unit_price: Price


class NewOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the buyer saw and agrees to; amounts in fen. Any difference to the shop's own sums refuses the order."""

    lines: Annotated[tuple[NewLine, ...], msgspec.Meta(min_length=1, max_length=MAX_LINES)]
    balance: Fen
    shipping_fee: Fen
    amount_due: Fen
    coupon_id: CouponId | None = None


class NewQuoteLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many of what."""

    sku: Sku
    quantity: Quantity


class NewQuote(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an order would hold; `balance` in fen, absent or null for as much as there is."""

    lines: Annotated[tuple[NewQuoteLine, ...], msgspec.Meta(min_length=1, max_length=MAX_LINES)]
    coupon_id: CouponId | None = None
    balance: Fen | None = None


class Credentials(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who signs in."""

    user: User
    password: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]


class UserName(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whom the operators want a token for."""

    user: User


class NewPayment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which order to pay, through which channel."""

    order_id: Id
    channel: Channel


class NewRefund(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much of a payment to refund, in fen."""

    amount: Price


def place_order(wanted: NewOrder, user: str, key: str) -> orders.PlaceOrder:
    """The request to orders; raises Problem duplicate_sku."""
    lines = tuple([Line(line.sku, line.quantity, line.unit_price) for line in wanted.lines])
    _refuse_duplicates(lines)
    return orders.PlaceOrder(user, key, lines, wanted.coupon_id, wanted.balance, wanted.shipping_fee, wanted.amount_due)


def quote(wanted: NewQuote, user: str) -> orders.Quote:
    """The request to orders; raises Problem duplicate_sku."""
    _refuse_duplicates(wanted.lines)
    lines = tuple([orders.QuoteLine(line.sku, line.quantity) for line in wanted.lines])
    return orders.Quote(user, lines, wanted.coupon_id, wanted.balance)


def parse_id(text: str) -> int:
    """An id as services know it; raises Problem not_found for what cannot be one."""
    if not text.isascii() or not text.isdigit() or len(text) > 19 or int(text) > MAX_ID:
        raise Problem("not_found")
    return int(text)


def parse_after(text: str | None) -> int | None:
    """Where a page begins; raises Problem malformed for what is no id."""
    try:
        return None if text is None else parse_id(text)
    except Problem as problem:
        raise Problem("malformed", "`after` is the `next` of the page before") from problem


def _refuse_duplicates(lines: tuple[Line, ...] | tuple[NewQuoteLine, ...]) -> None:
    if len({line.sku for line in lines}) < len(lines):
        seen: dict[str, int] = {}
        for line in lines:
            seen[line.sku] = seen.get(line.sku, 0) + 1
        raise Problem("duplicate_sku", ", ".join(sku for sku, times in seen.items() if times > 1)[:500])
