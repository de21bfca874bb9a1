"""What the journal says."""

import msgspec

from makegood.engine.contracts import Operation

MAX_ENTRIES = 1_000
"""Most entries of one answer."""


class EntriesOfOrder(msgspec.Struct, frozen=True):
    """Ask for what happened around an order: its first 1,000 entries."""

    order_id: int


class Entry(msgspec.Struct, frozen=True):
    """One thing that happened: which event, its payload as JSON text, and when it was written down (ms UTC)."""

    entry_id: int
    at: int
    topic: str
    tag: str
    order_id: int
    payment_id: int | None
    detail: str


class Entries(msgspec.Struct, frozen=True):
    """Entries, the oldest first, at most 1,000. Not `complete`: the order has younger ones that are not told."""

    entries: tuple[Entry, ...]
    complete: bool


OF_ORDER = Operation("journal", "OfOrder", EntriesOfOrder, Entries)
