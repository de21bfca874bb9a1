"""What the journal owns: one row for each event it hears. It is the shop's log and is kept for good."""

from typing import Annotated

import msgspec

from makegood.engine.database.table import Schema, Table

Short = Annotated[str, msgspec.Meta(max_length=64)]


class EntryRow(msgspec.Struct):
    """An event: whose it is, and its payload as JSON text. `at` (ms UTC) is when it was written down."""

    entry_id: int
    at: int
    topic: Short
    tag: Short
    order_id: int
    payment_id: int | None
    refund_id: int | None
    detail: str


SCHEMA = Schema("journal")
ENTRIES = Table[EntryRow, int](SCHEMA, "entries", EntryRow, key=("entry_id",), indexes=(("order_id",),))
