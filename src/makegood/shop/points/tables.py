"""What points owns: entries that add up to balances. Times are ms UTC."""

import msgspec

from makegood.engine.database.table import Schema, Table
from makegood.shop.types import User


class EntryRow(msgspec.Struct):
    """What a capture (`refund_id` 0) or a refund did to its user's points; refunds take, so they are negative."""

    payment_id: int
    refund_id: int
    order_id: int
    user: User
    points: int
    at: int


class BalanceRow(msgspec.Struct):
    """The sum of a user's entries; below zero while a refund has overtaken its capture."""

    user: User
    points: int


SCHEMA = Schema("points")
ENTRIES = Table[EntryRow, tuple[int, int]](
    SCHEMA, "entries", EntryRow, key=("payment_id", "refund_id"), indexes=(("user",),)
)
BALANCES = Table[BalanceRow, str](SCHEMA, "balances", BalanceRow, key=("user",))
