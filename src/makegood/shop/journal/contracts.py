"""What the journal says."""

import msgspec

from makegood.engine.contracts import Operation


class EntriesOfOrder(msgspec.Struct, frozen=True):
    """Ask for what happened around an order."""

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
    """Entries, the oldest first."""

    entries: tuple[Entry, ...]


OF_ORDER = Operation("journal", "OfOrder", EntriesOfOrder, Entries)
