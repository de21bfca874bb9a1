"""The few types all services share, with their bounds.

Money is an integer number of fen. The bounds keep every sum of an order below 2^63:
500 lines x 10^6 pieces x 10^10 fen = 5 x 10^18.
"""

from typing import Annotated, Literal

import msgspec

MAX_FEN = 5_000_000_000_000_000_000
"""Largest sum of an order or balance, in fen."""
MAX_LINES = 500
"""Most lines of one order."""

MAX_KEY = 128
"""Most characters of an idempotency key."""
VISIBLE = r"^[\x21-\x7e]+$(?!\n)"
"""Printable ASCII without spaces; Python's `$` alone would let a final newline pass."""

Fen = Annotated[int, msgspec.Meta(ge=0, le=MAX_FEN)]
Price = Annotated[int, msgspec.Meta(ge=1, le=10_000_000_000)]
Quantity = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
Count = Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000_000)]
Sku = Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=VISIBLE)]
User = Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=VISIBLE)]
CouponId = Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=VISIBLE)]
IdempotencyKey = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_KEY, pattern=VISIBLE)]
Title = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
PageLimit = Annotated[int, msgspec.Meta(ge=1, le=1_000)]

Participant = Literal["stock", "coupons", "accounts"]
"""A service that an order may ask to take something, and that gives it back when told."""


class Line(msgspec.Struct, frozen=True):
    """What the buyer saw and wants; `unit_price` in fen."""

    sku: Sku
    quantity: Quantity
    unit_price: Price


class Loaded(msgspec.Struct, frozen=True):
    """What came of rows of a load file: a sentence for each that cannot be taken in; when there is any, none was.

    `added` and `changed` count what was taken in: nothing when the load was only checked.
    """

    problems: tuple[str, ...] = ()
    added: int = 0
    changed: int = 0
