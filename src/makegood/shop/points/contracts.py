"""What points says."""

import msgspec

from makegood.engine.contracts import Operation


class PointsOfUser(msgspec.Struct, frozen=True):
    """Ask for a user's points."""

    user: str


class Points(msgspec.Struct, frozen=True):
    """How many points the user has: one for each full 100 fen captured and not refunded, by order."""

    user: str
    points: int


class EntriesOfPayments(msgspec.Struct, frozen=True):
    """Ask for the entries that these payments brought."""

    payment_ids: tuple[int, ...]


class Entry(msgspec.Struct, frozen=True):
    """What a capture (`refund_id` 0) or a refund did to its user's points, and when it was written down (ms UTC)."""

    payment_id: int
    refund_id: int
    points: int
    at: int


class Entries(msgspec.Struct, frozen=True):
    """Entries, by payment and refund."""

    entries: tuple[Entry, ...]


OF_PAYMENTS = Operation("points", "OfPayments", EntriesOfPayments, Entries)
OF_USER = Operation("points", "OfUser", PointsOfUser, Points)
